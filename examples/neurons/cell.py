"""Leaky integrate-and-fire neurons fitted to two cortical cells, and the same on the fabric.

    python examples/neurons/cell.py -o build/neurons                      # downloads the recordings (1 MB) with pip
    python examples/neurons/cell.py -o build/neurons --archive FILE --rtl

Three of a cell's five steps of current are fitted, the other two are predicted. The neuron has its threshold at 1 and its rest at 0:

    w' = a_w w - b s                    the adaptation, with the spike s of the step before; b = 0 is the plain LIF
    u  = a v + (1 - a) I / I_0 + w'     a = exp(-dt/tau), I_0 the rheobase
    s' = u >= 1,  v' = r if s' else u

On the fabric this is kind `cubalif` to the letter: the synaptic current is w, a projection of the population to itself with delay 1 and
weight -b is the adaptation, and the step of current is the bias. A neuron of the fabric has one synaptic current, which here is the
adaptation's; so each step of current is a neuron of its own, and a stimulus that changes in time would have to come through that current.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from recordings import ATTRIBUTION, Step, download, read_cells

from ranvier import Network, Population, Projection, RanvierError, Semantics, simulate
from ranvier.files.safe import write_json
from ranvier.reports.tables import print_rows

__all__ = ["BITS", "FITTED", "PREDICTED", "Neuron", "Outcome", "fabric_network", "fit", "outcomes", "run_float"]

#: Of the five steps, smallest first.
FITTED, PREDICTED = (0, 2, 4), (1, 3)
#: The threshold is 2**BITS in the integers.
BITS = 20
STATE_BITS, WEIGHT_BITS, SCALE_K = 26, 16, 1 << 16

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Neuron:
    """An adaptive LIF neuron. Times in ms, currents in pA; ``reset`` and ``b`` in thresholds above rest, b of a step of ``dt``."""

    tau: float
    rheobase: float
    reset: float
    b: float = 0.0
    tau_w: float = 100.0
    dt: float = 0.25


@dataclass(frozen=True)
class Outcome:
    """What a neuron did with a step of current: its spikes, the time of the first in ms, and those of the first 300 ms."""

    count: int
    latency: float
    early: int


#: Where the search begins: tau, rheobase, reset, log10 of b, log10 of tau_w; means and spreads.
_START = (np.array([20.0, 60.0, 0.0, -2.5, 2.2]), np.array([10.0, 30.0, 0.6, 0.7, 0.4]))
_LEAST, _MOST = np.array([3.0, 10.0, -3.0, -6.0, 1.0]), np.array([80.0, 200.0, 0.98, -0.5, 3.2])
_CANDIDATES, _BEST, _ROUNDS, _EARLY_MS = 400, 40, 24, 300.0


def run_float(neurons: Sequence[Neuron], currents: Sequence[float], steps: int) -> Bools:
    """Spikes, bool (steps, neurons, currents), of every neuron at every current."""
    p = {name: np.array([getattr(neuron, name) for neuron in neurons])[:, None] for name in asdict(neurons[0])}
    a, a_w = np.exp(-p["dt"] / p["tau"]), np.exp(-p["dt"] / p["tau_w"])
    drive = (1 - a) * np.asarray(currents) / p["rheobase"]
    v, w, spike = np.zeros_like(drive), np.zeros_like(drive), np.zeros(drive.shape, bool)
    spikes = np.zeros((steps, *drive.shape), bool)
    for step in range(steps):
        w = a_w * w - p["b"] * spike
        v = a * v + drive + w
        spike = v >= 1
        v = np.where(spike, p["reset"], v)
        spikes[step] = spike
    return spikes


def outcomes(spikes: Bools, dt: float) -> list[Outcome]:
    """Of each column of (steps, n). A neuron's first step ends ``dt`` after the onset; without a spike the latency is infinite."""
    first = np.where(spikes.any(axis=0), (spikes.argmax(axis=0) + 1) * dt, np.inf)
    early = spikes[:round(_EARLY_MS / dt)].sum(axis=0)
    return [Outcome(int(n), float(t), int(e)) for n, t, e in zip(spikes.sum(axis=0), first, early, strict=True)]


def recorded(step: Step) -> Outcome:
    """The same of a recording."""
    return Outcome(len(step.spikes), float(step.spikes[0]), int((step.spikes <= _EARLY_MS).sum()))


