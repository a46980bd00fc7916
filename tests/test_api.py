"""The public names: everything promised is there, and nothing else is promised."""

import dataclasses
import inspect

import pytest

import caesura


def test_every_public_name_can_be_imported() -> None:
    for name in caesura.__all__:
        assert getattr(caesura, name) is not None


@pytest.mark.parametrize("name", [n for n in caesura.__all__ if n != "__version__"])
def test_public_names_are_documented_and_typed(name: str) -> None:
    value = getattr(caesura, name)
    assert inspect.getdoc(value)
    if inspect.isfunction(value):
        parameters = inspect.signature(value).parameters.values()
        assert all(p.annotation is not inspect.Parameter.empty for p in parameters)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'caesura' has no attribute 'inpaint'"):
        _ = caesura.inpaint  # type: ignore[attr-defined]


def test_the_data_types_are_frozen() -> None:
    for cls in (caesura.Region, caesura.Problem, caesura.Audio, caesura.Label, caesura.Accepts):
        assert dataclasses.is_dataclass(cls)
        assert cls.__dataclass_params__.frozen  # type: ignore[attr-defined]
