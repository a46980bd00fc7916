"""What methods there are, as forms: read from the text of their files, so that the server never imports torch."""

from __future__ import annotations

__all__ = ["Catalogue"]

import ast
import threading
from collections.abc import Mapping
from functools import cached_property
from importlib.util import find_spec
from typing import Any

from caesura.data.notes import FAMILIES, LOWEST, PITCHES
from caesura.methods import names, parse
from caesura.methods._describe import Description, Setting, describe
from caesura.project import as_text
from caesura.studio import schemas
from caesura.studio.making import KINDS, reason

EXTRAS = {"torch": "torch", "diffusers": "diffusion", "transformers": "diffusion", "demucs": "stems", "av": "media"}
TYPES = {
    "int": "integer",
    "float": "number",
    "bool": "boolean",
    "str": "text",
    "tuple[int, ...]": "integers",
    "tuple[float, ...]": "numbers",
}
HINTS: dict[str, tuple[Any, str]] = {
    "integer": (int, "a whole number"),
    "number": (float, "a number"),
    "boolean": (bool, "true or false"),
    "text": (str, "a text"),
    "choice": (str, "a text"),
    "integers": (tuple[int, ...], "a list of whole numbers"),
    "numbers": (tuple[float, ...], "a list of numbers"),
}
BASELINES = ("silence", "linear")  # make nothing worth going on with
NOTE = "notono"  # the method that knows notes
# What is offered first, where it can work.
FIRST = {"generate": "text_mini", "continue": "graph", "vary": "text_mini", "add": "mini_p2p"}
MORPHING = ("towards", "towards_seed", "share")  # settings of a method that can lie between two ends


class Catalogue:
    """Methods as the wire has them; what can work is looked up once."""

    def __init__(self, weights: Mapping[str, str]) -> None:
        self._given = dict(weights)
        self._lock = threading.Lock()
        for name in self._given:
            if name not in names():
                raise ValueError(f"--weights {name}=...: there is no method '{name}', `caesura methods` lists them")

    @property
    def methods(self) -> list[schemas.Method]:
        """Every method."""
        with self._lock:
            return self._methods

    @cached_property
    def _methods(self) -> list[schemas.Method]:
        return [self._method(describe(name)) for name in names()]

    def settings(self, name: str, given: Mapping[str, Any]) -> dict[str, Any]:
        """What a client set, with the operator's weights where it set none.

        Raises:
            ValueError: there is no such method or setting, the method cannot work here, or the weights are none of
                those that may be chosen: a client names no places on this machine.
        """
        method = next((each for each in self.methods if each.name == name), None)
        if method is None:
            raise ValueError(f"there is no method '{name}': GET /api/methods lists them")
        chosen = dict(given)
        if name in self._given:
            chosen.setdefault("weights", self._given[name])
        fields = {field.name: field for field in method.settings}
        for key, value in chosen.items():
            if key not in fields:
                known = ", ".join(fields) or "none, it has no settings"
                raise ValueError(f"{name} has no setting '{key}': choose from {known}")
            choices = fields[key].choices
            if choices is not None and value is not None and str(value) not in choices:
                raise ValueError(f"{name}: {key}='{value}' is not one of {', '.join(choices)}")
            _check(name, fields[key], value)
        if not method.available and chosen.get("weights") != "tiny":
            raise ValueError(f"{name} cannot work here: {method.reason}")
        return chosen

    def ways(self) -> list[schemas.Way]:
        """How sound can be made, and with what."""
        found = []
        for kind in KINDS:
            why = reason(kind)
            able = [each.name for each in self.methods if each.available and _makes(each, kind)]
            first = [name for name in able if name == FIRST.get(kind)]
            able = [*first, *(name for name in able if name not in first)]
            why = why or ("" if able else "no method that can do this has its weights: see GET /api/methods")
            found.append(schemas.Way(kind=kind, methods=able, available=not why, reason=why))  # type: ignore[arg-type]
        return found

    def notes(self) -> schemas.Notes:
        """What notes can be asked for."""
        method = next(each for each in self.methods if each.name == NOTE)
        return schemas.Notes(
            families=list(FAMILIES),
            lowest=LOWEST,
            highest=LOWEST + PITCHES - 1,
            available=method.available,
            reason=method.reason,
        )

    def _method(self, found: Description) -> schemas.Method:
        accepts = found.accepts
        fields = [self._setting(found.name, each) for each in found.fields]
        why = self._reason(found)
        return schemas.Method(
            name=found.name,
            summary=found.summary,
            references=found.references,
            settings=fields,
            gaps=bool(accepts.get("gaps", True)),
            boxes=bool(accepts.get("bands", False)),
            text=bool(accepts.get("text", False)),
            # a method that is told what not to sound like is told what to sound like
            takes_text=bool(accepts.get("text", False)) or any(each.name == "negative" for each in fields),
            guide=bool(accepts.get("guide", False)),
            sample_rate=_number(accepts.get("sample_rate")),
            channels=_number(accepts.get("channels")),
            window=accepts.get("window") if isinstance(accepts.get("window"), int | float) else None,
            generates=bool(accepts.get("generates")) and not accepts.get("guide"),
            varies=bool(accepts.get("varies")),
            adds=bool(accepts.get("adds")),
            available=not why,
            reason=why,
        )

    def _setting(self, method: str, found: Setting) -> schemas.Setting:
        parts = [part.strip() for part in found.type.split("|")]
        kind = next(part for part in parts if part != "None")
        choices = [str(each) for each in ast.literal_eval(f"({kind[8:-1]},)")] if kind.startswith("Literal[") else None
        default = ast.literal_eval(found.default) if found.default else None
        if _of_weights(found.name):
            given = self._given.get(method) if found.name == "weights" else None
            choices = list(dict.fromkeys(each for each in (given, default, "tiny") if each is not None))
            default = given or default
        return schemas.Setting(
            name=found.name,
            type="choice" if choices else TYPES.get(kind, "text"),  # type: ignore[arg-type]
            optional="None" in parts,
            default=list(default) if isinstance(default, tuple) else default,
            choices=choices,
            doc=found.doc,
        )

    def _reason(self, found: Description) -> str:
        missing = [package for package in found.packages if find_spec(package) is None]
        if missing:
            extra = EXTRAS.get(missing[0])
            how = f"pip install 'caesura[{extra}]'" if extra else f"pip install {missing[0]}"
            return f"it needs {', '.join(missing)}: {how}"
        needed = [each for each in found.fields if _of_weights(each.name)]
        if found.name in self._given:
            needed = [each for each in needed if each.name != "weights"]
        reasons = (_absent(found.name, str(ast.literal_eval(each.default))) for each in needed)
        return next(filter(None, reasons), "")


