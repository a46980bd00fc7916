"""The folder is the registry: `methods/NAME.py` is the method NAME.

Listing reads file names and, for the descriptions, the text of the files; only `build` imports a method. A package
elsewhere adds methods with entry points in the group `caesura.methods`.
"""

from __future__ import annotations

__all__ = ["build", "construct", "load", "names", "parse", "settings_of"]

import dataclasses
import difflib
import types
from collections.abc import Mapping
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from caesura.inpainter import Inpainter

GROUP = "caesura.methods"
T = TypeVar("T")


def names() -> tuple[str, ...]:
    """Names of all methods, those of other packages included; nothing is imported."""
    own = (path.stem for path in Path(__file__).parent.glob("*.py") if not path.stem.startswith("_"))
    return tuple(sorted({*own, *_plugins()}))


@cache
def _plugins() -> Mapping[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=GROUP)}


def load(name: str) -> type[Inpainter]:
    """The class of a method; only its file is imported.

    Raises:
        ValueError: there is no such method.
    """
    if name in _plugins():
        return _plugins()[name].load()  # type: ignore[no-any-return]
    if name not in names():
        close = difflib.get_close_matches(name, names(), n=1)
        hint = f"did you mean {close[0]}?" if close else f"choose from {', '.join(names())}"
        raise ValueError(f"there is no method '{name}': {hint}")
    module = import_module(f"{__name__}.{name}")
    return getattr(module, module.__all__[0])  # type: ignore[no-any-return]


def build(name: str, settings: Mapping[str, Any] | None = None, /, **more: Any) -> Inpainter:
    """A method with its hyperparameters.

    Args:
        name: one of `names()`.
        settings: values by field name; text is converted to the field's type, so it may come from a command line.
        more: the same as keyword arguments.

    Raises:
        ValueError: no such method or field, or a value that does not fit; the message quotes it.
    """
    return construct(load(name), name, {**(settings or {}), **more})


def construct(cls: type[T], name: str, given: Mapping[str, Any]) -> T:
    """A dataclass with settings that may be text; `name` is what messages call it.

    Raises:
        ValueError: as for `build`.
    """
    hints = get_type_hints(cls)
    known = [f.name for f in dataclasses.fields(cls)]  # type: ignore[arg-type]
    for key in given:
        if key not in known:
            raise ValueError(
                f"{name} has no setting '{key}': choose from {', '.join(known) or 'none, it has no settings'}"
            )
    return cls(**{key: _converted(name, key, value, hints[key]) for key, value in given.items()})


def settings_of(inpainter: Any) -> dict[str, Any]:
    """The hyperparameters of a method by field name, as `build` takes them."""
    return dataclasses.asdict(inpainter)


def _converted(name: str, key: str, value: Any, hint: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return parse(value, hint)
    except ValueError:
        raise ValueError(f"{name}: {key}='{value}' is not {_spoken(hint)}") from None


def parse(text: str, hint: Any) -> Any:
    """Text as a value of the annotated type `hint`.

    Raises:
        ValueError: the text does not fit the type.
    """
    origin, args = get_origin(hint), get_args(hint)
    if origin is Literal:
        matches = [a for a in args if str(a) == text]
        if not matches:
            raise ValueError(text)
        return matches[0]
    if origin in (Union, types.UnionType):
        if text.lower() in ("none", "") and type(None) in args:
            return None
        return parse(text, next(a for a in args if a is not type(None)))
    if origin is tuple:
        return tuple(parse(part.strip(), args[0]) for part in text.split(",") if part.strip())
    if hint is bool:
        if text.lower() not in ("true", "false", "yes", "no", "1", "0", "on", "off"):
            raise ValueError(text)
        return text.lower() in ("true", "yes", "1", "on")
    return hint(text)


def _spoken(hint: Any) -> str:
    origin, args = get_origin(hint), get_args(hint)
    if origin is Literal:
        return "one of " + ", ".join(map(str, args))
    if origin in (Union, types.UnionType):
        return " or ".join(_spoken(a) for a in args)
    if origin is tuple:
        return f"a comma-separated list, each {_spoken(args[0])}"
    return {int: "a whole number", float: "a number", bool: "true or false", type(None): "none"}.get(hint, "text")