def fit(steps: Sequence[Step], *, adaptive: bool, seed: int = 1) -> Neuron:
    """The neuron whose counts and latencies come nearest, by the cross-entropy method (Rubinstein 1999) from a fixed seed."""
    rng = np.random.default_rng(seed)
    mean, spread = (values.copy() for values in _START)
    goal, currents = [recorded(step) for step in steps], [step.current for step in steps]
    length = steps[0].end - steps[0].onset
    best: tuple[float, Neuron] | None = None
    for _ in range(_ROUNDS):
        drawn = np.clip(rng.normal(mean, spread, (_CANDIDATES, len(mean))), _LEAST, _MOST)
        neurons = [_neuron(row, steps[0].dt, adaptive) for row in drawn]
        losses = _losses(run_float(neurons, currents, length), goal, steps[0].dt)
        order = np.argsort(losses, kind="stable")
        if best is None or losses[order[0]] < best[0]:
            best = float(losses[order[0]]), neurons[int(order[0])]
        elite = drawn[order[:_BEST]]
        mean, spread = 0.3 * mean + 0.7 * elite.mean(axis=0), 0.3 * spread + 0.7 * elite.std(axis=0)
    assert best is not None
    return best[1]


def _neuron(row: Floats, dt: float, adaptive: bool) -> Neuron:
    tau, rheobase, reset, b, tau_w = (float(value) for value in row)
    return Neuron(tau, rheobase, reset, 10 ** b, 10 ** tau_w, dt) if adaptive else Neuron(tau, rheobase, reset, dt=dt)


def _losses(spikes: Bools, goal: Sequence[Outcome], dt: float) -> Floats:
    """A count that is off by 5 %, a latency by 1 ms and early spikes by 10 % and one weigh 1 each, squared: (neurons,)."""
    loss = np.zeros(spikes.shape[1])
    for column, wanted in enumerate(goal):
        found = outcomes(spikes[:, :, column], dt)
        loss += [((f.count - wanted.count) / (0.05 * wanted.count)) ** 2 + (min(f.latency, 1e3) - wanted.latency) ** 2
                 + ((f.early - wanted.early) / (0.1 * wanted.early + 1)) ** 2 for f in found]
    return loss


def fabric_network(neuron: Neuron, currents: Sequence[float]) -> Network:
    """The neuron in integers, once for each current in pA, as a network that any fabric with currents takes."""
    one = 1 << BITS
    a, a_w = np.exp(-neuron.dt / neuron.tau), np.exp(-neuron.dt / neuron.tau_w)
    bias = np.rint(one * (1 - a) * np.asarray(currents) / neuron.rheobase).astype(np.int64)
    cell = Population("cell", len(currents), "cubalif", theta=one, bias=bias, k=round(a * SCALE_K), k_i=round(a_w * SCALE_K),
                      v_reset=round(neuron.reset * one), semantics=Semantics(reset="value", dt=neuron.dt * 1e-3))
    weight = round(neuron.b * one)
    if weight >= 1 << WEIGHT_BITS - 1:
        raise RanvierError(f"cell: an adaptation of {neuron.b} thresholds a spike does not fit a weight of {WEIGHT_BITS} bits")
    adaptation = Projection.dense("cell", "cell", -weight * np.eye(len(currents), dtype=np.int64), delay=1)
    return Network((cell,), (adaptation,), state_bits=STATE_BITS, weight_bits=WEIGHT_BITS)


def report(cell: str, steps: Sequence[Step], *, rtl: bool) -> tuple[list[tuple[str, ...]], dict[str, Neuron], npt.NDArray[np.int32], Bools]:
    """Rows of the table for one cell, the neurons, and the adaptive one's membranes and spikes on the fabric, (time, current) each."""
    rows, neurons = [], {}
    currents, length = [step.current for step in steps], steps[0].end - steps[0].onset
    for kind in ("LIF", "adaptive LIF"):
        neuron = neurons[kind] = fit([steps[k] for k in FITTED], adaptive=kind != "LIF")
        network = fabric_network(neuron, currents)
        run = simulate(network, {}, length)
        if rtl:
            from in_rtl import check_in_rtl
            check_in_rtl(network, {}, length)
        floats = outcomes(run_float([neuron], currents, length)[:, 0], neuron.dt)
        for k, found in enumerate(outcomes(run.spikes["cell"][0], neuron.dt)):
            wanted = recorded(steps[k])
            rows.append((cell, kind, f"{currents[k]:.0f}", "predicted" if k in PREDICTED else "fitted", str(wanted.count),
                         str(floats[k].count), str(found.count), f"{100 * (found.count / wanted.count - 1):+.1f}", f"{wanted.latency:.2f}",
                         f"{floats[k].latency:.2f}", f"{found.latency:.2f}", f"{found.latency - wanted.latency:+.2f}"))
    return rows, neurons, run.membranes["cell"][0], run.spikes["cell"][0]


