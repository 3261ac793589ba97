"""Projections: the synapses from one population to another, in integers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import RanvierError
from ..limits import MAX_DELAY, MAX_STEP, Ints
from .population import Population

__all__ = ["Pads", "Pair", "Projection"]

#: (vertical, horizontal), and (top, bottom, left, right).
Pair = tuple[int, int]
Pads = tuple[int, int, int, int]


@dataclass(frozen=True, eq=False)
class Projection:
    """Synapses from one population to another: a convolution, or all to all.

    source, destination
        Names of populations; equal names make a recurrence.
    weights
        Kernel, integers of shape (kernel height, kernel width, source channels / groups, destination channels). An all-to-all
        layer has the 1 x 1 kernel (1, 1, source neurons, destination neurons), whatever the shapes of its populations.
    delay
        Source steps between a spike and its effect, 0 to `MAX_DELAY`. A recurrence needs at least 1 around
        each cycle.
    exponent
        Every weight counts ``2**exponent``; 0 to 15.
    stride
        Pixels of the source from one pixel of the destination to the next: (vertical, horizontal), each 1 to `MAX_STEP`.
    padding
        Pixels without spikes around the source: (top, bottom, left, right), each less than the kernel's extent.
    dilation
        Pixels of the source from one weight of the kernel to the next: (vertical, horizontal), each 1 to `MAX_STEP`.
    groups
        Channels are cut into so many equal groups, and a group of the destination sees that of the source only. With as many as
        there are channels the kernel is *depthwise*.

    ``stride`` and ``dilation`` may be given as one number, ``padding`` as one number or as (vertical, horizontal).
    """

    source: str
    destination: str
    weights: Ints
    delay: int = 0
    exponent: int = 0
    stride: Pair = (1, 1)
    padding: Pads = (0, 0, 0, 0)
    dilation: Pair = (1, 1)
    groups: int = 1

    @classmethod
    def dense(cls, source: str, destination: str, weights: npt.ArrayLike, delay: int = 0,
              exponent: int = 0) -> Projection:
        """All-to-all synapses from a matrix of shape (source neurons, destination neurons)."""
        matrix = np.asarray(weights)
        if matrix.ndim != 2:
            raise RanvierError(
                f"projection {source} -> {destination}: dense weights have {matrix.ndim} dimensions, not 2")
        return cls(source, destination, matrix.reshape(1, 1, *matrix.shape), delay, exponent)

    @classmethod
    def conv(cls, source: str, destination: str, weights: npt.ArrayLike, *, stride: int | Pair = 1, padding: int | Pair | Pads = 0,
             dilation: int | Pair = 1, groups: int = 1, delay: int = 0, exponent: int = 0) -> Projection:
        """A convolution (a cross-correlation, as all frameworks have it) from a kernel of four dimensions, as in the class."""
        return cls(source, destination, np.asarray(weights), delay, exponent, stride,  # type: ignore[arg-type]
                   padding, dilation, groups)  # type: ignore[arg-type]

    def __post_init__(self) -> None:
        weights = np.asarray(self.weights)
        if weights.dtype.kind not in "iu":
            raise RanvierError(f"projection {self.name}: weights must be integers, not {weights.dtype}")
        if weights.ndim != 4 or 0 in weights.shape:
            raise RanvierError(
                f"projection {self.name}: weights have shape {weights.shape}; a kernel has four dimensions")
        if int(weights.max()) >= 1 << 15 or int(weights.min()) < -(1 << 15):
            raise RanvierError(f"projection {self.name}: weights do not fit 16 bits")
        for label, value, most in (("delay", self.delay, MAX_DELAY), ("exponent", self.exponent, 15)):
            if not isinstance(value, int) or not 0 <= value <= most:
                raise RanvierError(f"projection {self.name}: {label} is {value}; it must be 0 to {most}")
        object.__setattr__(self, "weights", np.ascontiguousarray(weights, dtype=np.int64))
        self._normalise()
        if type(self.groups) is not int or self.groups < 1:
            raise RanvierError(f"projection {self.name}: groups is {self.groups!r}; it must be a positive integer")
        if weights.shape[3] % self.groups:
            raise RanvierError(f"projection {self.name}: groups is {self.groups}; it must divide the {weights.shape[3]} channels of "
                               f"{self.destination}")

    def _normalise(self) -> None:
        """Stride, padding and dilation as tuples of integers within their ranges."""
        for label in ("stride", "dilation"):
            found = self._numbers(label, (2,))
            if not all(1 <= n <= MAX_STEP for n in found):
                raise RanvierError(f"projection {self.name}: {label} is {_shown(found)}; it must be 1 to {MAX_STEP}")
            object.__setattr__(self, label, found)
        padding = self._numbers("padding", (2, 4))
        if len(padding) == 2:
            padding = (padding[0], padding[0], padding[1], padding[1])
        object.__setattr__(self, "padding", padding)
        extents = self.extent    # which hangs on the dilation
        for side, (name, n) in enumerate(zip(("top", "bottom", "left", "right"), padding, strict=True)):
            if not 0 <= n < extents[side // 2]:
                raise RanvierError(f"projection {self.name}: padding at the {name} is {n}; it must be 0 to {extents[side // 2] - 1}, less "
                                   "than the kernel's extent")

    def _numbers(self, label: str, lengths: tuple[int, ...]) -> tuple[int, ...]:
        value: Any = getattr(self, label)
        if isinstance(value, (int, np.integer)) and not isinstance(value, bool):
            value = (value,) * lengths[0]
        if not isinstance(value, (tuple, list)) or len(value) not in lengths or any(
                not isinstance(n, (int, np.integer)) or isinstance(n, bool) for n in value):
            raise RanvierError(f"projection {self.name}: {label} is {value!r}; it must be an integer or "
                               f"{' or '.join(map(str, lengths))} of them")
        return tuple(map(int, value))

    def __repr__(self) -> str:
        special = (("stride", self.stride, (1, 1)), ("padding", self.padding, (0, 0, 0, 0)), ("dilation", self.dilation, (1, 1)))
        more = "".join(f", {label} {_shown(value)}" for label, value, usual in special if value != usual)
        groups = f", {self.groups} groups" if self.groups > 1 else ""
        return f"Projection({self.name!r}, kernel {' x '.join(map(str, self.weights.shape))}{more}{groups}, delay {self.delay})"

    @property
    def name(self) -> str:
        """``source -> destination``, for messages."""
        return f"{self.source} -> {self.destination}"

    @property
    def matrix(self) -> Ints:
        """Weights of a 1 x 1 kernel without the exponent as int64, for all-to-all synapses (source neurons, destination neurons)."""
        assert self.weights.shape[:2] == (1, 1), "a wider kernel is no matrix"
        matrix: Ints = self.weights[0, 0]
        return matrix

    @property
    def extent(self) -> Pair:
        """Pixels of the source that the kernel spans: (height, width)."""
        (kh, kw), (down, right) = self.weights.shape[:2], self.dilation
        return down * (kh - 1) + 1, right * (kw - 1) + 1

    def is_dense(self, source: Population, destination: Population) -> bool:
        """Whether its synapses are all to all: a 1 x 1 kernel whose channels are the populations' neurons."""
        return (self.weights.shape == (1, 1, source.size, destination.size) and self.stride == (1, 1) and not any(self.padding)
                and self.groups == 1)

    def output_size(self, source: Population) -> Pair:
        """Height and width of what a convolution of ``source`` gives; 0 or less where the kernel does not fit."""
        top, bottom, left, right = self.padding
        sizes = (source.shape[0] + top + bottom, source.shape[1] + left + right)
        height, width = ((size - extent) // step + 1 for size, extent, step in zip(sizes, self.extent, self.stride, strict=True))
        return height, width

    def check(self, source: Population, destination: Population) -> None:
        """Raises `RanvierError` where the kernel does not fit its populations."""
        if self.is_dense(source, destination):
            return
        kh, kw, channels, outputs = self.weights.shape
        plain = (kh, kw) == (1, 1) and self.stride == (1, 1) and self.groups == 1
        if plain and (channels, outputs) != (source.shape[2], destination.shape[2]):
            raise RanvierError(f"projection {self.name}: weights are {channels} x {outputs}, the populations have {source.size} and "
                               f"{destination.size} neurons")
        if source.shape[2] % self.groups:
            raise RanvierError(f"projection {self.name}: groups is {self.groups}; it must divide the {source.shape[2]} channels of "
                               f"{self.source}")
        if channels * self.groups != source.shape[2]:
            raise RanvierError(
                f"projection {self.name}: the kernel takes {channels} channels in {self.groups} groups, {self.source} has "
                f"{source.shape[2]}; it must take {source.shape[2] // self.groups}")
        height, width = self.output_size(source)
        if height < 1 or width < 1:
            raise RanvierError(f"projection {self.name}: the kernel spans {self.extent[0]} x {self.extent[1]} pixels, {self.source} has "
                               f"{source.shape[0]} x {source.shape[1]} with padding {_shown(self.padding)}; use a smaller kernel")
        if (height, width, outputs) != destination.shape:
            raise RanvierError(f"projection {self.name}: it gives {height} x {width} x {outputs}, {self.destination} is "
                               f"{' x '.join(map(str, destination.shape))}; use the shape ({height}, {width}, {outputs})")

    def spans(self, source: Population, destination: Population, axis: int) -> tuple[Ints, Ints]:
        """Which rows (axis 0) or columns (axis 1) of the kernel meet the source, and not its padding.

        The first, and the one after the last: int64, for each row or column of ``destination``; equal where there are none.
        """
        size, kernel, dilation = source.shape[axis], self.weights.shape[axis], self.dilation[axis]
        starts = np.arange(destination.shape[axis]) * self.stride[axis] - self.padding[2 * axis]
        first: Ints = np.clip(-(starts // dilation), 0, kernel)
        return first, np.maximum(np.clip((size - 1 - starts) // dilation + 1, 0, kernel), first)

    def contributions(self, source: Population, destination: Population) -> tuple[Ints, Ints]:
        """Sums of the positive and of the negative weights of each neuron of ``destination``, without the exponent.

        Both are int64 of shape (size,) and not negative.
        """
        signed = (np.maximum(self.weights, 0), np.maximum(-self.weights, 0))
        if self.is_dense(source, destination):
            return signed[0].sum(axis=(0, 1, 2)), signed[1].sum(axis=(0, 1, 2))
        (top, bottom), (left, right) = (self.spans(source, destination, axis) for axis in (0, 1))
        found = []
        for weights in signed:
            # Sums over all that is above and left of a place in the kernel; four of them make the sum over a rectangle.
            sums = np.zeros((weights.shape[0] + 1, weights.shape[1] + 1, weights.shape[3]), np.int64)
            sums[1:, 1:] = weights.sum(axis=2).cumsum(axis=0).cumsum(axis=1)
            corners = [sums[np.ix_(y, x)] for y in (top, bottom) for x in (left, right)]
            found.append((corners[3] - corners[2] - corners[1] + corners[0]).reshape(-1))
        return found[0], found[1]


def _shown(numbers: tuple[int, ...]) -> str:
    return ", ".join(map(str, numbers))
