"""Conventional networks, as every front end gives them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..model.errors import RanvierError

__all__ = ["Activation", "Clip", "Conventional", "DenseLayer", "Floats", "Relu"]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Relu:
    """max(x, 0)."""


@dataclass(frozen=True)
class Clip:
    """min(max(x, 0), upper); ``upper`` is finite and above 0."""

    upper: float


Activation = Relu | Clip | None


@dataclass(frozen=True, eq=False)
class DenseLayer:
    """activation(x @ weight + bias).

    ``weight`` is float64 (n_in, n_out), ``bias`` float64 (n_out,); both finite. ``activation`` is None in
    the last layer only. ``name`` consists of the characters that a population's name may have.
    """

    name: str
    weight: Floats
    bias: Floats
    activation: Activation

    def activate(self, x: Floats) -> Floats:
        """The activation of pre-activations ``x`` of any shape."""
        if isinstance(self.activation, Clip):
            return np.clip(x, 0, self.activation.upper)
        return np.maximum(x, 0) if isinstance(self.activation, Relu) else x


@dataclass(frozen=True, eq=False)
class Conventional:
    """A conventional network: dense layers one behind the other.

    source
        Name of the file, without its folder.
    input_size
        Values of one picture.
    layers
        At least one; layer i + 1 takes what layer i gives.
    notes
        What the import left out or folded, a sentence each.
    """

    source: str
    input_size: int
    layers: tuple[DenseLayer, ...]
    notes: tuple[str, ...] = ()

    def preactivations(self, x: npt.ArrayLike) -> list[Floats]:
        """What enters each layer's activation, (batch, n_out) float64 each; the last is the logits.

        ``x`` is (batch, input_size), in the range that the network was trained for (0 to 1 for pictures).
        """
        value = np.asarray(x, np.float64)
        if value.ndim != 2 or value.shape[1] != self.input_size:
            raise RanvierError(f"pictures: shape {value.shape}; the network needs (n, {self.input_size}): reshape them")
        found = []
        for layer in self.layers:
            found.append(value @ layer.weight + layer.bias)
            value = layer.activate(found[-1])
        return found

    def forward(self, x: npt.ArrayLike) -> Floats:
        """Logits (batch, n_out) float64 for ``x`` of shape (batch, input_size)."""
        return self.preactivations(x)[-1]
