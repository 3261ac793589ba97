"""Pictures of a run: spike raster and membrane traces of one input."""

from __future__ import annotations

import io
from pathlib import Path

import matplotlib
import numpy as np

from ..files.safe import write_atomic
from ..model.network.network import Network
from ..model.run.golden import GoldenRun

__all__ = ["draw_membranes", "draw_raster", "save_figure"]

matplotlib.use("Agg")     # no display is needed, and none is opened


def save_figure(figure: object, path: Path) -> None:
    """Write a picture as png, whole or not at all."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=120)  # type: ignore[attr-defined]
    write_atomic(path, buffer.getvalue())


def draw_raster(network: Network, run: GoldenRun, title: str, path: Path) -> None:
    """Every spike of input 0: step across, neuron up, one panel a spiking population."""
    from matplotlib import pyplot as plt
    names = [p.name for p in network.populations if p.spiking]
    size = (7, 2 + 1.8 * len(names))
    figure, axes = plt.subplots(len(names), 1, sharex=True, squeeze=False, figsize=size, layout="constrained")
    for axis, name in zip(axes[:, 0], names, strict=True):
        spikes = run.spikes[name][0]
        step, neuron = np.nonzero(spikes)
        axis.scatter(step, neuron, s=9, marker="|", color="black", linewidths=1)
        axis.set_ylim(-0.5, spikes.shape[1] - 0.5)
        axis.set_xlim(-0.5, len(spikes) - 0.5)
        axis.set_ylabel(f"{name}\nneuron")
        axis.set_title(f"{int(spikes.sum())} spikes", fontsize=9, loc="right")
        axis.set_xticks(range(len(spikes)))
    axes[-1, 0].set_xlabel("step (source time; each population's own)")
    figure.suptitle(title)
    save_figure(figure, path)
    plt.close(figure)


def draw_membranes(network: Network, run: GoldenRun, title: str, path: Path, most: int = 8) -> None:
    """Membranes of input 0 after each step of an open window: the neurons that spike most, and every readout."""
    from matplotlib import pyplot as plt
    names = [p.name for p in network.populations if not p.driven]
    size = (7, 2 + 2.4 * len(names))
    figure, axes = plt.subplots(len(names), 1, sharex=True, squeeze=False, figsize=size, layout="constrained")
    for axis, name in zip(axes[:, 0], names, strict=True):
        population = network.by_name[name]
        traces = run.membranes[name][0].astype(float)
        liveliest = np.argsort(-run.spikes[name][0].sum(axis=0), kind="stable")[:most]
        shown = np.sort(liveliest) if population.spiking else np.arange(min(population.size, 10))
        start = network.parameter(population, "v_init")
        for neuron in shown:
            axis.plot(np.arange(-1, len(traces)), [start[neuron], *traces[:, neuron]], marker=".", label=str(neuron))
        axis.set_ylabel(f"{name}\nmembrane")
        axis.set_xticks(range(-1, len(traces)), ["v_init", *map(str, range(len(traces)))])
        axis.legend(title="neuron", fontsize=7, ncols=2, loc="center left", bbox_to_anchor=(1, 0.5))
    axes[-1, 0].set_xlabel("after step")
    figure.suptitle(title)
    save_figure(figure, path)
    plt.close(figure)
