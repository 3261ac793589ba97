"""The networks that a spiking network is compared with, and what their operations are."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from ..convert.convert import convert
from ..files.input_mapping import input_mapping_of
from ..files.samples import Samples
from ..frontends.conventional import Conventional
from ..model.errors import RanvierError
from ..model.network.network import Network
from ..model.run.golden import run_golden

__all__ = ["conventional_size", "graded_bits", "graded_twin", "macs_of", "values_for"]

#: Widths of state words that are tried, so many bits apart, and the widest one.
_STEP, _WIDEST = 2, 24
#: Samples of which the answers are compared, and the share that must be alike.
_LOOKED_AT, _ALIKE = 1000, 0.999


def graded_bits(steps: int) -> int:
    """Bits of a count that can say 0 to ``steps``: ceil(log2(T + 1))."""
    return math.ceil(math.log2(steps + 1))


def graded_twin(conventional: Conventional, network: Network, bits: int, calibration: Samples | None, percentile: float,
                inputs: npt.NDArray[Any]) -> Network:
    """The conventional network with activations rounded to ``bits`` bits, in one step, with the weights' width of ``network``.

    Its state words are the narrowest, from those of ``network`` on, with which it answers like its own with the widest words for nearly
    all ``inputs`` (samples, n): counts of several bits need more room than spikes do, and a twin that lacks it would be none. Raises
    `RanvierError` as `convert` does.
    """
    mapping = input_mapping_of(network)
    plain = (mapping.mean, mapping.std) == ((0.0,), (1.0,))
    inputs = inputs[:_LOOKED_AT]

    def made(state_bits: int) -> Network:
        return convert(
            conventional, steps=1, calibration=calibration, weight_bits=network.weight_bits, state_bits=state_bits,
            input_bits=network.input_bits, percentile=percentile, input_range=mapping.input_range,
            mean=None if plain else mapping.mean, std=None if plain else mapping.std, spike_bits=bits).network
    widest = made(_WIDEST)
    wanted = _answers(widest, inputs)
    for state_bits in range(network.state_bits, _WIDEST, _STEP):
        try:
            twin = made(state_bits)
        except RanvierError:    # too narrow for these weights at all
            continue
        if np.mean(_answers(twin, inputs) == wanted) >= _ALIKE:
            return twin
    return widest


def _answers(network: Network, inputs: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """The largest output of each sample, or whether the only one is above 0."""
    (readout,) = network.readouts
    found = run_golden(network, {network.inputs[0].name: inputs}, 1).readouts[readout.name]
    return np.asarray(found.argmax(axis=1) if found.shape[1] > 1 else found[:, 0] > 0, np.int64)


def macs_of(network: Network) -> int:
    """Multiplications of the conventional network of the same shape: one for each synapse, those of padding too."""
    return sum(network.by_name[p.destination].size * math.prod(p.weights.shape[:3]) for p in network.projections)


def conventional_size(conventional: Conventional) -> tuple[int, int]:
    """Multiplications of a sample, and parameters: weights of kernels, and biases, one for a channel where they are alike."""
    macs = parameters = 0
    for layer in conventional.layers:
        for part in layer.synapses:
            macs += math.prod(layer.shape) * math.prod(part.weight.shape[:3])
            parameters += int(part.weight.size)
        bias = layer.bias.reshape(-1, layer.shape[2])
        parameters += int(np.count_nonzero(bias[0] if np.all(bias == bias[0]) else bias))
    return macs, parameters


def values_for(conventional: Conventional, network: Network, samples: Samples) -> npt.NDArray[np.float64]:
    """Samples as the conventional network takes them, float64 (n, size), by the inputs' mapping of its spiking twin ``network``."""
    mapping = input_mapping_of(network)
    low, high = mapping.input_range or samples.natural_range(network.input_bits)
    slope, offset = mapping.affine(conventional.input_size)
    found: npt.NDArray[np.float64] = (samples.values.astype(np.float64) - low) / (high - low) * slope + offset
    return found
