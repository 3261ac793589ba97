"""From a `ranvier.Network` to the network that is trained, and back, without a change."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ..model.fixed import NO_LEAK
from ..model.network.network import Network as IntegerNetwork
from ..model.network.population import Population as IntegerPopulation
from .network import Network
from .populations import TRAINED, Population
from .projections import Conv2d, Dense, Projection
from .surrogates import Surrogate

__all__ = ["from_network", "to_network"]

Reals = npt.NDArray[np.float64]


def to_network(model: Network) -> IntegerNetwork:
    """The integers that ``model`` trains, as a `ranvier.Network`: what runs in its forward pass. Raises `RanvierError`."""
    return model.to_network()


def from_network(network: IntegerNetwork, *, open_bounds: bool = False, learn_threshold: bool = False, learn_bias: bool = True,
                 learn_beta: bool = False, learn_alpha: bool = False, surrogate: str | Surrogate = "atan") -> Network:
    """The network to train that stands for ``network``; `to_network` gives the same integers back.

    Weights get such units that thresholds are 1, and those of a readout that its largest weight is 1.

    open_bounds
        Leave all bounds to the proof of headroom, as weights may grow beyond what given bounds leave room for.
    """
    learn = tuple(name for name, flag in (("bias", learn_bias), ("threshold", learn_threshold), ("beta", learn_beta),
                                          ("alpha", learn_alpha)) if flag)
    populations = {p.name: _population(network, p, open_bounds, ("scale", *learn)) for p in network.populations}
    projections: list[Projection] = []
    for plain in network.projections:
        destination = populations[plain.destination]
        dense = plain.is_dense(network.by_name[plain.source], network.by_name[plain.destination])
        scale = destination.scale.detach().numpy()
        scale = scale if len(scale) == 1 or not dense else np.resize(scale, destination.size)
        weight = plain.weights * (scale * 2.0 ** plain.exponent)
        common: dict[str, Any] = {"weight": weight, "delay": plain.delay, "exponent": plain.exponent}
        projections.append(
            Dense(plain.source, plain.destination, **common) if dense else
            Conv2d(plain.source, plain.destination, plain.weights.shape[:2], stride=plain.stride, padding=plain.padding,
                   dilation=plain.dilation, groups=plain.groups, **common))
    return Network(list(populations.values()), projections, weight_bits=network.weight_bits, state_bits=network.state_bits,
                   input_bits=network.input_bits, spike_bits=network.spike_bits, rounding=network.rounding, surrogate=surrogate,
                   info=network.info)


def _population(network: IntegerNetwork, plain: IntegerPopulation, open_bounds: bool, learn: tuple[str, ...]) -> Population:
    integers = {name: value for name, value in plain.parameters.items()
                if name not in TRAINED.values() and not (open_bounds and not plain.driven and name in ("v_min", "v_max", "i_min", "i_max"))}
    scale = _scale(network, plain)
    per_neuron = np.resize(scale, plain.size)
    reals: dict[str, Any] = {name: _short(network.parameter(plain, TRAINED[name]) * per_neuron, plain) for name in ("threshold", "bias")}
    reals |= {name: _short(network.parameter(plain, TRAINED[name]) / NO_LEAK, plain) for name in ("beta", "alpha")}
    return Population(plain.name, plain.shape, plain.kind, semantics=plain.semantics, scale=scale, per_channel=len(scale) > 1,
                      learn=() if plain.driven else learn, integers=integers, **reals)


def _short(values: Reals, plain: IntegerPopulation) -> Reals:
    """A number for each channel, where all neurons of a channel have the same."""
    channels = values[:plain.shape[2]]
    return channels if np.array_equal(np.resize(channels, plain.size), values) else values


def _scale(network: IntegerNetwork, plain: IntegerPopulation) -> Reals:
    """Real number that an integer 1 stands for: (1,) or (channels,)."""
    if plain.driven:
        return np.ones(1)
    if plain.spiking:
        return 1 / network.parameter(plain, "theta")[:plain.shape[2]]
    largest = max((int(np.abs(p.weights).max()) << p.exponent for p in network.incoming(plain.name)), default=1)
    return np.array([1 / max(largest, 1)])
