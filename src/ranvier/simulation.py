"""A network run as it is: no fabric, no mapping, and no bound on its size but memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from .model.errors import RanvierError
from .model.network.network import Network
from .model.network.population import Population
from .model.run.golden import run_golden

__all__ = ["Simulation", "simulate"]


@dataclass(frozen=True)
class Simulation:
    """What a network did with every sample, by population; n are its neurons in the order (y, x, channel).

    readouts
        Populations that never spike: the membranes after each step, int32 [samples, steps, n].
    counts
        Populations that spike: spikes of all neurons in each step, int64 [samples, steps].
    spikes
        Every population: spikes of each neuron in each step, [samples, steps, n], bool where the network's counts have one bit, else
        uint8.
    membranes
        Every population: the membranes after each step, int32 [samples, steps, n].
    states
        Every population: its other state words by name (``i``, the synaptic current; ``flag``, a reset that waits), as membranes.
    clamps
        Every population: state words that a bound changed in each step, int64 [samples, steps]. Where all are 0, the result is that
        of unbounded words.

    ``spikes``, ``membranes`` and ``states`` are empty without ``record``.
    """

    readouts: dict[str, npt.NDArray[np.int32]] = field(default_factory=dict)
    counts: dict[str, npt.NDArray[np.int64]] = field(default_factory=dict)
    spikes: dict[str, npt.NDArray[np.bool_ | np.uint8]] = field(default_factory=dict)
    membranes: dict[str, npt.NDArray[np.int32]] = field(default_factory=dict)
    states: dict[str, dict[str, npt.NDArray[np.int32]]] = field(default_factory=dict)
    clamps: dict[str, npt.NDArray[np.int64]] = field(default_factory=dict)

    def __repr__(self) -> str:
        shown = ", ".join(f"{name} {values.shape}" for name, values in self.readouts.items())
        return f"Simulation(readouts: {shown or 'none'}; {len(self.spikes)} populations recorded)"


def simulate(network: Network, inputs: npt.ArrayLike | Mapping[str, npt.ArrayLike], steps: int, *, record: bool = True,
             threads: int | None = None, progress: Callable[[int], None] | None = None) -> Simulation:
    """Run ``network`` for ``steps`` steps on every sample, in the integers of the hardware.

    inputs
        Unsigned integers below ``2**network.input_bits`` for each input population by its name, or for the only one: [samples, ...]
        held through the steps, or [samples, steps, ...] new in each, where ``...`` is n or (height, width, channels).
        An empty mapping runs a network without inputs once.
    record
        Whether every step of every neuron is kept; without it only readouts, counts and clamps are.
    threads
        Chunks of samples that run at once; as many as there are cores when not given.
    progress
        Called with the number of samples done so far.

    Raises `RanvierError` for inputs that do not fit the network and for networks without headroom or schedule.
    """
    if not isinstance(inputs, Mapping):
        if len(network.inputs) != 1:
            raise RanvierError(f"inputs: the network has {len(network.inputs)} input populations; give their values by name")
        inputs = {network.inputs[0].name: inputs}
    values = {name: _flat(network.by_name.get(name), np.asarray(array), steps) for name, array in inputs.items()}
    recorded = record or [population.name for population in network.readouts]
    run = run_golden(network, values, steps, record=recorded, endless=True, threads=threads, progress=progress)
    readouts = {population.name: run.membranes[population.name] for population in network.readouts}
    planes = np.arange(network.spike_bits)
    counts = {name: (found.sum(axis=-1, dtype=np.int64) << planes).sum(axis=-1) for name, found in run.popcounts.items()}
    clamps = {name: found.sum(axis=-1, dtype=np.int64) for name, found in run.clamps.items()}
    return Simulation(readouts, counts, *((run.spikes, run.membranes, run.states) if record else ({}, {}, {})), clamps)


def _flat(population: Population | None, array: npt.NDArray[Any], steps: int) -> npt.NDArray[Any]:
    """Values with the neurons in one axis, where they are in three."""
    if population is None or array.ndim < 4 or array.shape[1:] not in (population.shape, (steps, *population.shape)):
        return array
    return array.reshape(*array.shape[:-3], population.size)
