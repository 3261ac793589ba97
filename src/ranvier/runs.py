"""Runs of a network on a backend, and the figures that come out of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from .model.errors import RanvierError
from .model.fabric.counters import Counts, empty
from .model.fabric.cycles import Cycles, predict_cycles
from .model.fabric.layout import Counter
from .model.fabric.placement import Placement
from .model.network.network import Network
from .model.run.golden import GoldenRun, run_golden
from .sim.compare import Mismatch
from .sim.simulator import Simulator
from .verify.evidence import check_batch, one_flipped_bit, save_reproducer

__all__ = ["GoldenResult", "RtlResult", "classify", "run_golden_set", "run_rtl_set", "weight_limit_share"]

Pictures = npt.NDArray[Any]
Progress = Callable[[int], None]

#: Pictures that are in the RTL and in the records at once.
_BATCH = 250


@dataclass(frozen=True, eq=False)
class GoldenResult:
    """A set of pictures in the model: readouts (pictures, classes), and the predicted stream."""

    readouts: npt.NDArray[np.int32]
    golden: GoldenRun
    cycles: Cycles


@dataclass(frozen=True, eq=False)
class RtlResult:
    """A set of pictures in the RTL; without ``compare`` there is no mismatch to find."""

    pictures: int
    readouts: npt.NDArray[np.int64]
    clocks: int
    waits: int
    counters: Counts
    mismatch: Mismatch | None = None
    mismatches: int = 0
    reproducer: tuple[Path, ...] = field(default_factory=tuple)

    def mismatch_report(self) -> dict[str, Any]:
        """The first difference and what was kept of it, under ``mismatch``, for reports; empty without one."""
        if self.mismatch is None:
            return {}
        return {"mismatch": {**self.mismatch.to_json(), "message": str(self.mismatch),
                             "reproducer": [str(path) for path in self.reproducer]}}


def semantics_of(network: Network) -> dict[str, Any]:
    """The semantics of every population that spikes, for reports."""
    return {p.name: p.semantics.to_json() for p in network.populations if p.spiking}


def inputs_of(network: Network, pictures: Pictures) -> Mapping[str, Pictures]:
    """Pictures (n, neurons) as the values of the network's one input population."""
    if len(network.inputs) != 1:
        raise RanvierError(f"network: it has {len(network.inputs)} input populations; pictures can drive exactly one")
    return {network.inputs[0].name: pictures}


def the_readout(network: Network) -> str:
    """Name of the network's one readout population."""
    if len(network.readouts) != 1:
        raise RanvierError(f"network: it has {len(network.readouts)} readout populations (li); exactly one can name a class")
    return network.readouts[0].name


def classify(readouts: npt.NDArray[Any]) -> npt.NDArray[np.intp]:
    """Class of each row of membranes: the largest; the first of equal ones."""
    found: npt.NDArray[np.intp] = np.argmax(readouts, axis=1)
    return found


def run_golden_set(placement: Placement, pictures: Pictures, steps: int, progress: Progress | None = None) -> GoldenResult:
    """All pictures as one stream in the golden model, with counters and clocks."""
    network = placement.network
    golden = run_golden(network, inputs_of(network, pictures), steps, blocks=placement.blocks, progress=progress)
    cycles = predict_cycles(placement, golden.popcounts, golden.clamps, steps)
    return GoldenResult(golden.readouts[the_readout(network)], golden, cycles)


def run_rtl_set(placement: Placement, pictures: Pictures, steps: int, *, compare: bool = True, stream: bool = True,
                folder: Path | None = None, fault: bool = False, progress: Progress | None = None) -> RtlResult:
    """Pictures in the compiled RTL, a new one every ``steps`` steps, or each in a run of its own without ``stream``.

    With ``compare`` everything is compared with the model; the first mismatch ends the run, and a reproducer goes into
    ``folder``. ``fault`` flips one stored membrane bit after loading, to see that the comparison notices.
    """
    network, config = placement.network, placement.config
    readout = the_readout(network)
    size = _BATCH if stream else 1
    found: list[npt.NDArray[np.int64]] = []
    clocks = waits = done = 0
    counters = empty(config.nodes)
    faults = one_flipped_bit(placement) if fault else None
    with Simulator(config) as simulator:
        simulator.load(placement)
        if faults is not None:
            simulator.write(faults)
        for first in range(0, len(pictures), size):
            inputs = inputs_of(network, pictures[first:first + size])
            if compare:
                check = check_batch(placement, simulator, inputs, steps)
                recording = check.recording
                if check.mismatch is not None:
                    kept = save_reproducer(folder, placement, inputs, steps, check.mismatch, faults=faults) if folder else []
                    return RtlResult(done, np.concatenate(found or [np.zeros((0, 0), np.int64)]), clocks, waits, counters,
                                     check.mismatch, check.mismatch.total, tuple(kept))
            else:
                recording = simulator.run(inputs, steps)
            found.append(recording.window_readouts(placement)[readout])
            clocks, waits, counters = clocks + recording.clocks, waits + recording.waits, counters + recording.counters
            done += len(inputs[network.inputs[0].name])
            if progress is not None:
                progress(done)
    return RtlResult(done, np.concatenate(found), clocks, waits, counters)


def weight_limit_share(counters: Counts) -> float:
    """Weight words read over clocks in which work was queued, all cores together; 0 where nothing was."""
    scanned = int(counters[:, Counter.SCAN].sum())
    return float(counters[:, Counter.WEIGHT_WORDS].sum() / scanned) if scanned else 0.0
