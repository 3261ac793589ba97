"""Accuracy against synaptic operations of the digits, converted and trained, from network files; writes a plot and prints JSON.

    python benchmarks/accuracy_operations.py -o docs/images/accuracy-operations.png \\
        --converted build/digits/converted.ranvier --steps 1 2 4 8 --trained build/digits/trained_1/network.ranvier ...

Each trained network runs for the steps that it was trained for. All 10,000 test digits, in the golden model; no torch.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np

import ranvier

DIGITS = Path(__file__).resolve().parents[1] / "examples" / "digits" / "mnist_test.npz"
BATCH = 1000


def measured(path: Path, steps: int, pictures: Any, labels: Any) -> dict[str, Any]:
    """Accuracy and operations of a dense network: a spike is an operation for each neuron of the next population."""
    network = ranvier.load_network(path)
    fan_out = {p.source: network.by_name[p.destination].size for p in network.projections}
    right = operations = 0
    for first in range(0, len(labels), BATCH):
        found = ranvier.simulate(network, pictures[first:first + BATCH], steps)
        answers = found.readouts[network.readouts[0].name][:, -1].argmax(1)
        right += int(np.count_nonzero(answers == labels[first:first + BATCH]))
        operations += sum(int(found.spikes[name].sum()) * synapses for name, synapses in fan_out.items())
    return {"network": path.as_posix(), "steps": steps, "accuracy": right / len(labels), "operations": operations / len(labels)}


def draw(points: dict[str, list[dict[str, Any]]], path: Path) -> None:
    """Both curves, with the steps beside their points."""
    matplotlib.use("Agg")
    from matplotlib import pyplot
    figure, axes = pyplot.subplots(figsize=(7, 4.5), layout="constrained")
    for (name, found), marker, below in zip(points.items(), ("o", "s"), (True, False), strict=True):
        axes.plot([p["operations"] for p in found], [100 * p["accuracy"] for p in found], marker=marker, label=name)
        for p in found:
            axes.annotate(f"T = {p['steps']}", (p["operations"], 100 * p["accuracy"]), textcoords="offset points",
                          xytext=(8, -14 if below else 8), fontsize=9)
    axes.set(xlabel="synaptic operations of a digit", ylabel="right of 10,000 test digits, %", xscale="log",
             title="784-128-10, weights of 4 bits")
    ticks = [10_000, 20_000, 50_000, 100_000]
    axes.set_xticks(ticks, [f"{tick:,}" for tick in ticks])
    axes.set_xticks([], minor=True)
    axes.margins(x=0.12, y=0.15)
    axes.grid(alpha=0.3)
    axes.legend(loc="lower right")
    figure.savefig(path, dpi=110)


def main() -> None:
    """Measure, draw, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--converted", type=Path, required=True)
    parser.add_argument("--steps", type=int, nargs="+", default=[1, 2, 4, 8], help="of the converted network (default: %(default)s)")
    parser.add_argument("--trained", type=Path, nargs="+", required=True)
    options = parser.parse_args()
    with np.load(DIGITS) as data:
        pictures, labels = data["pictures"], data["labels"]
    points = {"converted": [measured(options.converted, steps, pictures, labels) for steps in options.steps],
              "trained": [measured(path, int(ranvier.load_network(path).info["steps"]), pictures, labels) for path in options.trained]}
    draw(points, options.output)
    print(json.dumps(points, indent=2))


if __name__ == "__main__":
    main()
