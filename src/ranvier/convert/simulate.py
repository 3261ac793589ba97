"""Spiking layers, step by step, as fast as products of matrices are: for measuring, not for evidence.

The spikes and membranes of whole numbers are those of the golden model; a test holds them equal. Nothing is counted for each
core, and the layers may have float weights.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..frontends.conventional import Conventional
from ..model.limits import Ints
from ..model.network.network import Network
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
    """A layer with float or whole-numbered weights; ``theta`` is None in the readout."""

    weight: npt.NDArray[np.floating]
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
        For each hidden layer the mean spikes a step until ``until``, (n, neurons).
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


def float_layers(conventional: Conventional, bounds: Sequence[float]) -> list[SpikingLayer]:
    """The network as spikes with float weights and unbounded membranes: conversion without quantisation."""
    return [SpikingLayer(layer.weight * before, layer.bias, None if bound is None else np.array(bound),
                         np.array(0.0 if bound is None else bound / 2))
            for layer, before, bound in zip(conventional.layers, [1.0, *bounds], [*bounds, None], strict=True)]


def integer_layers(network: Network) -> list[SpikingLayer]:
    """The quantised network."""
    real = np.float32 if network.state_bits <= _EXACT_BITS else np.float64
    layers = []
    for population, projection in zip(network.populations[1:], network.projections, strict=True):
        value = {name: network.parameter(population, name).astype(np.float64)
                 for name in ("bias", "theta", "v_init", "v_min", "v_max")}
        layers.append(SpikingLayer(projection.matrix.astype(real), value["bias"],
                                   value["theta"] if population.spiking else None, value["v_init"],
                                   float(value["v_min"][0]), float(value["v_max"][0])))
    return layers


def simulation_cost(layers: Sequence[SpikingLayer]) -> int:
    """Multiply-adds of one step of one sample, stepping included."""
    return sum(layer.weight.size + _NEURON_COST * layer.bias.size for layer in layers) + _NEURON_COST * len(layers[0].weight)


def simulate(samples: Ints, top: int, layers: Sequence[SpikingLayer], ticks: Sequence[int], until: int,
             advance: Callable[[int], None] | None = None) -> Trace:
    """Run ``samples`` (n, inputs) for the largest of ``ticks`` steps; ``until`` is one of them, or fewer.

    A run of fewer steps is the beginning of a longer one, so one run gives the readouts for all ``ticks``. ``advance`` is
    called with the number of samples done.
    """
    parts = []
    for start in range(0, len(samples), BATCH):
        parts.append(_batch(samples[start:start + BATCH], top, layers, sorted(set(ticks)), until))
        if advance is not None:
            advance(min(start + BATCH, len(samples)))
    return Trace(
        {tick: np.concatenate([part.readouts[tick] for part in parts]) for tick in parts[0].readouts},
        [np.concatenate(rates) for rates in zip(*(part.rates for part in parts), strict=True)],
        np.concatenate([part.highest for part in parts]), np.concatenate([part.lowest for part in parts]),
        [np.concatenate(clamped) for clamped in zip(*(part.clamped for part in parts), strict=True)])


def _batch(samples: Ints, top: int, layers: Sequence[SpikingLayer], ticks: Sequence[int], until: int) -> Trace:
    count = len(samples)
    real = layers[0].weight.dtype
    drive = samples.astype(real)
    encoder = np.full_like(drive, top // 2)
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
        spikes = (encoder >= top).astype(real)
        encoder -= spikes * real.type(top)
        for index, layer in enumerate(layers):
            state, theta = states[index], thetas[index]
            state += spikes @ layer.weight
            state += biases[index]
            if theta is not None:
                spikes = (state >= theta).astype(real)
                state -= spikes * theta
                if step <= until:
                    totals[index] += spikes
            elif step <= until:
                np.maximum(found.highest, state.max(axis=1), out=found.highest)
                np.minimum(found.lowest, state.min(axis=1), out=found.lowest)
            if step <= until and np.isfinite(layer.v_max):
                found.clamped[index][:] |= (state.max(axis=1) > layer.v_max) | (state.min(axis=1) < layer.v_min)
            np.clip(state, layer.v_min, layer.v_max, out=state)
        if step == until:
            rates = [total.astype(np.float64) / until for total in totals]
        if step in ticks:
            found.readouts[step] = states[-1].copy()
    return Trace(found.readouts, rates, found.highest, found.lowest, found.clamped)
