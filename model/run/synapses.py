"""What synapses make of spikes, for many rows of them at once: matrix products in floating point, which the caller knows to be exact."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..convolution import field_sums, grouped_kernel, receptive_fields
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
        self._projection, self._source, self._destination, self._real = projection, source.shape, destination.shape, real
        self._kernel = grouped_kernel(projection.weights << projection.exponent, projection.groups).astype(real)
        self._field = self._kernel.shape[0] * self._kernel.shape[1]    # weights of a receptive field, all groups together

    def __call__(self, spikes: Array) -> Array:
        """Spikes (rows, source neurons) to sums (rows, destination neurons)."""
        rows, (height, width, channels), projection = len(spikes), self._destination, self._projection
        found = np.empty((rows, height, width, channels), self._real)
        # Whole images at a time, or where one is too large some of its lines, or some of a line.
        images = max(1, _UNFOLDED // (height * width * self._field))
        lines = min(height, max(1, _UNFOLDED // (width * self._field)))
        columns = min(width, max(1, _UNFOLDED // self._field))
        for first in range(0, rows, images):
            some = slice(first, first + images)
            fields = receptive_fields(spikes[some].reshape(-1, *self._source), projection.extent, projection.stride, projection.dilation,
                                      projection.padding)
            for y in range(0, height, lines):
                for x in range(0, width, columns):
                    found[some, y:y + lines, x:x + columns] = field_sums(fields[:, y:y + lines, x:x + columns], self._kernel)
        return found.reshape(rows, -1)


def synapses(projection: Projection, source: Population, destination: Population,
             real: type[np.floating[Any]]) -> AllToAll | Convolution:
    """The projection, ready for products in ``real``."""
    if projection.is_dense(source, destination):
        return AllToAll(projection, real)
    return Convolution(projection, source, destination, real)
