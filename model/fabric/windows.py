"""Windows: what a row of a core sees of a source through a convolution's kernel, as runs of spike bits with a weight word each.

A population that is an end of a convolution lies in *lines*, one for each row of its image. Pixels of a line follow one another, each with
its channels, and so what a kernel's row meets is one run of a line. The weight word of a run's bit hangs on its place in the window only,
and so one copy of the kernel serves all rows of the core.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..limits import Ints
from ..network.population import Population
from ..network.projection import Projection

__all__ = ["Line", "Run", "Window", "synapses"]


@dataclass(frozen=True)
class Line:
    """A row of an image in bits: ``pixels`` of ``pitch`` bits each, of which the first ``channels`` are neurons; the others rest."""

    pixels: int
    channels: int
    pitch: int

    @property
    def bits(self) -> int:
        """Bits of the line."""
        return self.pixels * self.pitch

    @property
    def neurons(self) -> int:
        """Neurons of the line."""
        return self.pixels * self.channels


@dataclass(frozen=True)
class Run:
    """What row ``row`` of the kernel sees: bits ``begin`` to ``end`` of line ``line`` of the whole source; the first one has weight word
    ``weight`` of the window."""

    row: int
    line: int
    begin: int
    end: int
    weight: int


@dataclass(frozen=True, eq=False)
class Window:
    """A convolution as a row of a core sees it that holds some adjacent pixels of an image row.

    ``pitch``: bits of a pixel of the source.
    """

    projection: Projection
    source: Population
    pitch: int

    def span(self, pixels: int) -> int:
        """Pixels of a source row that ``pixels`` of the destination see, padding included."""
        return (pixels - 1) * self.projection.stride[1] + self.projection.extent[1]

    def weight_words(self, pixels: int) -> int:
        """Weight words of the whole kernel for ``pixels`` of the destination."""
        return int(self.projection.weights.shape[0]) * self.span(pixels) * self.pitch

    def runs(self, y: int, x: int, pixels: int) -> list[Run]:
        """What pixels (y, x) to (y, x + pixels - 1) of the destination see inside of the source: at most a run for each kernel row."""
        projection, (height, width, _) = self.projection, self.source.shape
        top, _, left, _ = projection.padding
        first, span = x * projection.stride[1] - left, self.span(pixels)
        low, high = max(first, 0), min(first + span, width)
        found = []
        for row in range(projection.weights.shape[0]):
            line = y * projection.stride[0] - top + row * projection.dilation[0]
            if 0 <= line < height and low < high:
                found.append(Run(row, line, low * self.pitch, high * self.pitch, (row * span + low - first) * self.pitch))
        return found


def synapses(projection: Projection, source: Population, destination: Population, sources: Ints, destinations: Ints) -> Ints:
    """Weights without the exponent from neurons ``sources`` to neurons ``destinations``, 0 where there is no synapse.

    Neurons are numbers in their populations; int64 (sources, destinations).
    """
    if projection.is_dense(source, destination):
        return np.asarray(projection.matrix[np.ix_(sources, destinations)])
    kernel, (down, right) = projection.weights, projection.dilation
    height, width, inputs, outputs = kernel.shape
    there = np.unravel_index(sources, source.shape)
    here = np.unravel_index(destinations, destination.shape)
    rows = there[0][:, None] + projection.padding[0] - here[0] * projection.stride[0]
    columns = there[1][:, None] + projection.padding[2] - here[1] * projection.stride[1]
    channels = there[2][:, None] - here[2] // (outputs // projection.groups) * inputs
    meets = ((rows % down == 0) & (columns % right == 0) & (rows >= 0) & (rows < down * height)
             & (columns >= 0) & (columns < right * width) & (channels >= 0) & (channels < inputs))
    at = [np.where(meets, index, 0) for index in (rows // down, columns // right, channels)]
    return np.where(meets, kernel[at[0], at[1], at[2], np.broadcast_to(here[2], meets.shape)], 0)
