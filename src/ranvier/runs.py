"""Runs of a network on a backend, and the figures that come out of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from .convert.answer import answer_of, choose, class_labels, values_of
from .convert.samples import as_inputs
from .frontends.conventional import Answer
from .model.errors import RanvierError
from .model.fabric.counters import Counts, empty
from .model.fabric.cycles import Cycles
from .model.fabric.layout import Counter
from .model.fabric.placement import Placement
from .model.fabric.run import run_model
from .model.mismatch import Mismatch
from .model.network.network import Network
from .model.run.golden import GoldenRun
from .sim.simulator import Simulator
from .verify.evidence import check_batch, one_flipped_bit, save_reproducer

__all__ = ["GoldenResult", "RtlResult", "classify", "run_golden_set", "run_rtl_set", "weight_limit_share"]

Values = npt.NDArray[Any]
Progress = Callable[[int], None]

#: Samples that are in the RTL and in the records at once.
_BATCH = 250


@dataclass(frozen=True, eq=False)
class GoldenResult:
    """A set of samples in the model: readouts (samples, outputs), and the predicted stream."""

    readouts: npt.NDArray[np.int32]
    golden: GoldenRun
    cycles: Cycles

    def __repr__(self) -> str:
        return f"GoldenResult({len(self.readouts)} samples, {self.readouts.shape[1]} outputs, {int(self.cycles.clocks.sum())} clocks)"


@dataclass(frozen=True, eq=False)
class RtlResult:
    """A set of samples in the RTL; without ``compare`` there is no mismatch to find."""

    samples: int
    readouts: npt.NDArray[np.int64]
    clocks: int
    waits: int
    counters: Counts
    mismatch: Mismatch | None = None
    mismatches: int = 0
    reproducer: tuple[Path, ...] = field(default_factory=tuple)

    def __repr__(self) -> str:
        found = "not compared or equal" if self.mismatch is None else str(self.mismatch)
        return f"RtlResult({self.samples} samples, {self.clocks} clocks, {found})"

    def mismatch_report(self) -> dict[str, Any]:
        """The first difference and what was kept of it, under ``mismatch``, for reports; empty without one."""
        if self.mismatch is None:
            return {}
        return {"mismatch": {**self.mismatch.to_json(), "reproducer": [str(path) for path in self.reproducer]}}


def semantics_of(network: Network) -> dict[str, Any]:
    """The semantics of every population that spikes, for reports."""
    return {p.name: p.semantics.to_json() for p in network.populations if p.spiking}


def inputs_of(network: Network, samples: Values) -> Mapping[str, Values]:
    """Samples (n, neurons) as the values of the network's one input population."""
    if len(network.inputs) != 1:
        raise RanvierError(f"network: it has {len(network.inputs)} input populations; samples can drive exactly one")
    return {network.inputs[0].name: samples}


def whole_steps(steps: int) -> int:
    """``steps`` as Python's own integer. Raises `RanvierError`."""
    if isinstance(steps, bool) or not isinstance(steps, (int, np.integer)) or steps < 1:
        raise RanvierError(f"steps is {steps!r}; it must be a positive integer")
    return int(steps)


def the_readout(network: Network) -> str:
    """Name of the network's one readout population."""
    if len(network.readouts) != 1:
        raise RanvierError(f"network: it has {len(network.readouts)} readout populations (li); exactly one can name a class")
    return network.readouts[0].name


def classify(readouts: npt.NDArray[Any], network: Network | None = None, steps: int | None = None) -> npt.NDArray[np.int64]:
    """Class of each row of membranes (n, outputs): the largest; the first of equal ones. int64 (n,).

    ``network`` says what its outputs mean: one output tells two classes apart by its sign, or by a threshold, which needs the ``steps``
    of the run; and classes may stand for other labels than 0, 1, 2 ... Raises `RanvierError` where there is no class to name.
    """
    array = np.asarray(readouts)
    if array.ndim != 2:
        raise RanvierError(f"classify: readouts of shape {array.shape}; they must be (n, outputs)")
    if network is None:
        if array.shape[1] == 1:
            raise RanvierError("classify: there is one output, and nothing says what it means; give the network too")
        return choose(Answer("class"), array)
    answer = answer_of(network, np.zeros(0, np.int64))    # without a word on it, one output that is to name a class is binary
    if answer.kind == "value":
        raise RanvierError("classify: the network's answer is a value, not a class")
    if answer.kind == "binary" and answer.threshold and steps is None:
        raise RanvierError("classify: the network has a threshold; give the steps of the run too")
    return class_labels(answer, choose(answer, values_of(network, array, steps or 1)[0]))


def run_golden_set(placement: Placement, samples: Values, steps: int, progress: Progress | None = None, *,
                   record: bool = False, encoded: bool = False) -> GoldenResult:
    """All samples as one stream in the golden model, with counters and clocks.

    ``samples`` is (n, size), values as in files (see `as_inputs`) or, with ``encoded``, integers as the input neurons take them. Spikes
    and membranes of every step are in the result's ``golden`` with ``record`` only; they are large.
    """
    network, steps = placement.network, whole_steps(steps)
    values = samples if encoded else as_inputs(network, samples)
    run = run_model(placement, inputs_of(network, values), steps, record=record, progress=progress)
    return GoldenResult(run.golden.readouts[the_readout(network)], run.golden, run.cycles)


def run_rtl_set(placement: Placement, samples: Values, steps: int, *, compare: bool = True, stream: bool = True,
                folder: Path | None = None, fault: bool = False, progress: Progress | None = None, encoded: bool = False) -> RtlResult:
    """Samples in the compiled RTL, a new one every ``steps`` steps, or each in a run of its own without ``stream``.

    ``samples`` and ``encoded`` are those of `run_golden_set`.

    With ``compare`` everything is compared with the model; the first mismatch ends the run, and a reproducer goes into
    ``folder``. ``fault`` flips one stored membrane bit after loading, to see that the comparison notices.
    """
    network, config, steps = placement.network, placement.config, whole_steps(steps)
    samples = samples if encoded else as_inputs(network, samples)
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
        for first in range(0, len(samples), size):
            inputs = inputs_of(network, samples[first:first + size])
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
