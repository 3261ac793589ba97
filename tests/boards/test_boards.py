"""Boards: every top elaborates onto its pins, and the PLLs reach what an independent search says they reach."""

from __future__ import annotations

import subprocess
import sys
from fractions import Fraction
from typing import Any

import pytest

from ranvier.bitstream.plan import NAME, Plan, make_plan
from ranvier.boards import BOARDS, Board, find_board
from ranvier.boards.pll import Pll, ecp5_pll, gw1n_pll, ice40_pll
from ranvier.model.errors import RanvierError
from ranvier.model.fabric.config import CoreConfig, FabricConfig, InputConfig
from ranvier.model.fabric.device_config import BOARD_NAME_BYTES
from ranvier.rtl.device import Device
from tests.lights import Lights

pytest.importorskip("amaranth_boards", reason="pip install 'ranvier[boards]'")
MHZ = 1_000_000
SMALL = FabricConfig(cores=1, core=CoreConfig(lanes=4, sweep_lanes=1), input=InputConfig(sweep_lanes=2), word_bits=16)
every_board = pytest.mark.parametrize("board", BOARDS.values(), ids=list(BOARDS))


def plan_of(board: Board, device: Any = None, fabric: FabricConfig = SMALL) -> Plan:
    setting = board.pll.nearest(board.source_hz, board.clock_hz)
    return make_plan(board, board.device_config(fabric, setting.clock_hz), setting, device)


@every_board
def test_description(board: Board) -> None:
    assert 1 <= len(board.name) <= BOARD_NAME_BYTES and board.name == board.name.lower()
    config = board.device_config()
    assert (config.board, config.baud, config.fabric) == (board.name, board.baud, board.fabric)
    reached = board.pll.nearest(board.source_hz, board.clock_hz)
    assert abs(reached.clock_hz / board.clock_hz - 1) < 0.02 and board.clock_hz <= board.most_hz
    assert board.loader or board.loader_note, "neither can it be programmed, nor is it said how else"


@every_board
def test_top_elaborates_onto_its_pins(board: Board) -> None:
    plan = plan_of(board, Lights())
    constraints = plan.files[f"{NAME}.{ {'ice40': 'pcf', 'ecp5': 'lpf', 'gowin': 'cst'}[board.family] }"]
    ports = [f"uart_{board.uart}__rx__io", f"uart_{board.uart}__tx__io", f"{board.clock}_0__io"]
    ports += [f"{pin.resource}_{pin.number}__io" for pin in board.pins().values() if pin is not None]
    ports += [f"{name}_0__io" for name in board.held_high]
    for port in ports:
        assert port in constraints
    netlist = plan.files[f"{NAME}.il"]
    assert {"ice40": "SB_PLL40_", "ecp5": "EHXPLLL", "gowin": "rPLL"}[board.family] in netlist
    arguments = plan.placement(7)
    assert arguments[arguments.index("--seed") + 1] == "7" and plan.bitstream in plan.packing(7)
    mhz = float(plan.setting.hz) / MHZ
    asked = {"ice40": f"set_frequency clocking.clock {mhz}", "ecp5": f'FREQUENCY NET "clocking.clock" {float(plan.setting.hz)} HZ'}
    assert board.family == "gowin" and f"{mhz:.4f}" in arguments or asked[board.family] in constraints


@pytest.mark.parametrize("name", ["icebreaker", "ulx3s"])
def test_top_with_the_device(name: str) -> None:
    board = BOARDS[name]
    netlist = plan_of(board).files[f"{NAME}.il"]
    assert "module \\top.device" in netlist
    again = plan_of(board, Device(board.device_config(SMALL, board.pll.nearest(board.source_hz, board.clock_hz).clock_hz)))
    assert again.files[f"{NAME}.il"] == netlist, "the same configuration gives another design"


def test_list_needs_no_hardware_packages() -> None:
    code = "import sys, ranvier.boards; sys.exit(any(name in sys.modules for name in ('amaranth', 'amaranth_boards')))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_unknown_board() -> None:
    with pytest.raises(RanvierError, match="icebreaker, icesugar, ulx3s"):
        find_board("arduino")


# PLLs


def by_hand(pll: Pll, source: int) -> set[Fraction]:
    """Frequencies in Hz, by trying every divider with the formulas of the data sheets."""
    found = set()
    low, high = pll.oscillator
    references = {"ice40": 16, "ecp5": 128, "gowin": 64}[pll.family]
    for divider in range(1, references + 1):
        reference = Fraction(source, divider)
        if not pll.detector[0] <= reference <= pll.detector[1]:
            continue
        for factor in range(1, {"ice40": 128, "ecp5": 80, "gowin": 64}[pll.family] + 1):
            for last in {"ice40": [2**n for n in range(1, 7)], "ecp5": range(1, 129),
                         "gowin": [2, 4, 8, 16, 32, 48, 64, 80, 96, 112, 128]}[pll.family]:
                oscillator, output = (reference * factor * last, reference * factor) if pll.family == "gowin" else (
                    reference * factor, reference * factor / last)
                if low <= oscillator <= high and pll.output[0] <= output <= pll.output[1]:
                    found.add(output)
    return found


@pytest.mark.parametrize(("pll", "source"), [(ice40_pll, 12 * MHZ), (ice40_pll, 48 * MHZ), (ecp5_pll, 25 * MHZ), (ecp5_pll, 48 * MHZ),
                                             (gw1n_pll, 27 * MHZ)])
def test_reachable_frequencies(pll: Pll, source: int) -> None:
    expected = sorted(by_hand(pll, source))
    found = pll.reachable(source, *pll.output)
    assert [setting.hz for setting in found] == expected
    for most in (expected[0], expected[len(expected) // 2], expected[-1]):
        assert pll.below(source, float(most) + 0.001).hz == most
    target = 37_123_456
    assert abs(pll.nearest(source, target).hz - target) == min(abs(hz - target) for hz in expected)
    with pytest.raises(RanvierError, match="faster clock"):
        pll.below(source, float(expected[0]) - 1)


@pytest.mark.parametrize(("target", "divr", "divf", "divq"), [(36, 0, 47, 4), (39.75, 0, 52, 4), (48, 0, 63, 4)])
def test_settings_that_icepll_gives(target: float, divr: int, divf: int, divq: int) -> None:
    """What IceStorm's icepll 12 -> target prints."""
    setting = ice40_pll.nearest(12 * MHZ, target * MHZ)
    assert (setting["DIVR"], setting["DIVF"], setting["DIVQ"], setting["FILTER_RANGE"]) == (divr, divf, divq, 1)
