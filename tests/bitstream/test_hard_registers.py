"""Flip-flops that move into block RAMs and multipliers: which do, which must not, and that the netlist does the same."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ranvier.bitstream.hard_registers import move_registers, use_hard_registers
from ranvier.model.errors import RanvierError

_CLOCK = 2
_RAM, _MULTIPLIER = "DP16KD", "MULT18X18D"
Cells = dict[str, Any]


_ENABLE = 6


def _flip_flop(data: int | str, out: int, *, enable: int | None = None) -> dict[str, Any]:
    cell: dict[str, Any] = {
        "type": "TRELLIS_FF", "parameters": {"CEMUX": "1 ", "CLKMUX": "CLK", "GSR": "DISABLED", "LSRMUX": "LSR", "REGSET": "RESET"},
        "port_directions": {"CLK": "input", "DI": "input", "LSR": "input", "Q": "output"},
        "connections": {"CLK": [_CLOCK], "DI": [data], "LSR": ["0"], "Q": [out]}}
    if enable is not None:
        cell["parameters"]["CEMUX"], cell["connections"]["CE"], cell["port_directions"]["CE"] = "CE", [enable], "input"
    return cell


def _cells(*, enable: int | None = None) -> Cells:
    """Two bits of a block RAM and two of a multiplier, each behind a flip-flop; one more flip-flop behind the first one. The block RAM
    and its flip-flops may have an ``enable``."""
    bits = {f"DO{side}{n}": [10 + n if side == "B" else 30 + n] for side in "AB" for n in range(2)}
    ram = {"type": _RAM,
           "parameters": {"REGMODE_A": "NOREG", "REGMODE_B": "NOREG", "DATA_WIDTH_A": f"{18:032b}", "DATA_WIDTH_B": f"{18:032b}"},
           "connections": {"CLKA": [_CLOCK], "CLKB": [_CLOCK], "OCEA": ["1"], "OCEB": ["1"], "RSTA": ["0"], "RSTB": ["0"],
                           "CEA": ["1"], "CEB": ["1" if enable is None else enable], "ADB0": [4], "ADB1": [5], **bits}}
    multiplier: dict[str, Any] = {"type": _MULTIPLIER, "parameters": {},
                                  "connections": {"A0": [4], "B0": [5], "P0": [50], "P1": [51], "P2": [52]}}
    for cell in (ram, multiplier):
        cell["port_directions"] = {port: "output" if port.startswith(("DO", "P")) else "input" for port in cell["connections"]}
    return {"ram": ram, "multiplier": multiplier, "ram_0": _flip_flop(10, 20, enable=enable),
            "ram_1": _flip_flop(11, 21, enable=enable),
            "product_0": _flip_flop(50, 60), "product_1": _flip_flop(51, 61), "second": _flip_flop(20, 70)}


def _outputs(cells: Cells, inputs: list[tuple[int, int, int]]) -> list[tuple[int, ...]]:
    """What the nets 20, 21, 60, 61 and 70 are in each clock, by the cells' own rules."""
    words = random.Random(1).choices(range(4), k=4)
    nets: dict[int | str, int] = {"0": 0, "1": 1}
    kept: dict[tuple[str, str], int] = {}       # what the cells' registers hold: by cell and port
    found = []
    for low, high, enabled in inputs:
        nets |= {4: low, 5: high, _ENABLE: enabled}
        for name, cell in cells.items():
            registered = cell["parameters"].get("REGMODE_B") == "OUTREG"
            for port, bits in cell["connections"].items():
                if cell["port_directions"][port] == "output":
                    combinational = cell["type"] == _MULTIPLIER and not cell["parameters"]
                    held = kept.get((name, port + "+" if registered else port), 0)
                    nets[bits[0]] = (low & high if port == "P0" else 0) if combinational else held
        found.append(tuple(nets[net] for net in (20, 21, 60, 61, 70)))
        after: dict[tuple[str, str], int] = {}
        for name, cell in cells.items():
            if cell["type"] == _RAM:
                word = words[low + 2 * high]
                for n in range(2):
                    output, register = (name, f"DOB{n}"), (name, f"DOB{n}+")
                    after[output] = word >> n & 1 if nets[cell["connections"]["CEB"][0]] else kept.get(output, 0)
                    after[register] = kept.get(output if nets[cell["connections"]["OCEB"][0]] else register, 0)
            elif cell["type"] == _MULTIPLIER:
                after[name, "P0"] = low & high
            else:
                taken = nets[cell["connections"].get("CE", ["1"])[0]]
                after[name, "Q"] = nets[cell["connections"]["DI"][0]] if taken else kept.get((name, "Q"), 0)
        kept = after
    return found


