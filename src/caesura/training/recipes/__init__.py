"""The folder is the registry: `recipes/NAME.py` trains the model NAME."""

from __future__ import annotations
