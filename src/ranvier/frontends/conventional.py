"""Conventional networks, as every front end gives them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt

from ..model.errors import RanvierError

__all__ = ["Activation", "Answer", "Clip", "Conventional", "DenseLayer", "Floats", "Relu"]

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Relu:
    """max(x, 0)."""


@dataclass(frozen=True)
class Clip:
    """min(max(x, 0), upper); ``upper`` is finite and above 0."""

    upper: float


Activation = Relu | Clip | None


@dataclass(frozen=True)
class Answer:
    """What the last layer's values z mean.

    kind
        "class": one value a class, the largest wins. "binary": one value, class 1 where ``z > threshold`` and
        class 0 elsewhere. "value": z is the answer itself (regression); there is no class and no accuracy.
    threshold
        For "binary" only, in units of z. A final Sigmoid is left out of the layers, so that its 0.5 is 0 here.
    classes
        The labels that the classes stand for, in the order of the outputs ("binary": those of 0 and 1); None where
        they are 0, 1, 2 ...
    final
        "relu" where the file clips the values below 0 after the last layer. z is what comes before it, so "value"
        means max(z, 0). For "class" the largest z is the largest max(z, 0) too, unless all are negative or 0.
    """

    kind: Literal["class", "binary", "value"]
    threshold: float = 0.0
    classes: tuple[int | str, ...] | None = None
    final: Literal["relu"] | None = None


@dataclass(frozen=True, eq=False)
class DenseLayer:
    """activation(x @ weight + bias).

    ``weight`` is float64 (n_in, n_out), ``bias`` float64 (n_out,); both finite. ``activation`` is None in
    the last layer only. ``name`` consists of the characters that a population's name may have.

    ``quantised`` is there where the file holds the weights as integers: int64 (n_in, n_out) and float64 (n_out,),
    one scale for each output channel above 0, so that ``weight == integers * scale`` up to the rounding of float64.
    Nothing was rounded to get them.
    """

    name: str
    weight: Floats
    bias: Floats
    activation: Activation
    quantised: tuple[Integers, Floats] | None = None

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
        Values of one sample.
    layers
        At least one; layer i + 1 takes what layer i gives.
    notes
        What the import left out or folded, a sentence each.
    answer
        What the last layer's values mean; "class" for two outputs and more, otherwise "value", unless said.
    """

    source: str
    input_size: int
    layers: tuple[DenseLayer, ...]
    notes: tuple[str, ...] = ()
    answer: Answer = field(default=None)  # type: ignore[assignment]  # made in __post_init__, from the layers

    def __post_init__(self) -> None:
        if self.answer is None:
            single = bool(self.layers) and self.layers[-1].bias.size == 1
            object.__setattr__(self, "answer", Answer("value" if single else "class"))

    def preactivations(self, x: npt.ArrayLike) -> list[Floats]:
        """What enters each layer's activation, (batch, n_out) float64 each; the last is the logits.

        ``x`` is (batch, input_size), in the range that the network was trained for (0 to 1 where nothing else is said).
        """
        value = np.asarray(x, np.float64)
        if value.ndim != 2 or value.shape[1] != self.input_size:
            raise RanvierError(f"samples: shape {value.shape}; the network needs (n, {self.input_size}): reshape them")
        found = []
        for layer in self.layers:
            found.append(value @ layer.weight + layer.bias)
            value = layer.activate(found[-1])
        return found

    def forward(self, x: npt.ArrayLike) -> Floats:
        """Logits (batch, n_out) float64 for ``x`` of shape (batch, input_size)."""
        return self.preactivations(x)[-1]
