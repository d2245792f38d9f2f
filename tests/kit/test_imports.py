"""A program loads without modules that nobody asked for, and without looking for garbage."""

from __future__ import annotations

import gc
import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import BaseModel

from backend.kit.imports import absent, loading, unbuilt


@pytest.fixture
def optional(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The name of a module that can be imported and has not been."""
    (tmp_path / "hearth_optional.py").write_text("here = True\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield "hearth_optional"
    sys.modules.pop("hearth_optional", None)


def test_a_hidden_module_seems_not_installed_and_comes_back(optional: str) -> None:
    """Within the context its import fails as that of a missing module does; afterwards nothing is left of it."""
    with absent(optional), pytest.raises(ModuleNotFoundError):
        importlib.import_module(optional)

    assert importlib.import_module(optional).here


def test_what_is_loaded_already_stays(optional: str) -> None:
    """Others rely on it."""
    loaded = importlib.import_module(optional)
    with absent(optional):
        assert importlib.import_module(optional) is loaded

    assert sys.modules[optional] is loaded


def test_an_error_brings_the_module_back_too(optional: str) -> None:
    """Whatever happens within the context."""
    with pytest.raises(ZeroDivisionError), absent(optional):
        raise ZeroDivisionError

    assert importlib.import_module(optional).here


def test_nothing_is_collected_while_a_program_loads() -> None:
    """Afterwards the collector works again and leaves alone what was there."""
    try:
        with loading():
            assert not gc.isenabled()
        assert gc.isenabled()
        assert gc.get_freeze_count() > 0
    finally:
        gc.unfreeze()


def test_who_has_switched_collection_off_keeps_it_off() -> None:
    """It is not ours to switch on."""
    gc.disable()
    try:
        with loading():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()
        gc.unfreeze()


def test_models_are_built_when_they_are_used() -> None:
    """Those that were defined within the context alone."""
    with unbuilt():

        class Late(BaseModel):
            number: int

    class Early(BaseModel):
        number: int

    assert (Late.__pydantic_complete__, Early.__pydantic_complete__) == (False, True)
    assert Late.model_validate({"number": "3"}).number == 3
    assert Late.__pydantic_complete__
