"""Sound files: read them in bounded memory, and change samples without touching another byte.

    with open_audio("take.wav") as reader:
        x = reader.read(48_000, 52_000)                                  # (channels, 4000) float64
    splice("take.wav", "fixed.wav", [Patch(48_000, 0.5 * x)])

The only place that knows files and their metadata chunks.
"""

from __future__ import annotations

__all__ = [
    "Audio",
    "AudioError",
    "Chunk",
    "Info",
    "Patch",
    "Reader",
    "Spliced",
    "Written",
    "append",
    "chunks",
    "cue_regions",
    "open_audio",
    "output_suffix",
    "read",
    "resample",
    "splice",
    "write",
]

from caesura.audio.appending import append
from caesura.audio.cues import cue_regions
from caesura.audio.layout import AudioError, Chunk, Info
from caesura.audio.opening import chunks, open_audio
from caesura.audio.patches import Patch
from caesura.audio.reader import Reader
from caesura.audio.splicing import Spliced, splice
from caesura.audio.targets import Written, output_suffix
from caesura.audio.whole import Audio, read, resample, write
