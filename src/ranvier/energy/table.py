"""A table of energies: what it takes and gives, and the tables that there are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from ..boards import Board
from ..model.errors import RanvierError
from .counts import Run
from .interval import Interval

__all__ = ["TABLES", "Setting", "Table", "Term", "find_table", "total"]

Part = Literal["network", "encoder", "link"]
Kind = Literal["static", "clock", "dynamic"]


@dataclass(frozen=True)
class Term:
    """``count`` of something for one sample, each of which takes ``joules``.

    part
        ``network``: the cores and the ring. ``encoder``: the input unit. ``link``: what carries values from the host and answers to it.
    kind
        ``static``: as long as there is power, whatever happens. ``clock``: as long as the clock runs. ``dynamic``: because something is
        done.
    by_spikes
        Share of ``count`` that goes with the number of spikes; the rest comes in every step of every sample.
    source
        Where ``joules`` is from, in a few words.
    unknown
        What keeps ``joules`` from being one number. Terms with the same unknown are all at their low end, all at their high end, or all
        equally far between.
    """

    name: str
    part: Part
    kind: Kind
    count: float
    joules: Interval
    source: str
    by_spikes: float = 0.0
    unknown: str = ""

    @property
    def total(self) -> Interval:
        """Joules of a sample."""
        return self.joules.times(self.count)

    def to_json(self) -> dict[str, Any]:
        """The fields as plain JSON values, with the total."""
        return {"name": self.name, "part": self.part, "kind": self.kind, "count": self.count, "joules_each": self.joules.to_json(),
                "joules": self.total.to_json(), "by_spikes": self.by_spikes, "source": self.source,
                "unknown": self.unknown}


@dataclass(frozen=True)
class Setting:
    """Where a run is thought to take place: a board at a clock. ``cells``: logic cells in use, where they are known."""

    board: Board
    clock_hz: float
    cells: int | None = None


class Table(Protocol):
    """Energies under a name. ``version`` changes where a figure does; ``board`` is the one it is for, or one that can be used with it.
    ``of_chip``: they are a chip's, so what does not fit it has none."""

    name: str
    version: str
    board: str
    about: str
    of_chip: bool

    def check(self, setting: Setting) -> None:
        """Raises `RanvierError` where the table says nothing about the board."""

    def terms(self, run: Run, setting: Setting) -> list[Term]:
        """What one sample of ``run`` takes."""

    def float_terms(self, macs: int, parameters: int) -> list[Term]:
        """What one sample of a conventional network in float32 takes, as far as the table knows."""


def _horowitz() -> Table:
    from .horowitz import Horowitz45
    return Horowitz45()


def _up5k() -> Table:
    from .up5k import Up5k
    return Up5k()


#: The tables by name.
TABLES: dict[str, Callable[[], Table]] = {"horowitz-45nm": _horowitz, "ice40up5k": _up5k}


def find_table(name: str) -> Table:
    """The table of that name; raises `RanvierError` with the names there are."""
    if name not in TABLES:
        raise RanvierError(f"energy: --table {name[:60]!r} is not known; it must be one of {', '.join(TABLES)}")
    return TABLES[name]()


def total(terms: Sequence[Term], **which: str) -> Interval:
    """The sum of those terms whose fields are as ``which`` says."""
    found = Interval(0.0, 0.0)
    for term in terms:
        if all(getattr(term, name) == value for name, value in which.items()):
            found += term.total
    return found
