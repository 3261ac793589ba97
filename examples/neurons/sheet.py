"""Izhikevich's thousand neurons (IEEE TNN 14, 2003): 800 excitatory, 200 inhibitory, all to all, and noise; the rhythm that comes of it.

    python examples/neurons/sheet.py -o build/neurons

Parameters, weights and noise have the distributions of the paper's program; all are drawn from `ranvier.model.prng`, so they are the same
on every machine. Noise comes as the count of one input neuron for each cell, 128 of which are 0; the cell's own current takes those away.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ranvier import Network, Population, Projection, simulate
from ranvier.model.prng import prng
from ranvier.reports.tables import print_rows

__all__ = ["EXCITATORY", "INHIBITORY", "draw_cells", "float_sheet", "noise", "sheet_network", "spectrum"]

EXCITATORY, INHIBITORY, STEPS, SEED = 800, 200, 1000, 1
CELLS = EXCITATORY + INHIBITORY
#: A synaptic sum of 1, in mV/ms: a weight of 8 bits then reaches the paper's -1 of an inhibitory synapse.
UNIT = 1 / 128
STATE_BITS, WEIGHT_BITS, COUNT_BITS, MIDDLE = 24, 8, 8, 128
#: Weights of the noise of excitatory and of inhibitory cells: counts of 0.25 and of 0.1 mV/ms.
NOISE_WEIGHTS = np.repeat([32, 13], [EXCITATORY, INHIBITORY])
#: Standard deviations of the noise in mV/ms.
NOISE = np.repeat([5.0, 2.0], [EXCITATORY, INHIBITORY])
#: What the numbers are drawn for; those of the library are below 100.
_CELL, _WEIGHT, _RADIUS, _ANGLE = 100, 101, 102, 103

Floats = npt.NDArray[np.float64]


def _uniform(step: Any, neuron: Any, purpose: int, seed: int) -> Floats:
    """Numbers above 0 and below 1."""
    return (np.asarray(prng(seed, step, neuron, purpose), np.float64) + 0.5) / 2 ** 32


def draw_cells(seed: int = SEED) -> tuple[dict[str, Floats], npt.NDArray[np.int64]]:
    """a, b, c and d of every cell, and the weights [from, to] in units of `UNIT`."""
    r = _uniform(0, np.arange(CELLS), _CELL, seed)
    excitatory = np.arange(CELLS) < EXCITATORY
    cells = {"a": np.where(excitatory, 0.02, 0.02 + 0.08 * r), "b": np.where(excitatory, 0.2, 0.25 - 0.05 * r),
             "c": np.where(excitatory, -65 + 15 * r ** 2, -65), "d": np.where(excitatory, 8 - 6 * r ** 2, 2)}
    strength = _uniform(np.arange(CELLS)[:, None], np.arange(CELLS), _WEIGHT, seed)
    return cells, np.rint(np.where(excitatory[:, None], 0.5, -1.0) * strength / UNIT).astype(np.int64)


def noise(steps: int, seed: int = SEED) -> npt.NDArray[np.int64]:
    """Counts of the input neurons, (steps, cells): normal numbers by Box and Muller's formula."""
    step, cell = np.arange(steps)[:, None], np.arange(CELLS)
    radius = np.sqrt(-2 * np.log(_uniform(step, cell, _RADIUS, seed)))
    normal = radius * np.cos(2 * np.pi * _uniform(step, cell, _ANGLE, seed))
    return np.clip(np.rint(normal * NOISE / (NOISE_WEIGHTS * UNIT)) + MIDDLE, 0, (1 << COUNT_BITS) - 1).astype(np.int64)


def sheet_network(seed: int = SEED) -> Network:
    """The network: a spike acts a step later, as in the paper."""
    cells, weights = draw_cells(seed)
    populations = (Population("noise", CELLS, "input", theta=1),
                   Population("cells", CELLS, "izhikevich", cells, weight=UNIT, current=-MIDDLE * NOISE_WEIGHTS * UNIT))
    projections = (Projection.conv("noise", "cells", NOISE_WEIGHTS.reshape(1, 1, 1, CELLS), groups=CELLS),
                   Projection.dense("cells", "cells", weights, delay=1))
    return Network(populations, projections, state_bits=STATE_BITS, weight_bits=WEIGHT_BITS, input_bits=COUNT_BITS, spike_bits=COUNT_BITS)


