"""What the programs report: nextpnr's JSON, yosys' statistics, and how far a placement is."""

from __future__ import annotations

import json
import pathlib
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from ..model.errors import RanvierError

__all__ = ["Clock", "Path", "Placed", "Resource", "circles", "overfull", "phase_of", "read_placed", "stage_of"]

#: Kinds of cells in nextpnr's report, by family, and what the table calls them.
_KINDS: Mapping[str, Mapping[str, str]] = {
    "ice40": {"ICESTORM_LC": "logic cells", "ICESTORM_RAM": "block RAMs", "ICESTORM_SPRAM": "SPRAMs", "ICESTORM_DSP": "multipliers",
              "SB_GB": "global buffers", "ICESTORM_PLL": "PLLs"},
    "ecp5": {"TRELLIS_COMB": "LUT4", "TRELLIS_FF": "flip-flops", "TRELLIS_RAMW": "distributed RAM writers", "DP16KD": "block RAMs",
             "MULT18X18D": "multipliers", "DCCA": "global clocks", "EHXPLLL": "PLLs"},
    "gowin": {"LUT4": "LUT4", "DFF": "flip-flops", "ALU": "carry cells", "RAM16SDP4": "distributed RAMs", "BSRAM": "block RAMs",
              "MULT9X9": "multipliers 9x9", "MULT18X18": "multipliers", "rPLL": "PLLs"},
}
#: Rounds of router2 in each of which wires came late, after which nothing comes of them any more; and rounds in all. Where they can
#: come in time there are rounds without late ones, and it takes 40 to 70.
_LATE_ROUNDS, _MOST_ROUNDS = 40, 400
#: Lines of nextpnr's log that begin a phase, the share of the work that is done then, and the phase's name.
_PHASES = (("Info: Packing", 2, "packing"), ("Info: Placed", 8, "placing"), ("Info: Creating initial", 8, "placing"),
           ("Info: Running main analytical", 12, "placing"), ("Info: Running Static placer", 12, "placing"),
           ("Info: Running simulated annealing", 45, "refining"),
           ("Info: Routing", 55, "routing"), ("Info: Running router2", 60, "routing"), ("Info: Routing complete", 92, "timing"),
           ("Info: Router1 time", 92, "timing"), ("Info: Max frequency for clock", 95, "timing"))
#: Share by which a constraint may differ from the clock: periods are whole picoseconds in nextpnr.
_ROUNDING = 1e-3


@dataclass(frozen=True)
class Resource:
    """Cells of one kind."""

    name: str
    used: int
    available: int


@dataclass(frozen=True)
class Clock:
    """A clock of the design in MHz: what was reached, and what was asked for."""

    name: str
    achieved: float
    asked: float


@dataclass(frozen=True)
class Path:
    """The slowest path between two registers of a clock: blocks at its ends, and nanoseconds in cells and in wires."""

    begins: str
    ends: str
    logic_ns: float
    routing_ns: float

    def __str__(self) -> str:
        return f"{self.begins} to {self.ends}: {self.logic_ns:.1f} ns logic, {self.routing_ns:.1f} ns routing"


@dataclass(frozen=True)
class Placed:
    """Result of one placement: cells, clocks (the fabric's first), and the fabric clock's slowest path."""

    seed: int
    resources: tuple[Resource, ...]
    clocks: tuple[Clock, ...]
    slowest: Path | None = None

    @property
    def fmax(self) -> float:
        """MHz that the fabric clock reached."""
        return self.clocks[0].achieved

    @property
    def met(self) -> bool:
        """Whether every clock is as fast as asked."""
        return all(clock.achieved >= clock.asked for clock in self.clocks)

    def to_json(self) -> dict[str, Any]:
        """The fields as plain JSON values."""
        return asdict(self)


