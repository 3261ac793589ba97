"""The scans of a core's rows, and the weight words that they read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from ranvier.model.fabric.layout import Op
from ranvier.model.fabric.placement import Part, Segment
from ranvier.model.network.levels import Schedule
from ranvier.model.network.network import Network
from ranvier.model.network.projection import Projection

from .layouts import Block, Layouts

__all__ = ["Scans", "Slot"]

#: Place of a segment in a row's program; places increase with their order: exponent from the top, projection, plane, row of the kernel or
#: line of the source, part of the source.
Slot = tuple[int, int, int, int, int]


class Scans:
    """Gives the rows of one core their segments, and each scan its weight words: a kernel's are stored once for all rows of a kind."""

    def __init__(self, network: Network, layouts: Layouts, plan: Schedule, parts: dict[str, tuple[Part, ...]]) -> None:
        self._network, self._layouts, self._plan, self._parts = network, layouts, plan, parts
        self._free = 0
        self._kernels: dict[tuple[int, tuple[int, int]], int] = {}
        self._known: dict[tuple[int, Part, int, int], list[tuple[tuple[int, int], Segment]]] = {}

    def of(self, part: Part, line: int, begin: int, end: int) -> dict[Slot, Segment]:
        """The scans of bits ``begin`` to ``end`` of a line of ``part``, in program order: highest exponent first, with a doubling for each
        step down, where a plane counts as so much exponent. Scans of the same slot in other lines do the same for those.
        """
        found: dict[Slot, Segment] = {}
        incoming = [(n, q) for n, q in enumerate(self._network.projections) if q.destination == part.population]
        planes = [(q.exponent + plane, n, plane) for n, q in incoming for plane in range(self._network.spike_bits)]
        exponent = max((level for level, _, _ in planes), default=0)
        for level, number, plane in sorted(planes, key=lambda item: -item[0]):
            found |= self._doublings(level, exponent)
            exponent = level
            order = (-level, number, plane)
            for place, segment in self._source(number, part, line, begin):
                found[*order, *place] = replace(segment, plane=plane)
        return found | self._doublings(0, exponent)

    def _doublings(self, level: int, exponent: int) -> dict[Slot, Segment]:
        """From ``exponent`` down to ``level``: each before the scans of its level."""
        return {(-n, -1, 0, 0, 0): Segment(Op.DOUBLE, False) for n in range(level, exponent)}

    def _source(self, number: int, part: Part, line: int, begin: int) -> list[tuple[tuple[int, int], Segment]]:
        """What a row scans for projection ``number``, with the places within its slots. Planes read the same weights."""
        projection, key = self._network.projections[number], (number, part, line, begin)
        if key not in self._known:
            if projection in self._layouts.convolutions:
                assert part.line is not None
                y = part.start // part.line.neurons + line
                self._known[key] = list(self._convolution(number, projection, y, self._layouts.block(part.line, begin)))
            else:
                self._known[key] = list(self._dense(number, projection))
        return self._known[key]

    def _dense(self, number: int, projection: Projection) -> Iterator[tuple[tuple[int, int], Segment]]:
        for place, source in enumerate(self._parts[projection.source]):
            for piece, (begin, end) in enumerate(source.pieces):
                yield (piece, place), self._scan(number, source, begin, end, self._free)
                self._free += end - begin

    def _convolution(self, number: int, projection: Projection, y: int, block: Block) -> Iterator[tuple[tuple[int, int], Segment]]:
        window = self._layouts.window(projection)
        base = self._kernels.get((number, block.kind))
        if base is None:
            base = self._kernels[number, block.kind] = self._free
            self._free += window.weight_words(block.pixels)
        for run in window.runs(y, block.first, block.pixels):
            for place, source in enumerate(self._parts[projection.source]):
                assert source.line is not None
                line = run.line - source.start // source.line.neurons
                if 0 <= line < source.lines:
                    at = line * source.line_words * source.word_bits
                    yield (run.row, place), self._scan(number, source, at + run.begin, at + run.end, base + run.weight)

    def _scan(self, number: int, source: Part, begin: int, end: int, weight_base: int) -> Segment:
        projection = self._network.projections[number]
        return Segment(Op.SCAN, False, source, number, projection.delay, self._plan.delay(projection), weight_base, begin, end)