@pytest.mark.parametrize("enable", [None, _ENABLE])
def test_the_netlist_does_the_same(enable: int | None) -> None:
    cells = _cells(enable=enable)
    moved = copy.deepcopy(cells)
    assert move_registers(moved) == {_RAM: 2, _MULTIPLIER: 2}
    assert set(moved) == {"ram", "multiplier", "second"}
    assert moved["ram"]["parameters"]["REGMODE_B"] == "OUTREG" and moved["ram"]["parameters"]["REGMODE_A"] == "NOREG"
    assert moved["multiplier"]["parameters"]["REG_OUTPUT_CLK"] == "CLK0" and moved["multiplier"]["connections"]["CLK0"] == [_CLOCK]
    rng = random.Random(2)
    assert moved["ram"]["connections"]["OCEB"] == moved["ram"]["connections"]["CEB"]
    inputs = [(rng.randrange(2), rng.randrange(2), rng.randrange(2)) for _ in range(60)]
    assert _outputs(cells, inputs) == _outputs(moved, inputs) and len(set(_outputs(cells, inputs))) > 8


def _second_taker(cells: Cells) -> None:
    cells["other"] = _flip_flop(10, 80)


def _another_enable(cells: Cells) -> None:
    for name, data, out in (("ram_0", 10, 20), ("ram_1", 11, 21)):
        cells[name] = _flip_flop(data, out, enable=_ENABLE)


def _one_enabled(cells: Cells) -> None:
    cells["ram"]["connections"]["CEB"] = [_ENABLE]
    cells["ram_0"] = _flip_flop(10, 20, enable=_ENABLE)


def _reset(cells: Cells) -> None:
    cells["ram_0"]["connections"]["LSR"] = [9]


def _set(cells: Cells) -> None:
    cells["ram_0"]["parameters"]["REGSET"] = "SET"


def _falling_edge(cells: Cells) -> None:
    cells["ram_0"]["parameters"]["CLKMUX"] = "INV"


def _another_clock(cells: Cells) -> None:
    cells["ram_0"]["connections"]["CLK"] = [3]


def _wide(cells: Cells) -> None:
    cells["ram"]["parameters"]["DATA_WIDTH_B"] = f"{36:032b}"


def _no_output_enable(cells: Cells) -> None:
    cells["ram"]["connections"]["OCEB"] = ["0"]


@pytest.mark.parametrize("change", [_second_taker, _another_enable, _one_enabled, _reset, _set, _falling_edge, _another_clock, _wide,
                                    _no_output_enable])
def test_what_does_not_move(change: Callable[[Cells], None]) -> None:
    """One flip-flop that cannot move keeps all of its side's, for they share the register."""
    cells = _cells()
    change(cells)
    assert move_registers(cells) == {_MULTIPLIER: 2}
    assert cells["ram"]["parameters"]["REGMODE_B"] == "NOREG" and {"ram_0", "ram_1"} <= set(cells)


def test_files(tmp_path: Path) -> None:
    path = tmp_path / "top.json"
    path.write_text(json.dumps({"creator": "Yosys", "modules": {"top": {"cells": _cells()}}}))
    assert use_hard_registers(path, "top") == {_RAM: 2, _MULTIPLIER: 2}
    assert set(json.loads(path.read_text())["modules"]["top"]["cells"]) == {"ram", "multiplier", "second"}
    for text in ("{", "{}", '{"modules": {"top": {"cells": {"a": {}}}}}', "[]"):
        path.write_text(text)
        with pytest.raises(RanvierError, match=r"top\.json: it is not a netlist"):
            use_hard_registers(path, "top")
        assert path.read_text() == text