def _of_weights(setting: str) -> bool:
    """Whether a setting names weights; one method may need several."""
    return setting == "weights" or setting.endswith("_weights")


def _check(method: str, field: schemas.Setting, value: Any) -> None:
    """Refuse what is not of the type of its field."""
    kind, spoken = HINTS[field.type]
    if value is None and not field.optional:
        raise ValueError(f"{method}: {field.name}=null is not {spoken}")
    if value is None:
        return
    try:
        parse(as_text(value), kind)
    except ValueError:
        raise ValueError(f"{method}: {field.name}='{value}' is not {spoken}") from None


def _absent(method: str, weights: str) -> str:
    """Why weights cannot be used; empty where they can."""
    from caesura.networks.weights import MissingWeights, cards, find

    if not weights and any(card.bundled and card.method == method for card in cards().values()):
        return ""  # those of the package
    if weights in cards():
        try:
            find(weights)
        except (MissingWeights, ValueError) as error:
            return str(error)
        return ""
    if "/" in weights and find_spec("huggingface_hub") is not None:
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import LocalEntryNotFoundError

        try:
            snapshot_download(weights, local_files_only=True)
        except (LocalEntryNotFoundError, OSError):
            return f"the weights '{weights}' are not on this machine: run `hf download {weights}` once"
        return ""
    return f"it comes without weights: start the studio with --weights {method}=FOLDER"


def _makes(method: schemas.Method, kind: str) -> bool:
    """Whether a method can make sound in this way."""
    if kind == "continue":
        return method.gaps and method.name not in BASELINES
    if kind == "morph":
        return {each.name for each in method.settings} >= set(MORPHING)
    return {"vary": method.varies, "add": method.adds}.get(kind, method.generates)


def _number(value: Any) -> int | None:
    return value if isinstance(value, int) else None
