"""Flip-flops behind an ECP5's block RAMs and multipliers, moved into the register that these cells have themselves.

Synthesis leaves those registers unused. Without them a word comes 5.6 ns after the clock's edge before any wire
(docs/decisions/0012). The netlist's function stays: a flip-flop that takes an output, and is the only cell to do so, becomes that
output's register. It may have an enable if the block RAM has the same one.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from ..files.safe import write_atomic
from ..model.errors import RanvierError

__all__ = ["move_registers", "use_hard_registers"]

#: Bits of a block RAM's words up to which each side gives its own.
_WIDEST = 18
#: The enable of what is never held.
_ALWAYS = ["1"]


def use_hard_registers(path: Path, top: str) -> dict[str, int]:
    """Rewrite a netlist of Yosys (JSON); how many flip-flops went into cells of each type. Raises `RanvierError`."""
    try:
        netlist = json.loads(path.read_bytes())
        cells = netlist["modules"][top]["cells"]
        moved = move_registers(cells)
    except (KeyError, TypeError, IndexError, ValueError) as error:
        raise RanvierError(f"{path.name}: it is not a netlist of Yosys ({type(error).__name__}: {error})") from error
    write_atomic(path, json.dumps(netlist).encode())
    return moved


def move_registers(cells: dict[str, Any]) -> dict[str, int]:
    """Move registers within ``cells``; how many flip-flops went into cells of each type."""
    takers: dict[int | str, list[str]] = defaultdict(list)
    for name, cell in cells.items():
        for port, bits in cell["connections"].items():
            if cell["port_directions"][port] == "input":
                for bit in bits:
                    takers[bit].append(name)
    moved: dict[str, int] = {}
    for cell in list(cells.values()):
        for outputs, enables, turn_on in _groups(cell):
            registers = _registers(cells, cell, outputs, enables, takers)
            if not registers:
                continue
            first = cells[next(iter(registers.values()))]
            turn_on(first["connections"]["CLK"], _enable(first))
            for port, register in registers.items():
                cell["connections"][port] = cells.pop(register)["connections"]["Q"]
            moved[cell["type"]] = moved.get(cell["type"], 0) + len(registers)
    return moved


def _groups(cell: dict[str, Any]) -> list[tuple[list[str], list[Any], Callable[[Any, Any], None]]]:
    """Outputs that share a register, the enables that it can have, and what turns it on, given its clock and enable.

    A block RAM's register has the block RAM's enable or none: whether it could go without it nobody has written down.
    """
    connections, parameters = cell["connections"], cell["parameters"]
    groups: list[tuple[list[str], list[Any], Callable[[Any, Any], None]]] = []
    if cell["type"] == "DP16KD":
        # A side's register runs with the side's clock, always and without reset as synthesis leaves it. Words of more than 18 bits
        # take the outputs of both sides, and whose registers these are then nobody has written down.
        wide = any(int(str(parameters[f"DATA_WIDTH_{side}"]), 2) > _WIDEST for side in "AB")
        for side in "AB":
            free = parameters[f"REGMODE_{side}"] == "NOREG" and connections[f"OCE{side}"] == ["1"] and connections[f"RST{side}"] == ["0"]
            if free and not wide:
                enables = [_ALWAYS, connections.get(f"CE{side}")]
                groups.append((_named(connections, f"DO{side}"), enables, partial(_turn_on_block_ram, cell, side)))
    elif cell["type"] == "MULT18X18D" and "REG_OUTPUT_CLK" not in parameters and "CLK0" not in connections:
        groups.append((_named(connections, "P"), [_ALWAYS], partial(_turn_on_multiplier, cell)))
    return groups


def _turn_on_block_ram(cell: dict[str, Any], side: str, clock: Any, enable: Any) -> None:
    assert cell["connections"][f"CLK{side}"] == clock
    cell["parameters"][f"REGMODE_{side}"], cell["connections"][f"OCE{side}"] = "OUTREG", enable


def _turn_on_multiplier(cell: dict[str, Any], clock: Any, enable: Any) -> None:
    cell["parameters"] |= {"REG_OUTPUT_CLK": "CLK0", "REG_OUTPUT_CE": "CE0", "REG_OUTPUT_RST": "RST0"}
    for port, bits in {"CLK0": clock, "CE0": enable, "RST0": ["0"]}.items():
        cell["connections"][port], cell["port_directions"][port] = bits, "input"


def _named(connections: Mapping[str, Any], name: str) -> list[str]:
    return [port for port in connections if port.startswith(name) and port[len(name):].isdigit()]


def _registers(cells: dict[str, Any], cell: dict[str, Any], outputs: list[str], enables: list[Any],
               takers: Mapping[int | str, list[str]]) -> dict[str, str]:
    """The flip-flop behind each output that is used; none where an output has anything else behind it, or their enable is another."""
    found: dict[str, str] = {}
    for port in outputs:
        behind = takers.get(cell["connections"][port][0], [])
        if len(behind) > 1 or behind and not _is_plain(cells[behind[0]]):
            return {}
        if behind:
            found[port] = behind[0]
    common = [enable for enable in enables if all(_enable(cells[name]) == enable for name in found.values())]
    clocks = {str(cells[name]["connections"]["CLK"]) for name in found.values()}
    own = {str(bits) for port, bits in cell["connections"].items() if port.startswith("CLK")}
    return found if common and len(clocks | own) == 1 else {}


def _enable(register: dict[str, Any]) -> Any:
    """What enables a flip-flop: a net, or 1."""
    return register["connections"]["CE"] if str(register["parameters"].get("CEMUX")).strip() == "CE" else _ALWAYS


def _is_plain(cell: dict[str, Any]) -> bool:
    """Whether a cell is a flip-flop that takes its input at rising edges, has no reset, and begins with 0."""
    parameters = {name: str(value).strip() for name, value in cell["parameters"].items()}
    return (cell["type"] == "TRELLIS_FF" and cell["connections"].get("LSR", ["0"]) == ["0"] and parameters.get("CEMUX") in ("1", "CE")
            and parameters.get("CLKMUX") == "CLK" and parameters.get("REGSET") == "RESET")
