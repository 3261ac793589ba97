"""What a tensor of the graph is known to be while the graph is walked."""

from __future__ import annotations

import math
from contextvars import ContextVar
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from ...model.errors import RanvierError
from ..conventional import Floats, Integers
from ..synapses import Shape, Synapses

__all__ = ["BATCH", "LARGEST", "MAX_ELEMENTS", "Block", "Constant", "Data", "Label", "Linear", "Quantised", "Scores", "Stage", "Value",
           "bounded", "finite", "start_counting"]

#: Weights and biases beyond this are taken for damage: squares of sums of them stay finite in float64.
LARGEST = 1e15
#: Elements of any array that is made from what a file says, and of all of them.
MAX_ELEMENTS, MAX_TOTAL = 1 << 26, 1 << 28
_SPENT: ContextVar[list[int]] = ContextVar("values made from one file", default=[0])  # noqa: B039  # set for each file


class _Batch:
    """Stands for the number of samples in a shape, which no file knows."""

    def __repr__(self) -> str:
        return "batch"


BATCH = _Batch()


@dataclass(frozen=True, eq=False)
class Constant:
    """Known numbers.

    ``array`` is float64, int64, bool, or object (texts as bytes, or sizes with `BATCH` among them). ``quantised`` is there where
    they are integers times a scale: int64 and float64 arrays of the same shape. ``kind`` is the type number of the file, 0 where
    it does not matter.
    """

    array: npt.NDArray[Any]
    quantised: tuple[Integers, Floats] | None = None
    kind: int = 0


@dataclass(frozen=True, eq=False)
class Stage:
    """The values that the next layer takes: the input, the outputs of a layer, or those of several, one behind the other.

    Output j of a layer is min(max(before @ linear[:, j] + bias[j], 0), upper[j]); ``upper`` may be infinite. The input has no
    ``before``. ``joined`` are the stages of which this one consists, if it is neither. ``shape`` is (height, width, channels) where
    a convolution made the values, which are then in that order.
    """

    size: int
    before: Stage | None = None
    linear: Linear | None = None
    bias: Floats | None = None
    upper: Floats | None = None
    name: str = ""
    shape: Shape | None = None
    joined: tuple[Stage, ...] = ()

    @property
    def parts(self) -> tuple[Stage, ...]:
        """The stages of which it consists: itself, unless it is joined."""
        return self.joined or (self,)


@dataclass(frozen=True, eq=False)
class Block:
    """What a convolution (or a matrix) makes of part ``part`` of a stage, whose values it reads in ``order``; None: as they are."""

    part: int
    synapses: Synapses
    order: Integers | None = None


@dataclass(frozen=True, eq=False)
class Linear:
    """What the values of a stage are multiplied with, and the node it comes from: a matrix, or a sum of blocks.

    ``given`` is the matrix (stage size, columns), ``quantised`` int64 of the same shape and one float64 scale a column, or None.
    Instead ``blocks`` give ``size`` columns each, and ``sizes`` are those of the stage's parts.
    """

    given: Floats | None
    name: str
    label: str
    quantised: tuple[Integers, Floats] | None = None
    blocks: tuple[Block, ...] = ()
    sizes: tuple[int, ...] = ()

    @property
    def size(self) -> int:
        """Columns."""
        return math.prod(self.blocks[0].synapses.output_shape) if self.given is None else int(self.given.shape[1])

    @cached_property
    def matrix(self) -> Floats:
        """The whole matrix."""
        if self.given is not None:
            return self.given
        bounded(sum(self.sizes) * self.size, self.label)
        found, starts = np.zeros((sum(self.sizes), self.size)), np.cumsum([0, *self.sizes])
        for block in self.blocks:
            rows = np.arange(self.sizes[block.part]) if block.order is None else block.order
            found[starts[block.part] + rows] += block.synapses.matrix()
        return found

    def times(self, factor: Floats) -> Linear:
        """Each column times its own factor (size,)."""
        if self.given is None and all(_of_channels(factor, block.synapses.output_shape[2]) for block in self.blocks):
            return replace(self, blocks=tuple(replace(block, synapses=replace(
                block.synapses, weight=block.synapses.weight * factor[:block.synapses.output_shape[2]])) for block in self.blocks))
        return self.columns(np.arange(self.size), factor)

    def columns(self, index: Integers, factor: Floats) -> Linear:
        """The columns ``index``, each times its own factor."""
        if self.given is None and np.array_equal(index, np.arange(self.size)) and all(
                _of_channels(factor, block.synapses.output_shape[2]) for block in self.blocks):
            return self.times(factor)
        quantised = None if self.quantised is None or np.any(factor == 0) else (
            self.quantised[0][:, index] * np.sign(factor).astype(np.int64), self.quantised[1][index] * np.abs(factor))
        bounded(len(self.matrix) * index.size, self.label)
        return Linear(self.matrix[:, index] * factor, self.name, self.label, quantised)

    def split(self, sizes: tuple[int, ...]) -> tuple[Block, ...]:
        """Its blocks; a matrix is cut to the parts of the stage, which have ``sizes``."""
        if self.given is None:
            return self.blocks
        starts = np.cumsum([0, *sizes])
        return tuple(Block(part, Synapses.dense(self.given[starts[part]:starts[part + 1]])) for part in range(len(sizes)))