def float_sheet(counts: npt.NDArray[np.int64], seed: int = SEED) -> npt.NDArray[np.bool_]:
    """Spikes (steps, cells) in double precision from the same weights and noise."""
    p, weights = draw_cells(seed)
    v, spike = np.full(CELLS, -65.0), np.zeros(CELLS, bool)
    u, spikes = p["b"] * v, np.zeros(counts.shape, bool)
    for step, count in enumerate(counts):
        i = ((count - MIDDLE) * NOISE_WEIGHTS + weights[spike].sum(axis=0)) * UNIT
        for _ in range(2):
            v = np.clip(v + 0.5 * ((0.04 * v + 5) * v + 140 - u + i), -128, 128)
        u += p["a"] * (p["b"] * v - u)
        spike = v >= 30
        v, u = np.where(spike, p["c"], v), u + p["d"] * spike
        spikes[step] = spike
    return spikes


def spectrum(spikes: npt.NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """Hz and power of the spikes of all cells together, in windows of 256 ms that overlap by half, as Welch averages them."""
    rate = spikes.sum(axis=1) - spikes.sum(axis=1).mean()
    size = 256
    window = np.hanning(size)
    power = [np.abs(np.fft.rfft(rate[k:k + size] * window)) ** 2 for k in range(0, len(rate) - size + 1, size // 2)]
    return np.fft.rfftfreq(size, 1e-3), np.mean(power, axis=0)


def draw(spikes: npt.NDArray[np.bool_], exact: npt.NDArray[np.bool_], path: Path) -> None:
    """Raster, spikes in each ms, and their spectrum."""
    import matplotlib
    matplotlib.use("Agg")
    from matplotlib import pyplot as plt
    figure, axes = plt.subplots(3, 1, figsize=(9, 9), layout="constrained", height_ratios=(3, 1, 1.3))
    step, cell = np.nonzero(spikes)
    axes[0].scatter(step, cell, s=0.6, color=np.where(cell < EXCITATORY, "black", "C3"), linewidths=0)
    axes[0].set(ylabel="cell (red: inhibitory)", xlim=(0, len(spikes)), ylim=(0, CELLS))
    axes[1].plot(spikes.sum(axis=1), color="black", lw=0.8)
    axes[1].set(ylabel="spikes a ms", xlabel="ms", xlim=(0, len(spikes)))
    for found, name, colour in ((spikes, "integers", "black"), (exact, "double precision", "C1")):
        hertz, power = spectrum(found)
        axes[2].plot(hertz, power, color=colour, label=name)
    axes[2].set(xlabel="Hz", ylabel="power", xlim=(0, 100))
    axes[2].legend()
    figure.savefig(path, dpi=90)
    plt.close(figure)


def main() -> None:
    """Run a second of the network, print its rates, draw the picture."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-o", "--output", type=Path, default=Path("build/neurons"), help="folder to write into")
    options = parser.parse_args()
    counts = noise(STEPS)
    spikes = simulate(sheet_network(), counts[None], STEPS).spikes["cells"][0].astype(bool)
    exact = float_sheet(counts)
    options.output.mkdir(parents=True, exist_ok=True)
    rows = []
    for name, found in (("integers", spikes), ("double precision", exact)):
        hertz, power = spectrum(found)
        above = hertz >= 5
        rows.append((name, str(found.sum()), *(f"{1000 * part.mean():.1f}" for part in (found[:, :EXCITATORY], found[:, EXCITATORY:])),
                     f"{hertz[above][power[above].argmax()]:.0f}"))
    print_rows("A second of 1,000 neurons", ("arithmetic", "spikes", "excitatory, Hz", "inhibitory, Hz", "strongest rhythm, Hz"), rows)
    draw(spikes, exact, options.output / "sheet.png")
    print(options.output / "sheet.png")


if __name__ == "__main__":
    main()
