"""What keeps a network on a fabric from being faster: its weights, its reads of spikes, or its sweeps."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from ..model.fabric.cycles import Cycles
from ..model.fabric.layout import Counter, Op
from ..model.fabric.placement import Placement, Row, Segment
from ..model.fabric.timing import FIRST_SCAN, JUMP

__all__ = ["LIMITS", "Limit", "limit_of"]

#: What can be the limit, the costliest to widen first: of equal shares the first is named.
LIMITS = ("weights", "reads", "sweep")


@dataclass(frozen=True)
class Limit:
    """Shares of all clocks, 0 to 1, for which the busiest unit needs each of three that work side by side.

    weights
        A weight word of a set bit is accumulated; one a clock. More lanes or cores shorten it.
    reads
        A segment of the program is decoded, or a spike word is read whether it holds a spike or not. Longer words or more cores shorten it.
    sweep
        A row keeps the holding register until its neurons are updated and its spike words have their turn on the ring; of the input
        unit the same. More sweep lanes, and on the cores more cores, shorten it.

    What no share explains is latency: a tick ends only when its last spikes have arrived.
    """

    weights: float
    reads: float
    sweep: float

    @property
    def name(self) -> str:
        """The largest share's name: ``weights``, ``reads`` or ``sweep``."""
        return max(LIMITS, key=lambda name: float(getattr(self, name)))

    def to_json(self) -> dict[str, Any]:
        """The shares and the name as plain JSON values."""
        return {"name": self.name, **asdict(self)}


def limit_of(placement: Placement, cycles: Cycles, steps: int, windows: int) -> Limit:
    """The limit of a run of ``windows`` windows of ``steps`` steps, which the cycle model predicted: ``cycles``."""
    clocks = int(cycles.clocks.sum())
    cores = placement.units[:-1]
    reads = max(sum(_read_clocks(row, steps) for row in rows) for rows in cores)
    held = max(steps * sum(row.hold for row in rows) for rows in placement.units)
    weights = int(cycles.counters[:len(cores), Counter.WEIGHT_WORDS].max())
    return Limit(weights / clocks, windows * reads / clocks, windows * held / clocks)


def _read_clocks(row: Row, steps: int) -> int:
    """Clocks that the segments of a row take in a window where nothing behind them is full."""
    return sum(_segment_clocks(segment, steps) for segment in row.segments)


def _segment_clocks(segment: Segment, steps: int) -> int:
    if segment.op == Op.SCAN and segment.source is not None:
        scanned = max(0, steps - segment.source_delay)
        return scanned * (FIRST_SCAN + len(segment.words)) + (steps - scanned)
    return steps * (JUMP if segment.again else 1)
