"""Where a recording is damaged: gaps, held values, dropouts, clicks, clipping and samples that are no numbers."""

from __future__ import annotations

__all__ = ["KINDS", "detect", "detect_blocks", "detect_file"]

from caesura.detection.files import detect_file
from caesura.detection.search import KINDS, detect, detect_blocks
