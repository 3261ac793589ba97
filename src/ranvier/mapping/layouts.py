"""How populations lie on a fabric: in lines where they are an end of a convolution, else neuron after neuron."""

from __future__ import annotations

from dataclasses import dataclass

from ranvier.model.fabric.windows import Line, Window
from ranvier.model.network.network import Network
from ranvier.model.network.population import Population
from ranvier.model.network.projection import Projection

__all__ = ["Block", "Layouts"]


@dataclass(frozen=True)
class Block:
    """What a row of a core holds of a line: ``pixels`` from ``first`` on, of each the channels from ``channel`` on."""

    first: int
    pixels: int
    channel: int

    @property
    def kind(self) -> tuple[int, int]:
        """Rows of equal kind have equal weights."""
        return self.pixels, self.channel


class Layouts:
    """The lines of a network's populations on cores of ``lanes``.

    A pixel takes its channels, rounded up so that whole pixels fill a row or whole rows a pixel. In the input unit, which has no such
    rows, it takes its channels only.
    """

    def __init__(self, network: Network, lanes: int) -> None:
        self.lanes = lanes
        self._network = network
        self.convolutions = tuple(p for p in network.projections
                                  if not p.is_dense(network.by_name[p.source], network.by_name[p.destination]))
        ends = {name for p in self.convolutions for name in (p.source, p.destination)}
        self._lines = {p.name: Line(p.shape[1], p.shape[2], self._pitch(p)) for p in network.populations if p.name in ends}

    def _pitch(self, population: Population) -> int:
        channels = population.shape[2]
        if population.driven:
            return channels
        return 1 << (channels - 1).bit_length() if channels <= self.lanes else -(-channels // self.lanes) * self.lanes

    def line(self, population: Population) -> Line | None:
        """The lines of a population that has any."""
        return self._lines.get(population.name)

    def bits(self, population: Population) -> int:
        """Bits of a population's neurons and of what lies between those of a line: the weight words of a dense row."""
        line = self.line(population)
        return line.bits * population.shape[0] if line else population.size

    def window(self, projection: Projection) -> Window:
        """The window of a convolution."""
        source = self._network.by_name[projection.source]
        return Window(projection, source, self._lines[source.name].pitch)

    def block(self, line: Line, begin: int) -> Block:
        """The block that begins at bit ``begin`` of a line."""
        first, channel = divmod(begin, line.pitch)
        return Block(first, min(max(1, self.lanes // line.pitch), line.pixels - first), channel)

    def row_blocks(self, line: Line) -> list[Block]:
        """The blocks of a line, which are rows of the core."""
        return [self.block(line, begin) for begin in range(0, line.bits, self.lanes)]

    def blocks(self, line: Line) -> int:
        """Number of the blocks of a line."""
        return -(-line.bits // self.lanes)

    def kinds(self, line: Line) -> list[Block]:
        """One block of each kind."""
        return list({block.kind: block for block in self.row_blocks(line)}.values())
