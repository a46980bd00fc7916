"""Region lists: Audacity labels with their frequency rows, tables, JSON, cue regions and packet-loss traces."""

from __future__ import annotations

__all__ = ["KINDS", "Label", "formatted", "read", "write"]

from caesura.labels.files import formatted, read, write
from caesura.labels.label import KINDS, Label