COLUMNS = ("cell", "neuron", "pA", "", "spikes", "float", "fabric", "%", "first ms", "float", "fabric", "off by")


def draw(cells: dict[str, tuple[Step, ...]], runs: dict[str, tuple[list[tuple[str, ...]], dict[str, Neuron], npt.NDArray[np.int32], Bools]],
         path: Path) -> None:
    """Each cell at the step that was predicted best to see, beside the fabric; and spikes and latencies over the current."""
    import matplotlib
    matplotlib.use("Agg")
    from matplotlib import pyplot as plt
    figure, axes = plt.subplots(3, len(cells), figsize=(11, 8.5), layout="constrained", squeeze=False)
    for column, (cell, steps) in enumerate(cells.items()):
        rows, neurons, membranes, spikes = runs[cell]
        step, neuron = steps[PREDICTED[0]], neurons["adaptive LIF"]
        axis = axes[0, column]
        shown = slice(step.onset - 200, step.onset + 2000)
        times = (np.arange(len(step.membrane)) - step.onset) * step.dt
        axis.plot(times[shown], step.membrane[shown], color="0.55", lw=0.8, label="recording")
        ticks = np.flatnonzero(spikes[:2000, PREDICTED[0]]) + 1
        axis.vlines(ticks * neuron.dt, 25, 38, color="C3", lw=1.2, label="fabric, spikes")
        scale = axis.twinx()
        membrane = membranes[:2000, PREDICTED[0]] / (1 << BITS)
        scale.plot((np.arange(2000) + 1) * neuron.dt, membrane, color="C0", lw=0.8, label="fabric, membrane")
        scale.set_ylim(-2.6, 3.6)
        scale.set_ylabel("thresholds above rest")
        axis.set(title=f"{cell}: {step.current:.0f} pA, not seen by the fit", xlabel="ms from the step", ylabel="mV", ylim=(-125, 42))
        lines = [*axis.get_legend_handles_labels()[0], *scale.get_legend_handles_labels()[0]]
        scale.legend(handles=lines, fontsize=7, loc="lower right", ncols=3)
        pa = [step.current for step in steps]
        for line, (name, at) in enumerate((("spikes in 2 s", (4, 6)), ("first spike, ms", (8, 10)))):
            axis = axes[1 + line, column]
            axis.plot(pa, [float(row[at[0]]) for row in rows[:5]], "o", color="0.4", ms=9, mfc="none", label="recording")
            for first, kind, mark in ((0, "LIF", "x"), (5, "adaptive LIF", "+")):
                axis.plot(pa, [float(row[at[1]]) for row in rows[first:first + 5]], mark, ms=9, label=f"fabric, {kind}")
            for k in PREDICTED:
                axis.axvspan(pa[k] - 8, pa[k] + 8, color="C2", alpha=0.15, lw=0)
            axis.set(ylabel=name, xlabel="step of current, pA (green: predicted)")
            axis.legend(fontsize=7)
    figure.suptitle(f"LIF fitted to three steps of a cortical cell, two predicted ({ATTRIBUTION})", fontsize=10)
    figure.savefig(path, dpi=100)
    plt.close(figure)


def main() -> None:
    """Fit, predict, run on the fabric; print the table, write the picture and the parameters."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-o", "--output", type=Path, default=Path("build/neurons"), help="folder to write into")
    parser.add_argument("--archive", type=Path, help="bluepyefe-2.3.63.tar.gz, where pip shall not download it")
    parser.add_argument("--rtl", action="store_true", help="also run the compiled RTL and compare every word and clock")
    options = parser.parse_args()
    try:
        cells = read_cells(options.archive or download(options.output))
        runs = {cell: report(cell, steps, rtl=options.rtl) for cell, steps in cells.items()}
    except RanvierError as error:
        parser.exit(2, f"cell: {error}\n")
    options.output.mkdir(parents=True, exist_ok=True)
    print_rows("LIF fitted to a cell", COLUMNS, [row for rows, *_ in runs.values() for row in rows])
    fitted = {cell: {"currents_pa": [step.current for step in cells[cell]],
                     "recorded": [asdict(recorded(step)) for step in cells[cell]],
                     **{kind: asdict(neuron) for kind, neuron in found[1].items()}} for cell, found in runs.items()}
    write_json(options.output / "cells.json", fitted)
    draw(cells, runs, options.output / "cell.png")
    print(f"{options.output / 'cells.json'}, {options.output / 'cell.png'}" + (", model and RTL equal" if options.rtl else ""))


if __name__ == "__main__":
    main()
