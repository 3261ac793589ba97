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

__all__ = ["Scans"]


class Scans:
    """Gives the rows of one core their segments, and each scan its weight words: a kernel's are stored once for all rows of a kind."""

    def __init__(self, network: Network, layouts: Layouts, plan: Schedule, parts: dict[str, tuple[Part, ...]]) -> None:
        self._network, self._layouts, self._plan, self._parts = network, layouts, plan, parts
        self._free = 0
        self._kernels: dict[tuple[int, tuple[int, int]], int] = {}

    def of(self, part: Part, line: int, begin: int, end: int) -> tuple[Segment, ...]:
        """The scans of bits ``begin`` to ``end`` of a line of ``part``, highest exponent first, with a doubling for each step down."""
        found: list[Segment] = []
        incoming = [(n, q) for n, q in enumerate(self._network.projections) if q.destination == part.population]
        exponent = max((q.exponent for _, q in incoming), default=0)
        for number, projection in sorted(incoming, key=lambda item: -item[1].exponent):
            found += [Segment(Op.DOUBLE, False)] * (exponent - projection.exponent)
            exponent = projection.exponent
            if projection in self._layouts.convolutions:
                assert part.line is not None
                y = part.start // part.line.neurons + line
                found += self._convolution(number, projection, y, self._layouts.block(part.line, begin))
            else:
                found += self._dense(number, projection)
        found += [Segment(Op.DOUBLE, False)] * exponent
        last = found.pop() if found else Segment(Op.SCAN, False)
        return *found, replace(last, row_last=True)

    def _dense(self, number: int, projection: Projection) -> Iterator[Segment]:
        for source in self._parts[projection.source]:
            for begin, end in source.pieces:
                yield self._scan(number, source, begin, end, self._free)
                self._free += end - begin

    def _convolution(self, number: int, projection: Projection, y: int, block: Block) -> Iterator[Segment]:
        window = self._layouts.window(projection)
        base = self._kernels.get((number, block.kind))
        if base is None:
            base = self._kernels[number, block.kind] = self._free
            self._free += window.weight_words(block.pixels)
        for run in window.runs(y, block.first, block.pixels):
            for source in self._parts[projection.source]:
                assert source.line is not None
                line = run.line - source.start // source.line.neurons
                if 0 <= line < source.lines:
                    at = line * source.line_words * source.word_bits
                    yield self._scan(number, source, at + run.begin, at + run.end, base + run.weight)

    def _scan(self, number: int, source: Part, begin: int, end: int, weight_base: int) -> Segment:
        projection = self._network.projections[number]
        return Segment(Op.SCAN, False, source, number, projection.delay, self._plan.delay(projection), weight_base, begin, end)
