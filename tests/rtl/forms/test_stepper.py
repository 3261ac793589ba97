"""The two forms of a loadable counter's next value: iCE40's cells against plain logic."""

from __future__ import annotations

from pathlib import Path

import pytest

from ranvier.rtl.forms.stepper import Stepper
from ranvier.rtl.forms.technology import UP5K

from .equal_forms import equal_forms


def _equal(bits: int, down: bool, monkeypatch: pytest.MonkeyPatch, folder: Path, change: tuple[str, str] = ("", "")) -> bool:
    return equal_forms(lambda: Stepper(bits, down=down), UP5K, ("SB_LUT4", "SB_CARRY"), monkeypatch, folder, change)


@pytest.mark.parametrize("down", [False, True])
@pytest.mark.parametrize("bits", [1, 2, 5, 12])
def test_forms_are_equal(bits: int, down: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert _equal(bits, down, monkeypatch, tmp_path)


def test_a_wrong_cell_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The proof can fail."""
    assert not _equal(5, True, monkeypatch, tmp_path, ("16'hca3a", "16'hcaca"))
