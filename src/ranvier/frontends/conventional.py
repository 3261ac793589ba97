"""Conventional networks, as every front end gives them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt

from ..files.input_mapping import channels_last
from ..model.errors import RanvierError
from .synapses import Shape, Synapses

__all__ = ["Activation", "Answer", "Clip", "Conventional", "DenseLayer", "Floats", "GraphLayer", "Layer", "Relu"]

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


def _activated(activation: Activation, x: Floats) -> Floats:
    if isinstance(activation, Clip):
        return np.clip(x, 0, activation.upper)
    return np.maximum(x, 0) if isinstance(activation, Relu) else x


@dataclass(frozen=True, eq=False)
class DenseLayer:
    """activation(x @ weight + bias), where x is what the layer directly before gives.

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
        return _activated(self.activation, x)

    @property
    def shape(self) -> Shape:
        """(height, width, channels) of the outputs."""
        return (1, 1, int(self.bias.size))

    @property
    def synapses(self) -> tuple[Synapses, ...]:
        """The weights as the only synapses of the layer."""
        return (Synapses.dense(self.weight),)


@dataclass(frozen=True, eq=False)
class GraphLayer:
    """activation(sum of what its synapses give + bias): a convolution, or a sum of branches.

    shape
        (height, width, channels) of the outputs, in this order.
    synapses
        At least one; each names the layer that it reads.
    bias
        float64 (height * width * channels,), finite.
    activation, name
        As in `DenseLayer`.
    """

    name: str
    shape: Shape
    synapses: tuple[Synapses, ...]
    bias: Floats
    activation: Activation

    def activate(self, x: Floats) -> Floats:
        """The activation of pre-activations ``x`` of any shape."""
        return _activated(self.activation, x)


Layer = DenseLayer | GraphLayer


@dataclass(frozen=True, eq=False)
class Conventional:
    """A conventional network: layers, each of which reads those before it.

    source
        Name of the file, without its folder.
    input_size
        Values of one sample.
    layers
        At least one, in an order in which each reads only what is before it; the last one gives the answer.
    notes
        What the import left out or folded, a sentence each.
    answer
        What the last layer's values mean; "class" for two outputs and more, otherwise "value", unless said.
    input_shape
        (height, width, channels) of a sample as the layers read it; None: (1, 1, input_size).
    channels_first
        Whether samples come in the order (channel, y, x), while the layers read (y, x, channel).
    """

    source: str
    input_size: int
    layers: tuple[Layer, ...]
    notes: tuple[str, ...] = ()
    answer: Answer = field(default=None)  # type: ignore[assignment]  # made in __post_init__, from the layers
    input_shape: Shape | None = None
    channels_first: bool = False

    def __post_init__(self) -> None:
        if self.answer is None:
            single = bool(self.layers) and self.layers[-1].bias.size == 1
            object.__setattr__(self, "answer", Answer("value" if single else "class"))

    @property
    def shape(self) -> Shape:
        """(height, width, channels) of a sample as the layers read it."""
        return self.input_shape or (1, 1, self.input_size)

    def sources(self) -> list[list[int]]:
        """For each layer what its synapses read: numbers of layers, -1 for the input."""
        places = {"input": -1, **{layer.name: index for index, layer in enumerate(self.layers)}}
        return [[index - 1 if part.source is None else places[part.source] for part in layer.synapses]
                for index, layer in enumerate(self.layers)]

    def ordered(self, x: Floats) -> Floats:
        """Samples (n, input_size) in the order in which the layers read them."""
        return channels_last(x, self.shape) if self.channels_first else x

    def preactivations(self, x: npt.ArrayLike) -> list[Floats]:
        """What enters each layer's activation, (batch, n_out) float64 each; the last is the logits.

        ``x`` is (batch, input_size), in the range that the network was trained for (0 to 1 where nothing else is said).
        """
        value = np.asarray(x, np.float64)
        if value.ndim != 2 or value.shape[1] != self.input_size:
            raise RanvierError(f"samples: shape {value.shape}; the network needs (n, {self.input_size}): reshape them")
        outputs, found = [self.ordered(value)], list[Floats]()    # of the input, then of each layer
        for layer, sources in zip(self.layers, self.sources(), strict=True):
            parts = [part.apply(outputs[source + 1]) for part, source in zip(layer.synapses, sources, strict=True)]
            found.append(sum(parts[1:], parts[0]) + layer.bias)
            outputs.append(layer.activate(found[-1]))
        return found

    def forward(self, x: npt.ArrayLike) -> Floats:
        """Logits (batch, n_out) float64 for ``x`` of shape (batch, input_size)."""
        return self.preactivations(x)[-1]
