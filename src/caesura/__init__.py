"""caesura: audio inpainting. A caesura is a break in the music; this fills it.

import caesura

audio = caesura.read("take.wav")
problem = caesura.Problem(audio.samples, (caesura.Region(48_000, 52_000),), audio.sample_rate)
restored = caesura.restore(problem, caesura.build("auto"))
caesura.write("fixed.wav", caesura.Audio(restored.samples, audio.sample_rate, audio.source))
"""

from __future__ import annotations

__version__ = "0.1.0"

__all__ = [
    "Accepts",
    "Audio",
    "Inpainter",
    "Label",
    "Note",
    "Problem",
    "Region",
    "Restored",
    "Unsupported",
    "__version__",
    "build",
    "continued",
    "detect",
    "generate",
    "read",
    "repair_file",
    "restore",
    "varied",
    "write",
]

from typing import TYPE_CHECKING, Any

_HOMES = {
    "Accepts": "caesura.inpainter",
    "Audio": "caesura.audio",
    "Inpainter": "caesura.inpainter",
    "Label": "caesura.labels",
    "Note": "caesura.inpainter",
    "Problem": "caesura.problem",
    "Region": "caesura.problem",
    "Restored": "caesura.restoration",
    "Unsupported": "caesura.inpainter",
    "build": "caesura.methods",
    "continued": "caesura.generation",
    "detect": "caesura.detection",
    "generate": "caesura.generation",
    "read": "caesura.audio",
    "repair_file": "caesura.repair",
    "restore": "caesura.restoration",
    "varied": "caesura.generation",
    "write": "caesura.audio",
}

if TYPE_CHECKING:
    from caesura.audio import Audio, read, write
    from caesura.detection import detect
    from caesura.generation import continued, generate, varied
    from caesura.inpainter import Accepts, Inpainter, Note, Unsupported
    from caesura.labels import Label
    from caesura.methods import build
    from caesura.problem import Problem, Region
    from caesura.repair import repair_file
    from caesura.restoration import Restored, restore


def __getattr__(name: str) -> Any:
    """Import what is asked for and nothing else: the command line answers before NumPy is loaded."""
    if name not in _HOMES:
        raise AttributeError(f"module 'caesura' has no attribute '{name}'")
    from importlib import import_module

    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value
