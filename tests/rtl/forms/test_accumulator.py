"""The two forms of a lane's adder: ECP5's carry cells against plain logic."""

from __future__ import annotations

from pathlib import Path

import pytest

from ranvier.rtl.forms.accumulator import Accumulator
from ranvier.rtl.forms.technology import ECP5

from .equal_forms import equal_forms


def _equal(bits: int, lanes: int, monkeypatch: pytest.MonkeyPatch, folder: Path, change: tuple[str, str] = ("", "")) -> bool:
    return equal_forms(lambda: Accumulator(bits, lanes), ECP5, ("CCU2C",), monkeypatch, folder, change)


@pytest.mark.parametrize(("bits", "lanes"), [(12, 1), (15, 1), (15, 2), (16, 3), (16, 4), (32, 2)])
def test_forms_are_equal(bits: int, lanes: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert _equal(bits, lanes, monkeypatch, tmp_path)


def test_a_wrong_cell_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The proof can fail."""
    assert not _equal(12, 1, monkeypatch, tmp_path, ("16'h060a", "16'h0a0a"))
