"""Linear maps between layers: convolutions, of which a dense matrix is a special case."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ..model.convolution import field_sums, grouped_kernel, receptive_fields

__all__ = ["Shape", "Synapses"]

#: (height, width, channels).
Shape = tuple[int, int, int]
#: Values that the windows of some samples may take while they are multiplied.
_CHUNK = 1 << 22


@dataclass(frozen=True, eq=False)
class Synapses:
    """What a layer takes from the outputs of one layer before it: a convolution, without bias.

    weight
        (kernel height, kernel width, channels of the source / groups, channels), any number type. A dense matrix is the
        kernel (1, 1, n_in, n_out) over the shape (1, 1, n_in).
    shape
        Height, width and channels of the source, whose values are in the order (y, x, channel).
    stride, dilation
        Vertical and horizontal, at least 1.
    padding
        Zeros (top, bottom, left, right).
    groups
        Equal groups of channels that see each other only.
    source
        The layer that is read, "input" for the samples; None: the layer directly before.
    """

    weight: npt.NDArray[Any]
    shape: Shape
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)
    dilation: tuple[int, int] = (1, 1)
    groups: int = 1
    source: str | None = None

    @classmethod
    def dense(cls, matrix: npt.NDArray[Any], source: str | None = None) -> Synapses:
        """All to all, from a matrix (n_in, n_out)."""
        return cls(matrix[None, None], (1, 1, len(matrix)), source=source)

    @classmethod
    def pointwise(cls, scale: npt.NDArray[Any], shape: Shape) -> Synapses:
        """Every value times the factor of its channel."""
        return cls(scale.reshape(1, 1, 1, -1), shape, groups=shape[2])

    @property
    def is_dense(self) -> bool:
        """Whether it is a matrix."""
        return self.shape[:2] == (1, 1) and self.weight.shape[:2] == (1, 1) and self.groups == 1 and not any(self.padding)

    @property
    def size(self) -> int:
        """Values that it reads."""
        return math.prod(self.shape)

    @property
    def extent(self) -> tuple[int, int]:
        """Pixels of the source that the kernel spans: (height, width)."""
        kh, kw = self.weight.shape[:2]
        return self.dilation[0] * (kh - 1) + 1, self.dilation[1] * (kw - 1) + 1

    @property
    def output_shape(self) -> Shape:
        """Height, width and channels of what it gives; height or width are below 1 where the kernel does not fit."""
        top, bottom, left, right = self.padding
        height = (self.shape[0] + top + bottom - self.extent[0]) // self.stride[0] + 1
        width = (self.shape[1] + left + right - self.extent[1]) // self.stride[1] + 1
        return height, width, int(self.weight.shape[3])

    @property
    def rows(self) -> npt.NDArray[Any]:
        """The kernel as a matrix (weights of a channel, channels)."""
        return self.weight.reshape(-1, self.weight.shape[3])

    @property
    def operations(self) -> int:
        """Multiply-adds for one sample."""
        height, width, channels = self.output_shape
        return height * width * self.weight.size if channels else 0

    def with_rows(self, rows: npt.NDArray[Any]) -> Synapses:
        """The same with other weights, as in `rows`."""
        return replace(self, weight=rows.reshape(self.weight.shape))

    def apply(self, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """``values`` (n, size) to (n, outputs), in the type that numpy makes of both."""
        if self.is_dense:
            return np.asarray(values @ self.weight[0, 0])
        height, width, channels = self.output_shape
        found = np.empty((len(values), height * width * channels), np.result_type(values, self.weight))
        each = max(1, _CHUNK // max(1, height * width * math.prod(self.weight.shape[:3]) * self.groups))
        for start in range(0, len(values), each):
            images = values[start:start + each].reshape(-1, *self.shape)
            part = receptive_fields(images, self.extent, self.stride, self.dilation, self.padding)
            found[start:start + each] = self._sums(part).reshape(len(part), -1)
        return found

    def _sums(self, fields: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Sums of the receptive fields times the kernel, (n, height, width, channels)."""
        if self.weight.shape[2] == 1 and self.groups == self.weight.shape[3]:
            return np.asarray(np.einsum("nyxijc,ijc->nyxc", fields, self.weight[:, :, 0]))
        return field_sums(fields, grouped_kernel(self.weight, self.groups))

    def matrix(self) -> npt.NDArray[Any]:
        """The same map as a matrix (size, outputs)."""
        if self.is_dense:
            return np.asarray(self.weight[0, 0])
        whole, shape = self.ungrouped().weight, self.output_shape
        found = np.zeros((*self.shape, *shape), self.weight.dtype)
        for y, (down, below) in enumerate(self._met(0)):
            for x, (across, right) in enumerate(self._met(1)):
                found[down[:, None], across, :, below[:, None], right, :] = whole[y, x]
        return found.reshape(self.size, -1)

    def _met(self, axis: int) -> Iterator[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]]:
        """For each row (axis 0) or column (axis 1) of the kernel those of the source that it meets, and where in the result."""
        places = np.arange(self.output_shape[axis])
        for tap in range(self.weight.shape[axis]):
            met = places * self.stride[axis] - self.padding[2 * axis] + tap * self.dilation[axis]
            inside = (met >= 0) & (met < self.shape[axis])
            yield met[inside], places[inside]

    def scaled(self, gain: npt.NDArray[Any]) -> Synapses:
        """The same for inputs that are multiplied with ``gain`` (size,) first; a matrix where it differs within a channel."""
        pixels = gain.reshape(-1, self.shape[2])
        if np.all(pixels == pixels[0]):
            each, channels = self.weight.shape[2:]
            # Channel c_out of group g sees the channels g * each + 0 ... each - 1.
            seen = np.arange(channels) // (channels // self.groups) * each + np.arange(each)[:, None]
            return replace(self, weight=self.weight * pixels[0][seen])
        return Synapses.dense(self.matrix() * gain[:, None], self.source)

    def ungrouped(self) -> Synapses:
        """The same with zeros instead of groups."""
        if self.groups == 1:
            return self
        kh, kw, each, channels = self.weight.shape
        weight = np.zeros((kh, kw, self.shape[2], channels), self.weight.dtype)
        for own, made in self._group_slices():
            weight[:, :, own, made] = self.weight[:, :, :, made]
        return replace(self, weight=weight, groups=1)

    def _group_slices(self) -> Iterator[tuple[slice, slice]]:
        each, made = self.weight.shape[2], self.weight.shape[3] // self.groups
        for group in range(self.groups):
            yield slice(group * each, (group + 1) * each), slice(group * made, (group + 1) * made)

    def then(self, after: Synapses) -> Synapses | None:
        """One convolution that is this one and ``after`` behind it; None where there is none.

        There is none where ``after`` pads with zeros what this one would give from pixels of the source.
        """
        if after.shape != self.output_shape:
            return None
        if self.weight.shape == (1, 1, 1, self.shape[2]) and self.groups == self.shape[2] and self.stride == (1, 1):
            found = after.scaled(np.tile(self.weight.ravel(), self.shape[0] * self.shape[1]))
            return replace(found, source=self.source)
        if not self._silent_outside(after):
            return None
        depthwise = self.groups == self.shape[2] == after.groups == self.weight.shape[3] == after.weight.shape[3]
        first, second = (self, after) if depthwise else (self.ungrouped(), after.ungrouped())
        (down, across), (tall, wide) = self.stride, self.dilation
        step = (after.dilation[0] * down, after.dilation[1] * across)
        (kh, kw), (ah, aw) = first.weight.shape[:2], second.weight.shape[:2]
        if (kh, kw) == (1, 1):
            tall, wide, dilation, place = 1, 1, step, (1, 1)
        elif (ah, aw) == (1, 1):
            dilation, place = (tall, wide), (1, 1)
            tall, wide = 1, 1
        else:
            dilation, place = (1, 1), step
        height, width = place[0] * (ah - 1) + tall * (kh - 1) + 1, place[1] * (aw - 1) + wide * (kw - 1) + 1
        weight = np.zeros((height, width, first.weight.shape[2], second.weight.shape[3]), first.weight.dtype)
        for y in range(ah):
            for x in range(aw):
                made = first.weight * second.weight[y, x] if depthwise else first.weight @ second.weight[y, x]
                weight[place[0] * y:, place[1] * x:][:tall * (kh - 1) + 1:tall, :wide * (kw - 1) + 1:wide] += made
        padding = tuple(own + more * (down if side < 2 else across)
                        for side, (own, more) in enumerate(zip(self.padding, after.padding, strict=True)))
        found = Synapses(weight, self.shape, (down * after.stride[0], across * after.stride[1]),
                         padding, dilation, self.groups if depthwise else 1, self.source)  # type: ignore[arg-type]
        return found if found.output_shape == after.output_shape else None

    def _silent_outside(self, after: Synapses) -> bool:
        """Whether this map gives nothing at the places that ``after`` pads, if it were continued there."""
        for axis in (0, 1):
            before = self.padding[2 * axis]
            if after.padding[2 * axis] and self.extent[axis] > self.stride[axis] + before:
                return False
            beyond = self.output_shape[axis] * self.stride[axis] - before    # where the first padded place would begin
            if after.padding[2 * axis + 1] and beyond < self.shape[axis]:
                return False
        return True
