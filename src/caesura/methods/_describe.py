"""What a method says of itself, read from the text of its file: nothing is imported, so a listing costs nothing."""

from __future__ import annotations

__all__ = ["Description", "Setting", "describe"]

import ast
import dataclasses
import inspect
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import Any

GROUP = "caesura.methods"  # entry points of other packages
SECTION = "References:"


@dataclass(frozen=True)
class Setting:
    """A hyperparameter."""

    name: str
    type: str
    default: str
    """As Python writes it; empty where there is none."""
    doc: str


@dataclass(frozen=True)
class Description:
    """A method in words."""

    name: str
    summary: str
    """First sentence of the class, or of the file."""
    accepts: Mapping[str, Any] = field(default_factory=dict)
    """Arguments of its `Accepts(...)`; those that are no literals as text."""
    fields: tuple[Setting, ...] = ()
    packages: tuple[str, ...] = ()
    """Packages that the file imports from elsewhere."""
    references: str = ""
    """The section of the file's docstring, without its heading."""
    source: Path | None = None
    """The file; None where a package hides it."""


def describe(name: str) -> Description:
    """Describe a method without importing it.

    Raises:
        ValueError: there is no such method.
    """
    path, wanted = _file(name)
    if path is None:
        return Description(name, f"(from another package, {wanted})")
    tree = ast.parse(path.read_text(encoding="utf-8"))
    doc = ast.get_docstring(tree) or ""
    cls = _class(tree, wanted)
    return Description(
        name=name,
        summary=_first_sentence((cls and ast.get_docstring(cls)) or doc),
        accepts=_accepts(cls.body if cls else []),
        fields=tuple(_fields(tree, cls)),
        packages=tuple(sorted(_packages(tree))),
        references=_references(doc),
        source=path,
    )


def _file(name: str) -> tuple[Path | None, str]:
    """The file of a method, and the name of its class where an entry point gives it."""
    points = entry_points(group=GROUP, name=name)
    if not points:
        path = Path(__file__).with_name(f"{name}.py")
        if name.startswith("_") or not path.is_file():
            raise ValueError(f"there is no method '{name}': `caesura methods` lists them")
        return path, ""
    point = next(iter(points))
    spec = find_spec(point.module)
    found = spec.origin if spec and spec.origin and spec.origin.endswith(".py") else None
    return (Path(found), point.attr) if found else (None, point.value)


def _class(tree: ast.Module, wanted: str) -> ast.ClassDef | None:
    """The class of that name, or the first one that the file exports."""
    classes = {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}
    for node in tree.body:
        if not wanted and isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            wanted = str(ast.literal_eval(node.value)[0])
    return classes.get(wanted)


def _fields(tree: ast.Module, cls: ast.ClassDef | None) -> list[Setting]:
    """Settings of a class after those of the private base in this folder that it may have, as a dataclass has them."""
    if cls is None:
        return []
    found = {each.name: each for each in _inherited(tree, cls)}
    for each in _settings(cls.body, _constants(tree)):
        before = found.get(each.name)
        found[each.name] = each if each.doc or before is None else dataclasses.replace(each, doc=before.doc)
    return list(found.values())


def _inherited(tree: ast.Module, cls: ast.ClassDef) -> list[Setting]:
    bases = {base.id for base in cls.bases if isinstance(base, ast.Name)}
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(f"{__package__}._"):
            name = next((alias.name for alias in node.names if alias.name in bases), None)
            if name is not None:
                path = Path(__file__).with_name(f"{str(node.module).rpartition('.')[2]}.py")
                base = ast.parse(path.read_text(encoding="utf-8"))
                return _fields(base, _class(base, name))
    return []


def _accepts(body: list[ast.stmt]) -> dict[str, Any]:
    for node in body:
        if (
            isinstance(node, ast.AnnAssign)
            and ast.unparse(node.target) == "accepts"
            and isinstance(node.value, ast.Call)
        ):
            return {keyword.arg: _value(keyword.value) for keyword in node.value.keywords if keyword.arg}
    return {}


def _value(node: ast.expr) -> Any:
    try:
        return ast.literal_eval(node)
    except ValueError:
        return ast.unparse(node)


def _constants(tree: ast.Module) -> dict[str, ast.expr]:
    """What the file gives a name to at its top, for defaults that are named."""
    return {
        node.targets[0].id: node.value
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
    }


def _settings(body: list[ast.stmt], constants: Mapping[str, ast.expr]) -> Iterator[Setting]:
    for node, after in zip(body, [*body[1:], None], strict=True):
        if isinstance(node, ast.AnnAssign) and not ast.unparse(node.annotation).startswith("ClassVar"):
            doc = after.value.value if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant) else ""
            value = constants.get(node.value.id, node.value) if isinstance(node.value, ast.Name) else node.value
            default = ast.unparse(value) if value else ""
            text = inspect.cleandoc(doc) if isinstance(doc, str) else ""
            yield Setting(ast.unparse(node.target), ast.unparse(node.annotation), default, " ".join(text.split()))


def _packages(tree: ast.Module) -> set[str]:
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return {name.partition(".")[0] for name in found} - {*sys.stdlib_module_names, "caesura"}


def _first_sentence(doc: str) -> str:
    paragraph = " ".join(doc.split("\n\n")[0].split())
    return re.split(r"(?<=[.!?])\s", paragraph)[0]


def _references(doc: str) -> str:
    """Lines below the heading, up to the next line that is not indented."""
    _, found, rest = doc.partition(f"{SECTION}\n")
    kept: list[str] = []
    for line in rest.split("\n") if found else []:
        if line.strip() and not line.startswith(" "):
            break
        kept.append(line)
    return inspect.cleandoc("\n" + "\n".join(kept)).strip()
