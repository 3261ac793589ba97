"""Spiking layers, step by step, as fast as products of matrices are: for measuring, not for evidence.

The spikes and membranes of whole numbers are those of the golden model; a test holds them equal. Nothing is counted for each
core, and the layers may have float weights.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from ..frontends.conventional import Conventional
from ..frontends.synapses import Synapses
from ..model.limits import Ints
from ..model.network.network import Network
from ..model.network.population import Population
from ..model.network.projection import Projection
from .network import Units
from .quantise import Floats

__all__ = ["BATCH", "SpikingLayer", "Trace", "float_layers", "integer_layers", "simulate", "simulation_cost"]

#: Samples that are simulated together.
BATCH = 250
#: State words up to this width, and the products that make them, are exact in float32.
_EXACT_BITS = 24
#: What stepping one neuron costs, in multiply-adds of a product.
_NEURON_COST = 100


@dataclass(frozen=True, eq=False)
class SpikingLayer:
    """A layer with float or whole-numbered weights; ``theta`` is None in the readout.

    ``synapses`` read the layers of the numbers ``sources``, -1 for the input.
    """

    synapses: tuple[Synapses, ...]
    sources: tuple[int, ...]
    bias: Floats
    theta: Floats | None
    v_init: Floats
    v_min: float = -np.inf
    v_max: float = np.inf


@dataclass(frozen=True, eq=False)
class Trace:
    """What came of samples.

    readouts
        For each of the ticks asked for the readout's membranes, (n, outputs).
    rates
        For each hidden layer the mean count of a step until ``until``, as a share of the largest, (n, neurons).
    highest, lowest
        The readout's membranes before its clamp, the extremes of each sample until ``until``: (n,).
    clamped
        For each layer whether a membrane was clamped until ``until``: bool (n,).
    """

    readouts: dict[int, Floats]
    rates: list[Floats]
    highest: Floats
    lowest: Floats
    clamped: list[npt.NDArray[np.bool_]]


def float_layers(conventional: Conventional, bounds: Sequence[float], units: Units) -> list[SpikingLayer]:
    """The network as spikes with float weights and unbounded membranes: conversion without quantisation."""
    each, found = units.of_layers(bounds), []
    for layer, sources, unit in zip(conventional.layers, conventional.sources(), [*each[1:], None], strict=True):
        synapses = tuple(replace(part, weight=part.weight * each[source + 1])
                         for part, source in zip(layer.synapses, sources, strict=True))
        found.append(SpikingLayer(synapses, tuple(sources), layer.bias, None if unit is None else np.array(unit),
                                  np.array(0.0 if unit is None else unit / 2)))
    return found


def integer_layers(network: Network) -> list[SpikingLayer]:
    """The quantised network, as `make_network` makes it."""
    real = np.float32 if network.state_bits <= _EXACT_BITS else np.float64
    names = [population.name for population in network.populations]
    layers = []
    for population in network.populations[1:]:
        value = {name: network.parameter(population, name).astype(np.float64)
                 for name in ("bias", "theta", "v_init", "v_min", "v_max")}
        ends = [(projection, network.by_name[projection.source]) for projection in network.projections
                if projection.destination == population.name]
        layers.append(SpikingLayer(
            tuple(_synapses(projection, source, population, real) for projection, source in ends),
            tuple(names.index(source.name) - 1 for _, source in ends), value["bias"],
            value["theta"] if population.spiking else None, value["v_init"], float(value["v_min"][0]), float(value["v_max"][0])))
    return layers


def _synapses(projection: Projection, source: Population, destination: Population, real: type[np.floating]) -> Synapses:
    shape = (1, 1, source.size) if projection.is_dense(source, destination) else source.shape
    weight = (projection.weights << projection.exponent).astype(real)
    return Synapses(weight, shape, projection.stride, projection.padding, projection.dilation, projection.groups)


def simulation_cost(layers: Sequence[SpikingLayer]) -> int:
    """Multiply-adds of one step of one sample, stepping included."""
    inputs = next(part.size for layer in layers for part, source in zip(layer.synapses, layer.sources, strict=True) if source == -1)
    return _NEURON_COST * inputs + sum(sum(part.operations for part in layer.synapses) + _NEURON_COST * layer.bias.size
                                       for layer in layers)


def simulate(samples: Ints, units: Units, layers: Sequence[SpikingLayer], ticks: Sequence[int], until: int,
             advance: Callable[[int], None] | None = None) -> Trace:
    """Run ``samples`` (n, inputs) for the largest of ``ticks`` steps; ``until`` is one of them, or fewer.

    A run of fewer steps is the beginning of a longer one, so one run gives the readouts for all ``ticks``. ``advance`` is
    called with the number of samples done.
    """
    parts = []
    for start in range(0, len(samples), BATCH):
        parts.append(_batch(samples[start:start + BATCH], units, layers, sorted(set(ticks)), until))
        if advance is not None:
            advance(min(start + BATCH, len(samples)))
    return Trace(
        {tick: np.concatenate([part.readouts[tick] for part in parts]) for tick in parts[0].readouts},
        [np.concatenate(rates) for rates in zip(*(part.rates for part in parts), strict=True)],
        np.concatenate([part.highest for part in parts]), np.concatenate([part.lowest for part in parts]),
        [np.concatenate(clamped) for clamped in zip(*(part.clamped for part in parts), strict=True)])


def _batch(samples: Ints, units: Units, layers: Sequence[SpikingLayer], ticks: Sequence[int], until: int) -> Trace:
    count, most = len(samples), units.most
    real = layers[0].synapses[0].weight.dtype
    drive = samples.astype(real)
    encoder = np.full_like(drive, units.theta // 2)
    # The readout may run without bounds, beyond what float32 holds exactly.
    states = [np.broadcast_to(layer.v_init, (count, layer.bias.size)).astype(real if layer.theta is not None else np.float64)
              for layer in layers]
    biases = [layer.bias.astype(state.dtype) for layer, state in zip(layers, states, strict=True)]
    thetas = [None if layer.theta is None else layer.theta.astype(real) for layer in layers]
    totals = [np.zeros_like(state) for state in states[:-1]]
    found = Trace({}, [], np.zeros(count), np.zeros(count), [np.zeros(count, np.bool_) for _ in layers])
    rates: list[Floats] = []
    for step in range(1, max(ticks) + 1):
        encoder += drive
        outputs = [_counts(encoder, np.asarray(units.theta, real), most)]    # of the input, then of each layer
        encoder -= outputs[0] * real.type(units.theta)
        for index, layer in enumerate(layers):
            state, theta = states[index], thetas[index]
            for part, source in zip(layer.synapses, layer.sources, strict=True):
                state += part.apply(outputs[source + 1])
            state += biases[index]
            if theta is not None:
                outputs.append(_counts(state, theta, most))
                state -= outputs[-1] * theta
                if step <= until:
                    totals[index] += outputs[-1]
            elif step <= until:
                np.maximum(found.highest, state.max(axis=1), out=found.highest)
                np.minimum(found.lowest, state.min(axis=1), out=found.lowest)
            if step <= until and np.isfinite(layer.v_max):
                found.clamped[index][:] |= (state.max(axis=1) > layer.v_max) | (state.min(axis=1) < layer.v_min)
            np.clip(state, layer.v_min, layer.v_max, out=state)
        if step == until:
            rates = [total.astype(np.float64) / (until * most) for total in totals]
        if step in ticks:
            found.readouts[step] = states[-1].copy()
    return Trace(found.readouts, rates, found.highest, found.lowest, found.clamped)


def _counts(state: npt.NDArray[np.floating], theta: npt.NDArray[np.floating], most: int) -> npt.NDArray[np.floating]:
    """Spikes of membranes ``state``."""
    if most == 1:
        return np.asarray(state >= theta, state.dtype)
    # The quotient of whole numbers below 2**24 is never rounded up to the next whole number.
    return np.clip(np.floor(state / theta), 0, most)