def read_placed(path: pathlib.Path, family: str, seed: int, clock_mhz: float) -> Placed:
    """Read nextpnr's ``--report``. The fabric clock is the one that was placed for ``clock_mhz`` (the slowest, if several were).

    Raises `RanvierError` where there is none: nothing would be known of its speed then.
    """
    try:
        value = json.loads(path.read_text(errors="replace"))
        kinds = _KINDS[family]
        resources = [Resource(kinds[kind], int(found["used"]), int(found["available"]))
                     for kind, found in value["utilization"].items() if kind in kinds and int(found["available"])]
        clocks = [Clock(name, float(found["achieved"]), float(found["constraint"])) for name, found in value["fmax"].items()]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise RanvierError(f"nextpnr: its report cannot be read ({error}); use the version in constraints.txt") from None
    order = {name: n for n, name in enumerate(kinds.values())}
    resources.sort(key=lambda found: order[found.name])
    fabric = sorted((clock for clock in clocks if abs(clock.asked / clock_mhz - 1) < _ROUNDING), key=lambda clock: clock.achieved)
    if not fabric:
        asked = ", ".join(f"{clock.name} for {clock.asked:.3f} MHz" for clock in clocks) or "no clock"
        raise RanvierError(f"nextpnr: no clock was placed for {clock_mhz:.3f} MHz, but {asked}; "
                           "this is a defect, please report it with the logs")
    # The constraint is rounded to picoseconds on its way; what counts is the clock itself.
    exact = [replace(clock, asked=clock_mhz) for clock in fabric]
    slowest = _slowest(value.get("critical_paths"), fabric[0].name)
    return Placed(seed, tuple(resources), (*exact, *(clock for clock in clocks if clock not in fabric)), slowest)


def _slowest(paths: Any, clock: str) -> Path | None:
    """The slowest path within a clock. It is information only, so a report that has none is no error."""
    try:
        steps = next(path["path"] for path in paths if path["from"] == path["to"] == f"posedge {clock}")
        routing = sum(float(step["delay"]) for step in steps if step["type"] == "routing")
        total = sum(float(step["delay"]) for step in steps)
        return Path(_block(steps[0]["from"]["cell"]), _block(steps[-1]["to"]["cell"]), total - routing, routing)
    except (StopIteration, KeyError, TypeError, ValueError, IndexError):
        return None


def _block(cell: str) -> str:
    """A cell by the names in the sources: what the tools append for their own cells is left out."""
    return re.sub(r"(_(SB|TRELLIS|CCU2C|LUT\d|PFUMX|L6MUX21|DFF)\w*|_[A-Z]+_LC|\$\w+)+$", "", cell.split("$auto")[0]) or cell


def overfull(log: str, family: str) -> list[Resource]:
    """Kinds of cells of which nextpnr's log says that the design needs more than there are."""
    kinds = _KINDS[family]
    found = re.findall(r"^Info:\s+(\w+): +(\d+)/ *(\d+)", log, re.MULTILINE)
    return [Resource(kinds.get(kind, kind), int(used), int(available)) for kind, used, available in found if int(used) > int(available)]


def phase_of(log: str) -> tuple[int, str]:
    """How far nextpnr is, in percent, and its phase, from its log so far."""
    share, phase = 0, "reading"
    for begins, done, name in _PHASES:
        if begins in log and done >= share:
            share, phase = done, name
    if phase == "placing":
        # The analytical placer counts its rounds; it takes about twenty. The static one takes about five hundred.
        rounds = [2 * int(n) for n in re.findall(r"at iteration #(\d+)", log)]
        rounds += [int(n) // 20 for n in re.findall(r"^Info: iter=(\d+) steplen", log, re.MULTILINE)]
        share = min(40, share + max(rounds, default=0))
    return share, phase


def circles(log: str) -> bool:
    """Whether nextpnr's router takes up late wires again and again: it does so for ever where they cannot come in time."""
    late = [int(count) for count in re.findall(r"^Info: +iter=\d+ wires=.* tmgfail=(\d+)", log, re.MULTILINE)]
    return len(late) >= _MOST_ROUNDS or len(late) >= _LATE_ROUNDS and all(late[-_LATE_ROUNDS:])


def stage_of(log: str) -> tuple[int, str]:
    """The same of yosys: its ``synth`` commands have some thirty steps numbered 4.1 to 4.5x."""
    steps = re.findall(r"^\d+\.(\d+)\. Executing (\w+)", log, re.MULTILINE)
    if not steps:
        return 0, "reading"
    number, name = steps[-1]
    return min(95, 2 * int(number)), name.lower()