def _of_channels(values: Floats, channels: int) -> bool:
    """Whether ``values`` are the same in every pixel."""
    pixels = values.reshape(-1, channels)
    return bool(np.all(pixels == pixels[0]))


@dataclass(frozen=True, eq=False)
class Data:
    """A tensor that depends on the input: scale * source[index] + shift, where source is the stage or its product with ``linear``.

    ``index`` (int64), ``scale`` and ``shift`` (float64) have the tensor's shape for one sample. ``batch`` is the axis of the
    samples, whose size is 1 in them, or None where the whole tensor is one sample.
    """

    stage: Stage
    batch: int | None
    linear: Linear | None
    index: Integers
    scale: Floats
    shift: Floats

    @property
    def shape(self) -> tuple[int, ...]:
        """Sizes with 1 for the batch."""
        return self.index.shape

    @property
    def size(self) -> int:
        """Values of one sample."""
        return self.index.size

    def shown(self) -> str:
        """The shape for a message."""
        return "(" + ", ".join("batch" if i == self.batch else str(n) for i, n in enumerate(self.shape)) + ")"

    def with_arrays(self, change: Any, batch: int | None) -> Data:
        """The same values in another order: ``change`` is applied to the three arrays, ``batch`` is the new axis."""
        return replace(self, index=change(self.index), scale=change(self.scale), shift=change(self.shift), batch=batch)

    def whole(self) -> bool:
        """Whether the values are those of the stage or product, all of them, in order and as they are."""
        source = self.stage.size if self.linear is None else self.linear.size
        return self.size == source and bool(np.all(self.scale == 1)) and np.array_equal(self.index.ravel(), np.arange(source))

    def plain(self) -> bool:
        """Whether each value is used at most once."""
        return bool(np.unique(self.index).size == self.index.size)


@dataclass(frozen=True, eq=False)
class Quantised:
    """Data between a QuantizeLinear and its DequantizeLinear; ``parameters`` are scale and zero point."""

    data: Data | Scores
    parameters: tuple[float, int]
    low: float
    high: float


@dataclass(frozen=True, eq=False)
class Scores:
    """A monotone function of the last layer's values.

    kind
        "softmax" over all of them, "sigmoid" of each, "complement" (1 - sigmoid of one), "pair" ([1 - p, p] of one).
    label
        The node that made it.
    """

    data: Data
    kind: Literal["softmax", "sigmoid", "complement", "pair"]
    label: str
    classes: tuple[int | str, ...] | None = None


@dataclass(frozen=True, eq=False)
class Label:
    """The class that the file answers: of the largest value, or (``binary``) 1 where the only value is above ``threshold``."""

    data: Data
    binary: bool
    label: str
    threshold: float = 0.0
    classes: tuple[int | str, ...] | None = None


Value = Constant | Data | Quantised | Scores | Label


def start_counting() -> None:
    """Begin a new file for `bounded`."""
    _SPENT.set([0])


def bounded(count: int, label: str) -> None:
    """Count values that are made from what a file says, and refuse what only a hostile one asks for."""
    spent = _SPENT.get()
    spent[0] += count
    if count > MAX_ELEMENTS or spent[0] > MAX_TOTAL:
        raise RanvierError(f"{label}: it makes {count} values, {spent[0]} with those before it; at most {MAX_ELEMENTS} for a node and "
                           f"{MAX_TOTAL} for a file are read")


def finite(array: Floats, label: str, what: str) -> Floats:
    """``array``, which must hold finite numbers of a sensible size."""
    largest = max(-float(array.min()), float(array.max())) if array.size else 0.0    # NaN goes through both
    if not math.isfinite(largest):
        raise RanvierError(f"{label}: {what} has a value that is NaN or infinite; train or export the model again")
    if largest > LARGEST:
        raise RanvierError(f"{label}: {what} has a value beyond {LARGEST:g}; check how the model was trained")
    return array


