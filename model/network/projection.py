"""Projections: the synapses from one population to another, in integers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..errors import RanvierError
from ..limits import MAX_DELAY, Ints

__all__ = ["Projection"]

@dataclass(frozen=True, eq=False)
class Projection:
    """Synapses from one population to another.

    source, destination
        Names of populations; equal names make a recurrence.
    weights
        Kernel, integers of shape (kernel height, kernel width, source channels, destination channels). A dense
        layer is the 1 x 1 kernel between 1 x 1 images; this fabric's cores have that form only.
    delay
        Source steps between a spike and its effect, 0 to `MAX_DELAY`. A recurrence needs at least 1 around
        each cycle.
    exponent
        Every weight counts ``2**exponent``; 0 to 15.
    """

    source: str
    destination: str
    weights: Ints
    delay: int = 0
    exponent: int = 0

    @classmethod
    def dense(cls, source: str, destination: str, weights: npt.ArrayLike, delay: int = 0,
              exponent: int = 0) -> Projection:
        """All-to-all synapses from a matrix of shape (source neurons, destination neurons)."""
        matrix = np.asarray(weights)
        if matrix.ndim != 2:
            raise RanvierError(
                f"projection {source} -> {destination}: dense weights have {matrix.ndim} dimensions, not 2")
        return cls(source, destination, matrix.reshape(1, 1, *matrix.shape), delay, exponent)

    def __post_init__(self) -> None:
        weights = np.asarray(self.weights)
        if weights.dtype.kind not in "iu":
            raise RanvierError(f"projection {self.name}: weights must be integers, not {weights.dtype}")
        if weights.ndim != 4 or 0 in weights.shape:
            raise RanvierError(
                f"projection {self.name}: weights have shape {weights.shape}; a kernel has four dimensions")
        if weights.shape[:2] != (1, 1):
            raise RanvierError(
                f"projection {self.name}: a {weights.shape[0]} x {weights.shape[1]} kernel; "
                "this fabric has dense projections only")
        if int(weights.max()) >= 1 << 15 or int(weights.min()) < -(1 << 15):
            raise RanvierError(f"projection {self.name}: weights do not fit 16 bits")
        for label, value, most in (("delay", self.delay, MAX_DELAY), ("exponent", self.exponent, 15)):
            if not isinstance(value, int) or not 0 <= value <= most:
                raise RanvierError(f"projection {self.name}: {label} is {value}; it must be 0 to {most}")
        object.__setattr__(self, "weights", np.ascontiguousarray(weights, dtype=np.int64))

    def __repr__(self) -> str:
        return f"Projection({self.name!r}, kernel {' x '.join(map(str, self.weights.shape))}, delay {self.delay})"

    @property
    def name(self) -> str:
        """``source -> destination``, for messages."""
        return f"{self.source} -> {self.destination}"

    @property
    def matrix(self) -> Ints:
        """Weights without the exponent as int64 (source neurons, destination neurons)."""
        matrix: Ints = self.weights[0, 0]
        return matrix
