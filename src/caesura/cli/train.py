"""caesura train: networks of our own."""

from __future__ import annotations

__all__ = ["train"]

import dataclasses
import importlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args, get_origin, get_type_hints

import typer

from caesura.cli import options
from caesura.cli.quantities import key_values
from caesura.cli.terminal import say

if TYPE_CHECKING:
    from types import ModuleType


def train(
    recipe: Annotated[str, typer.Argument(help="What to train.", autocompletion=lambda: _recipes())],
    preset: Annotated[str, typer.Option(help="Size: tiny, cpu or gpu.")] = "cpu",
    data: Annotated[Path | None, typer.Option(metavar="FOLDER", help="The corpus.")] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", metavar="FOLDER", help="Checkpoints, TensorBoard.")] = None,
    layout: Annotated[str, typer.Option(help="Of the corpus: folder, musicnet or maestro.")] = "folder",
    steps: Annotated[
        int | None, typer.Option(min=1, help="Steps to take in all; the learning rate falls over the last 30 %.")
    ] = None,
    minutes: Annotated[
        float | None, typer.Option(min=0.0, help="Minutes to take at most, resumed ones included; falls likewise.")
    ] = None,
    devices: Annotated[int, typer.Option(min=1, help="Processes, one per GPU; more than one train in parallel.")] = 1,
    accelerator: Annotated[str, typer.Option(help="auto, cpu or gpu.")] = "auto",
    precision: Annotated[str, typer.Option(help="32-true, bf16-mixed or 16-mixed.")] = "32-true",
    threads: Annotated[int, typer.Option(min=1, help="Processor threads of each process.")] = 1,
    seed: Annotated[int, typer.Option(min=0, help="Of everything that is drawn.")] = 0,
    base: Annotated[
        str, typer.Option(metavar="NAME", help="Weights to begin from, for recipes that build on others.")
    ] = "",
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", "-s", metavar="KEY=VALUE", help="Part of the preset, such as how.batch=8; repeat."),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the last checkpoint in --out.")] = False,
    export: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write the weights of the last checkpoint in --out; no training."),
    ] = None,
    quiet: options.Quiet = False,
) -> int:
    """Train a network; the weights go into checkpoints that a run can go on from."""
    module = _recipe(recipe)
    if preset not in module.PRESETS:
        raise ValueError(f"preset '{preset}' is not one of {', '.join(module.PRESETS)}")
    if out is None:
        raise ValueError("name a folder for the checkpoints with --out")
    if export is not None:
        module.export(out / module.LAST, export, preset)
        return 0
    if data is None:
        raise ValueError("name the folder of the corpus with --data; `caesura prepare` makes one")
    chosen = _changed(module.PRESETS[preset], key_values(settings or (), "how.batch=8"))
    _set_threads(threads)
    run = module.Run(
        data=data, out=out, layout=_layout(layout), seed=seed, steps=-1 if steps is None else steps, minutes=minutes,
        devices=devices, accelerator=accelerator, precision=precision, resume=resume, progress=not quiet, base=base,
    )  # fmt: skip
    restorer = module.train(chosen, run)
    if not quiet:
        say(f"{restorer.trainer.global_step} steps; the last checkpoint is {out / module.LAST}")
    return 0


def _changed(preset: Any, settings: Mapping[str, str]) -> Any:
    """A preset with other values in it, by the dotted names of what it is made of.

    Raises:
        ValueError: it has no such part, or the value does not fit.
    """
    from caesura.methods import parse

    for key, text in settings.items():
        parts = _parts(preset)
        if key not in parts:
            raise ValueError(f"the preset has no '{key}': choose from {', '.join(parts)}")
        try:
            value = parse(text, parts[key])
        except ValueError:
            raise ValueError(f"{key}='{text}' does not fit: {_known(parts[key])}") from None
        preset = _with(preset, key.split("."), value)
    return preset


def _parts(preset: Any, before: str = "") -> dict[str, Any]:
    """Types of the values of a preset by their dotted names."""
    found: dict[str, Any] = {}
    for name, hint in get_type_hints(type(preset)).items():
        nested = dataclasses.is_dataclass(hint)
        found |= _parts(getattr(preset, name), f"{before}{name}.") if nested else {before + name: hint}
    return found


def _known(hint: Any) -> str:
    choices = get_args(hint) if get_origin(hint) is Literal else ()
    return f"one of {', '.join(map(str, choices))}" if choices else f"it takes {getattr(hint, '__name__', hint)}"


def _with(preset: Any, names: Sequence[str], value: Any) -> Any:
    first, *rest = names
    return dataclasses.replace(preset, **{first: _with(getattr(preset, first), rest, value) if rest else value})


def _layout(name: str) -> Any:
    from caesura.data.music import Layout

    if name not in get_args(Layout):
        raise ValueError(f"layout '{name}' is not one of {', '.join(get_args(Layout))}")
    return name


def _recipes() -> list[str]:
    import caesura

    folder = Path(caesura.__file__).parent / "training" / "recipes"
    return sorted(path.stem for path in folder.glob("*.py") if not path.stem.startswith("_"))


def _recipe(name: str) -> ModuleType:
    if name not in _recipes():
        raise ValueError(f"there is no recipe '{name}': choose from {', '.join(_recipes())}")
    try:
        return importlib.import_module(f"caesura.training.recipes.{name}")
    except ModuleNotFoundError as error:
        raise ValueError(f"training needs {error.name}: pip install 'caesura[train]'") from None


def _set_threads(threads: int) -> None:
    from caesura.training import set_threads

    set_threads(threads)
