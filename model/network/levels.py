"""Levels: in which hardware tick each population takes its steps."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import RanvierError
from ..limits import MAX_DELAY
from .network import Network
from .projection import Projection

__all__ = ["Schedule", "schedule", "step_order"]


@dataclass(frozen=True)
class Schedule:
    """When populations step.

    Population p takes its source step tau in hardware tick ``level[p] + period * tau``.
    """

    level: dict[str, int]
    period: int

    @property
    def depth(self) -> int:
        """Highest level: ticks that the last population is behind the first."""
        return max(self.level.values())

    def delay(self, projection: Projection) -> int:
        """Ticks between a spike word's writing and its reading by ``projection``."""
        return (self.level[projection.destination] - self.level[projection.source]
                + self.period * projection.delay)

    def ticks(self, steps: int, windows: int = 1) -> int:
        """Hardware ticks of a run of ``windows`` windows of ``steps`` steps, back to back."""
        return self.depth + self.period * (steps * windows - 1) + 1


def schedule(network: Network) -> Schedule:
    """The least levels L with ``L_dst >= L_src + 1 - K * d`` for every projection, and the least K that allows them.

    Raises `RanvierError` for a cycle whose delays sum to 0, and for a hop longer than the fabric's delays.
    """
    _refuse_instant_cycle(network)
    # A cycle of n projections with a delay sum of at least 1 is satisfied by K = n at the latest.
    for period in range(1, len(network.populations) + 2):
        level = _longest_paths(network, period)
        if level is not None:
            break
    else:
        raise AssertionError("every cycle has a delay, so some period must do")
    found = Schedule(level, period)
    for projection in network.projections:
        delay = found.delay(projection)
        if not 1 <= delay <= MAX_DELAY:
            raise RanvierError(
                f"projection {projection.name}: its spikes would wait {delay} ticks, the fabric keeps {MAX_DELAY}; "
                "shorten the delay or insert a relay population")
    return found


def _longest_paths(network: Network, period: int) -> dict[str, int] | None:
    """Least levels for ``period``, or None where a cycle grows without bound (Bellman and Ford, 1958)."""
    level = {p.name: 0 for p in network.populations}
    for _ in range(len(network.populations) + 1):
        changed = False
        for projection in network.projections:
            least = level[projection.source] + 1 - period * projection.delay
            if least > level[projection.destination]:
                level[projection.destination] = least
                changed = True
        if not changed:
            return level
    return None


def step_order(network: Network) -> list[str]:
    """Population names so that every projection without delay goes forwards."""
    waiting = {p.name: {q.source for q in network.incoming(p.name) if q.delay == 0} for p in network.populations}
    order: list[str] = []
    while waiting:
        ready = [name for name, sources in waiting.items() if sources <= set(order)]
        if not ready:
            break
        order += ready
        for name in ready:
            del waiting[name]
    return order


def _refuse_instant_cycle(network: Network) -> None:
    order = step_order(network)
    if len(order) == len(network.populations):
        return
    stuck = {p.name for p in network.populations} - set(order)
    path = [min(stuck)]
    while path[-1] not in path[:-1]:
        path.append(min(q.source for q in network.incoming(path[-1]) if q.delay == 0 and q.source in stuck))
    cycle = path[path.index(path[-1]):][::-1]
    raise RanvierError(
        f"projections {' -> '.join(cycle)} form a cycle without delay; give one of them a delay of at least 1")
