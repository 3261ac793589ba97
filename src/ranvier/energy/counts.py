"""What a network does for a set of samples on a fabric, counted by the golden model and the cycle model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..bitstream.prediction import link_bytes
from ..model.fabric.accesses import Accesses, count_accesses
from ..model.fabric.cycles import predict_cycles
from ..model.fabric.layout import CHUNK_BITS, Counter, Memory
from ..model.fabric.placement import Placement
from ..model.fixed import NO_LEAK
from ..model.limits import Ints
from ..model.network.network import Network
from ..model.run.golden import run_golden

__all__ = ["Run", "count_run", "parameters_of"]

#: Samples that are in memory at once.
_BATCH = 500


@dataclass(frozen=True, eq=False)
class Run:
    """Totals over ``samples`` samples of ``steps`` steps, one behind the other on the fabric of ``placement``.

    spikes
        By population; a count of n is n spikes. ``neuron_steps``: neurons that can spike, times the steps.
    events
        Set bits of spike words, which is what is sent and scanned; for binary spikes the same as all spikes.
    synops, weight_words
        Weights added in lanes that hold a neuron; weight words read, each for all lanes of a core.
    updates, swept
        By ``core`` and ``input``: neurons updated, and lanes that were swept for it.
    leaks
        Updates of neurons on cores that multiply, for a leak.
    clocks
        Of all ticks. ``accesses`` has reads and writes of each memory, hops of the ring and busy clocks.
    line_bytes
        Bytes of the host's inputs and the device's readouts on the line, without what is escaped.
    """

    placement: Placement
    samples: int
    steps: int
    spikes: Mapping[str, int]
    neuron_steps: int
    events: int
    synops: int
    weight_words: int
    updates: Mapping[str, int]
    swept: Mapping[str, int]
    leaks: int
    clocks: int
    accesses: Accesses
    line_bytes: int
    readouts: npt.NDArray[np.int32] | None

    @property
    def spike_rate(self) -> float:
        """Spikes of a neuron in a step, the mean over all that can spike, input neurons too."""
        return sum(self.spikes.values()) / max(1, self.neuron_steps)

    def to_json(self) -> dict[str, Any]:
        """Every total as an integer."""
        config, accesses = self.placement.config, self.accesses
        width = f"{config.weight_bits}-bit weight into {config.state_bits}-bit sum"
        memories: dict[str, dict[str, dict[str, int]]] = {"network": {}, "encoder": {}}
        for access in accesses.memories:
            part = memories["network" if config.unit(access.unit) == "core" else "encoder"]
            found = part.setdefault(access.memory.name.lower(), {"reads": 0, "writes": 0, "read_bits": 0, "written_bits": 0})
            found["reads"] += access.reads
            found["writes"] += access.writes
            found["read_bits"] += access.reads * access.bits
            found["written_bits"] += access.writes * access.write_bits
        return {
            "spikes": dict(self.spikes), "events": self.events, "synaptic_operations": {width: self.synops},
            "weight_words": self.weight_words, "neuron_updates": dict(self.updates), "swept_lanes": dict(self.swept),
            "leak_multiplications": self.leaks, "memories": memories, "hops": accesses.hops, "clocks": self.clocks,
            "busy_clocks": list(accesses.busy), "idle_clocks": [self.clocks - busy for busy in accesses.busy],
            "line_bytes": self.line_bytes}


def parameters_of(network: Network) -> int:
    """Weights (of a convolution those of its kernel), and biases that are not 0."""
    weights = sum(int(projection.weights.size) for projection in network.projections)
    biases = 0
    for population in network.populations:
        bias = network.parameter(population, "bias").reshape(population.shape) if not population.driven else np.zeros((1, 1, 1))
        alike = bool(np.all(bias == bias[:1, :1]))    # one for each channel
        biases += int(np.count_nonzero(bias[0, 0] if alike else bias))
    return weights + biases


def count_run(placement: Placement, inputs: Mapping[str, npt.NDArray[Any]], steps: int, *,
              progress: Callable[[int], None] | None = None) -> Run:
    """Count a stream of ``inputs`` ((samples, n) held, or (samples, steps, n)) with ``steps`` steps a sample.

    Samples go through in batches, each a stream of its own: the few ticks between two batches count as they would on a device that
    is stopped there. Raises `RanvierError` as `run_golden` does.
    """
    network, config = placement.network, placement.config
    samples = len(next(iter(inputs.values())))
    per_step = any(np.asarray(values).ndim == 3 for values in inputs.values())
    parts: list[Accesses] = []
    readouts = []
    totals = np.zeros(len(Counter), np.int64)
    by_kind = {"core": 0, "input": 0}
    spikes = {p.name: 0 for p in network.populations if p.spiking}
    planes = 1 << np.arange(network.spike_bits)
    for first in range(0, samples, _BATCH):
        some = {name: values[first:first + _BATCH] for name, values in inputs.items()}
        golden = run_golden(network, some, steps, blocks=placement.blocks)
        cycles = predict_cycles(placement, golden.popcounts, golden.clamps, steps)
        windows = len(next(iter(some.values())))
        parts.append(count_accesses(placement, cycles, steps, windows, per_step=per_step))
        totals += cycles.counters.sum(axis=0)
        for unit in range(config.nodes):
            kind = config.unit(unit)
            by_kind[kind] += int(cycles.counters[unit, Counter.STATE_WRITES]) * config.part(kind).sweep_lanes
        for name in spikes:
            spikes[name] += int((golden.popcounts[name].sum(axis=(0, 1, 3), dtype=np.int64) * planes).sum())
        if len(network.readouts) == 1:
            readouts.append(golden.readouts[network.readouts[0].name])
        if progress is not None:
            progress(first + windows)
    accesses = _joined(parts)
    driven = sum(p.size for p in network.inputs)
    others = sum(p.size for p in network.populations) - driven
    leaky = sum(int(np.count_nonzero(found["k"] != NO_LEAK)) for p in network.populations
                if not p.driven and "k" in (found := network.parameters(p)))
    answers = sum(a.writes * -(-a.bits // CHUNK_BITS) for a in accesses.memories if a.memory == Memory.READOUT) * CHUNK_BITS // 8
    return Run(
        placement, samples, steps, spikes, samples * steps * sum(p.size for p in network.populations if p.spiking),
        int(totals[Counter.SPIKES]), int(totals[Counter.SYNOPS]), int(totals[Counter.WEIGHT_WORDS]),
        {"core": samples * steps * others, "input": samples * steps * driven}, by_kind, samples * steps * leaky, accesses.clocks,
        accesses, samples * link_bytes(placement) * (steps if per_step else 1) + answers,
        np.concatenate(readouts) if readouts else None)


def _joined(parts: list[Accesses]) -> Accesses:
    """Sums of several runs on one fabric."""
    memories = []
    for same in zip(*(part.memories for part in parts), strict=True):
        first = same[0]
        memories.append(type(first)(first.unit, first.memory, first.bits, first.depth, sum(a.reads for a in same),
                                    sum(a.writes for a in same), first.write_bits))
    busy: Ints = np.sum([part.busy for part in parts], axis=0, dtype=np.int64)
    return Accesses(tuple(memories), sum(part.hops for part in parts), tuple(int(n) for n in busy), sum(part.clocks for part in parts))
