"""What synapses make of spikes, for many rows of them at once: matrix products in floating point, which the caller knows to be exact."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from ..network.population import Population
from ..network.projection import Projection
from ..neurons.kind import Array

__all__ = ["AllToAll", "Convolution", "synapses"]

# Numbers of receptive fields that lie unfolded in memory at once: 2**20 as float32 are 4 MiB.
_UNFOLDED = 1 << 20


class AllToAll:
    """A projection as a matrix (source neurons, destination neurons), exponent included."""

    def __init__(self, projection: Projection, real: type[np.floating[Any]]) -> None:
        self._matrix = (projection.matrix << projection.exponent).astype(real)

    def __call__(self, spikes: Array) -> Array:
        """Spikes (rows, source neurons) to sums (rows, destination neurons)."""
        product: Array = spikes @ self._matrix
        return product


class Convolution:
    """A projection as its kernel, exponent included. Receptive fields are unfolded to rows, some at a time, and multiplied."""

    def __init__(self, projection: Projection, source: Population, destination: Population, real: type[np.floating[Any]]) -> None:
        kh, kw, channels, outputs = projection.weights.shape
        groups = projection.groups
        self._source, self._destination, self._groups, self._real = source.shape, destination.shape, groups, real
        self._extent, self._stride, self._dilation = projection.extent, projection.stride, projection.dilation
        top, bottom, left, right = projection.padding
        self._padding = ((0, 0), (top, bottom), (left, right), (0, 0))
        # (groups, weights of a receptive field in one group, channels of the destination in one group)
        kernel = (projection.weights << projection.exponent).reshape(kh * kw * channels, groups, outputs // groups)
        self._kernel = np.ascontiguousarray(kernel.transpose(1, 0, 2)).astype(real)
        self._field = kh * kw * channels * groups

    def __call__(self, spikes: Array) -> Array:
        """Spikes (rows, source neurons) to sums (rows, destination neurons)."""
        rows, (height, width, channels) = len(spikes), self._destination
        found = np.empty((rows, height, width, channels), self._real)
        # Whole images at a time, or where one is too large some of its lines, or some of a line.
        images = max(1, _UNFOLDED // (height * width * self._field))
        lines = min(height, max(1, _UNFOLDED // (width * self._field)))
        columns = min(width, max(1, _UNFOLDED // self._field))
        for first in range(0, rows, images):
            some = slice(first, first + images)
            fields = self._fields(spikes[some])
            for y in range(0, height, lines):
                for x in range(0, width, columns):
                    found[some, y:y + lines, x:x + columns] = self._products(fields[:, y:y + lines, x:x + columns])
        return found.reshape(rows, -1)

    def _fields(self, spikes: Array) -> Array:
        """A view of the receptive fields: (rows, height, width, kernel height, kernel width, channels of the source)."""
        images = spikes.reshape(-1, *self._source)
        if any(map(any, self._padding)):
            images = np.pad(images, self._padding)
        (down, right), (below, beside) = self._stride, self._dilation
        windows = sliding_window_view(images, self._extent, axis=(1, 2))
        return np.moveaxis(windows[:, ::down, ::right, :, ::below, ::beside], 3, -1)

    def _products(self, fields: Array) -> Array:
        rows, height, width, kh, kw, channels = fields.shape
        grouped = fields.reshape(rows * height * width, kh * kw, self._groups, channels // self._groups)
        if self._groups == 1:
            product: Array = grouped.reshape(len(grouped), -1) @ self._kernel[0]
            return product.reshape(rows, height, width, -1)
        unfolded = np.ascontiguousarray(grouped.transpose(2, 0, 1, 3)).reshape(self._groups, len(grouped), -1)
        product = (unfolded @ self._kernel).transpose(1, 0, 2)
        return product.reshape(rows, height, width, -1)


def synapses(projection: Projection, source: Population, destination: Population,
             real: type[np.floating[Any]]) -> AllToAll | Convolution:
    """The projection, ready for products in ``real``."""
    if projection.is_dense(source, destination):
        return AllToAll(projection, real)
    return Convolution(projection, source, destination, real)
