"""Damage, corpora and synthesis: what methods are measured on and trained with."""
