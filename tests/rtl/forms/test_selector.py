"""The two forms of a selector: the LUTs and multiplexers of an ECP5's slices against plain logic."""

from __future__ import annotations

from pathlib import Path

import pytest

from ranvier.rtl.forms.selector import Selector
from ranvier.rtl.forms.technology import ECP5

from .equal_forms import equal_forms


def _equal(width: int, monkeypatch: pytest.MonkeyPatch, folder: Path, change: tuple[str, str] = ("", "")) -> bool:
    return equal_forms(lambda: Selector(width), ECP5, ("LUT4", "PFUMX", "L6MUX21"), monkeypatch, folder, change)


@pytest.mark.parametrize("width", [1, 5])
def test_forms_are_equal(width: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert _equal(width, monkeypatch, tmp_path)


def test_a_wrong_cell_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The proof can fail: the LUTs' two words are exchanged."""
    assert not _equal(1, monkeypatch, tmp_path, ("16'hca00", "16'hac00"))
