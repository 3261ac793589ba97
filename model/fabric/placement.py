"""Where everything of a network lies on a fabric: what the mapper decides, and model and image writer follow."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from ..network.levels import Schedule
from ..network.network import Network
from ..network.population import Population
from .config import FabricConfig
from .layout import Op

__all__ = ["Part", "Placement", "Row", "Segment"]


@dataclass(frozen=True)
class Part:
    """Neurons ``start`` to ``stop`` of a population, on one unit, with spike words of their own.

    Word w of the part is at ``base + (w << slots_log2) + slot`` in every spike buffer; the slot of tick t is t modulo
    the slots.
    """

    population: str
    unit: int
    start: int
    stop: int
    base: int
    slots_log2: int
    first_word: int     # words of the population's parts before this one
    word_bits: int

    @property
    def words(self) -> int:
        """Spike words in one slot."""
        return -(-(self.stop - self.start) // self.word_bits)


@dataclass(frozen=True)
class Segment:
    """One program word of a row. A scan reads ``source``'s spikes for projection number ``projection``."""

    op: Op
    row_last: bool
    source: Part | None = None
    projection: int = -1
    source_delay: int = 0
    delay: int = 0
    weight_base: int = 0


@dataclass(frozen=True)
class Row:
    """Neurons ``start`` to ``stop`` of a population, swept together; at most ``lanes`` on a core.

    ``emits`` are the groups (counted from 0) after which a spike word leaves. ``hold`` is the number of clocks
    for which the row keeps the sweep to itself.
    """

    part: Part
    start: int
    stop: int
    groups: int
    hold: int
    level: int
    spiking: bool
    state_base: int
    segments: tuple[Segment, ...]
    emits: tuple[int, ...]

    @property
    def neurons(self) -> int:
        """Lanes that hold a neuron."""
        return self.stop - self.start


@dataclass(frozen=True, eq=False)
class Placement:
    """A network on a fabric. ``units`` lists the rows of each core in program order, then of the input unit."""

    network: Network
    config: FabricConfig
    schedule: Schedule
    parts: dict[str, tuple[Part, ...]]
    units: tuple[tuple[Row, ...], ...]

    def __repr__(self) -> str:
        rows = ", ".join(str(len(unit)) for unit in self.units)
        return f"Placement({self.config.cores} cores x {self.config.core.lanes} lanes, rows of the units: {rows}; {self.network!r})"

    @cached_property
    def blocks(self) -> dict[str, npt.NDArray[np.int64]]:
        """First neuron of every spike word of every population, in the order of the golden model's popcounts."""
        return {name: np.array([part.start + word * part.word_bits for part in parts for word in range(part.words)])
                for name, parts in self.parts.items()}

    def population(self, row: Row) -> Population:
        """The population that a row belongs to."""
        return self.network.by_name[row.part.population]
