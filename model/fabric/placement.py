"""Where everything of a network lies on a fabric: what the mapper decides, and model and image writer follow."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from ..limits import Ints
from ..network.levels import Schedule
from ..network.network import Network
from ..network.population import Population
from .config import FabricConfig
from .layout import Op
from .windows import Line

__all__ = ["Loop", "Part", "Placement", "Row", "Segment"]


@dataclass(frozen=True)
class Part:
    """Neurons ``start`` to ``stop`` of a population, on one unit, with spike words of their own.

    Word w of the part is at ``base + (w << slots_log2) + slot`` in every spike buffer; the slot of tick t is t modulo
    the slots. ``line`` says how the rows of an image lie, of which the part has whole ones; each begins at a spike word. Without it the
    neurons follow one another. A *position* is a neuron's bit in all words of the part.
    """

    population: str
    unit: int
    start: int
    stop: int
    base: int
    slots_log2: int
    first_word: int     # words of the population's parts before this one
    word_bits: int
    line: Line | None = None

    @property
    def neurons(self) -> int:
        """Neurons of the part."""
        return self.stop - self.start

    @property
    def lines(self) -> int:
        """Rows of the image, 1 without an image."""
        return self.neurons // self._line.neurons

    @property
    def line_words(self) -> int:
        """Spike words of a line."""
        return -(-self._line.bits // self.word_bits)

    @property
    def words(self) -> int:
        """Spike words in one slot."""
        return self.lines * self.line_words

    @property
    def pieces(self) -> tuple[tuple[int, int], ...]:
        """Positions (begin, end) without a gap of unused bits between two lines, as few as there can be."""
        pitch, bits = self.line_words * self.word_bits, self._line.bits
        if pitch == bits:
            return ((0, self.lines * bits),)
        return tuple((line * pitch, line * pitch + bits) for line in range(self.lines))

    def positions(self, start: int, stop: int) -> Ints:
        """Positions of neurons ``start`` to ``stop`` of the population, which increase: int64."""
        line, inside = np.divmod(np.arange(start, stop) - self.start, self._line.neurons)
        pixel, channel = np.divmod(inside, self._line.channels)
        found: Ints = line * (self.line_words * self.word_bits) + pixel * self._line.pitch + channel
        return found

    def neurons_before(self, position: npt.ArrayLike) -> Ints:
        """How many neurons of the part lie before each position: int64 of the same shape."""
        line, inside = np.divmod(np.asarray(position, np.int64), self.line_words * self.word_bits)
        pixel, channel = np.divmod(np.minimum(inside, self._line.bits), self._line.pitch)
        found: Ints = line * self._line.neurons + pixel * self._line.channels + np.minimum(channel, self._line.channels)
        return found

    @property
    def _line(self) -> Line:
        return self.line or Line(self.neurons, 1, 1)


@dataclass(frozen=True)
class Segment:
    """One program word of a row. A scan reads ``source``'s spikes for projection number ``projection``.

    It reads plane ``plane`` of positions ``begin`` to ``end`` of the source; the weight word of the first one is ``weight_base``.
    In a loop its place in the spike buffer moves on by ``step`` addresses from pass to pass, which offset ``register`` keeps; a STEP
    adds ``step`` to the offset. ``again``: it is a LOOP, and another pass follows.
    """

    op: Op
    row_last: bool
    source: Part | None = None
    projection: int = -1
    source_delay: int = 0
    delay: int = 0
    weight_base: int = 0
    begin: int = 0
    end: int = 0
    plane: int = 0
    register: int = 0
    step: int = 0
    again: bool = False

    @property
    def base(self) -> int:
        """Address of its first spike word, slot 0."""
        if self.source is None:
            return 0
        return self.source.base + (self.plane * self.source.words + self.words.start << self.source.slots_log2)

    @property
    def words(self) -> range:
        """Spike words of the source that it reads, as numbers in the part."""
        if self.source is None:
            return range(0)
        return range(self.begin // self.source.word_bits, -(-self.end // self.source.word_bits))

    @property
    def weight_words(self) -> range:
        """Weight words that it may read."""
        return range(self.weight_base, self.weight_base + self.end - self.begin)


@dataclass(frozen=True)
class Row:
    """Neurons ``start`` to ``stop`` of a population, swept together; at most ``lanes`` on a core.

    ``offset`` is the position of the first lane in the part. ``emits`` are the groups (counted from 0) after which a spike word leaves;
    ``flush`` says that the last one leaves although it may not be full. ``hold`` is the number of clocks
    for which the row keeps the sweep to itself.
    """

    part: Part
    start: int
    stop: int
    offset: int
    groups: int
    hold: int
    level: int
    spiking: bool
    flush: bool
    state_base: int
    segments: tuple[Segment, ...]
    emits: tuple[int, ...]

    @property
    def neurons(self) -> int:
        """Lanes that hold a neuron."""
        return self.stop - self.start

    @property
    def places(self) -> Ints:
        """Lane of each of its neurons: int64, counted through all groups."""
        return self.part.positions(self.start, self.stop) - self.offset


@dataclass(frozen=True)
class Loop:
    """Rows ``first`` to ``first + rows * passes`` of a core are ``passes`` repetitions of as many words of the program, and of ``rows``
    row descriptors."""

    first: int
    rows: int
    passes: int


@dataclass(frozen=True, eq=False)
class Placement:
    """A network on a fabric. ``units`` lists the rows of each core in program order, then of the input unit; ``loops`` those of each
    core that are repeated."""

    network: Network
    config: FabricConfig
    schedule: Schedule
    parts: dict[str, tuple[Part, ...]]
    units: tuple[tuple[Row, ...], ...]
    loops: tuple[tuple[Loop, ...], ...] = ()

    def __repr__(self) -> str:
        rows = ", ".join(str(len(unit)) for unit in self.units)
        return f"Placement({self.config.cores} cores x {self.config.core.lanes} lanes, rows of the units: {rows}; {self.network!r})"

    @cached_property
    def blocks(self) -> dict[str, npt.NDArray[np.int64]]:
        """First neuron of every block of every population, in the order of the golden model's popcounts.

        A spike word, or what a scan takes of one, is a number of successive blocks.
        """
        cuts: dict[Part, set[int]] = {part: set(range(0, part.words * part.word_bits, part.word_bits))
                                      for parts in self.parts.values() for part in parts}
        for rows in self.units:
            for segment in (s for row in rows for s in row.segments):
                if segment.source is not None:
                    cuts[segment.source] |= {segment.begin, segment.end}
        return {name: np.unique(np.concatenate([part.start + before[before < part.neurons] for part in parts
                                                for before in [part.neurons_before(sorted(cuts[part]))]]))
                for name, parts in self.parts.items()}

    def stored_rows(self, unit: int) -> list[tuple[Row, list[Row]]]:
        """The rows of a unit that have a descriptor, in its order; each with those of all passes that it stands for, itself first."""
        rows = self.units[unit]
        found: list[tuple[Row, list[Row]]] = []
        loops = {loop.first: loop for loop in (self.loops[unit] if unit < len(self.loops) else ())}
        n = 0
        while n < len(rows):
            loop = loops.get(n, Loop(n, 1, 1))
            found += [(rows[n + k], list(rows[n + k:n + loop.rows * loop.passes:loop.rows])) for k in range(loop.rows)]
            n += loop.rows * loop.passes
        return found

    def population(self, row: Row) -> Population:
        """The population that a row belongs to."""
        return self.network.by_name[row.part.population]
