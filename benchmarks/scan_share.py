"""Share of the weight-memory limit that five convolutions reach, measured in the compiled RTL and held to the cycle model.

    python benchmarks/scan_share.py

The share is that of the counters: weight words read, divided by the clocks while work is queued. All layers run on one fabric of 1 core x
64 lanes with 16 sweep lanes, spike words of 64 bits and a queue of 4. Weights and spikes are random, from one seed: the share hangs on
shapes and activity alone. The destination's threshold is never reached, so that only the scan is measured.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from typing import Any

import numpy as np

from ranvier.mapping.mapper import map_network, tailor
from ranvier.model.fabric.config import CoreConfig, FabricConfig, InputConfig
from ranvier.model.fabric.layout import Counter
from ranvier.model.network.network import Network
from ranvier.model.network.population import Population
from ranvier.model.network.projection import Projection
from ranvier.sim.simulator import Simulator
from ranvier.verify.evidence import check_batch

__all__ = ["ACTIVITIES", "LAYERS", "common_fabric", "layer_network", "measure"]

STEPS, SAMPLES = 4, 4
#: Shares of the source neurons that spike in a step.
ACTIVITIES = (0.03, 0.1, 0.3)
#: Name, (height, width, channels) of the source, kernel, stride, padding, and the shares that a cycle simulation made before the hardware
#: led to expect.
LAYERS: dict[str, tuple[tuple[int, int, int], tuple[int, int, int, int], int, int, tuple[float, float, float]]] = {
    "64 -> 64, 3x3, 14x14": ((14, 14, 64), (3, 3, 64, 64), 1, 1, (0.94, 0.98, 0.99)),
    "32 -> 64, 3x3, 14x14": ((14, 14, 32), (3, 3, 32, 64), 1, 1, (0.87, 0.96, 0.99)),
    "16 -> 16, 3x3, 16x16": ((16, 16, 16), (3, 3, 16, 16), 1, 1, (0.85, 0.96, 0.99)),
    # As the first layer of `event_network.py`. With padding 2 there are 17 x 17 outputs, and each line ends in a block of one pixel.
    "2 -> 16, 5x5 stride 2, 34x34": ((34, 34, 2), (5, 5, 2, 16), 2, 1, (0.55, 0.91, 0.97)),
    "1 -> 16, 5x5, 28x28": ((28, 28, 1), (5, 5, 1, 16), 1, 2, (0.25, 0.64, 0.91)),
}


def layer_network(name: str) -> Network:
    """The layer alone, driven by spikes as they are given."""
    shape, kernel, stride, padding, _ = LAYERS[name]
    source = Population("source", shape, "input", theta=1)
    weights = np.random.default_rng(0).integers(-8, 8, kernel)
    projection = Projection.conv("source", "layer", weights, stride=stride, padding=padding)
    height, width = projection.output_size(source)
    return Network((source, Population("layer", (height, width, kernel[3]), "if", theta=1 << 20)), (projection,), state_bits=24)


def common_fabric() -> FabricConfig:
    """A core that holds each of the layers: each depth is the largest that one of them needs."""
    base = FabricConfig(cores=1, core=CoreConfig(lanes=64, sweep_lanes=16), input=InputConfig(sweep_lanes=32), word_bits=64, queue_depth=4)
    found = [tailor(layer_network(name), base) for name in LAYERS]

    def largest(dicts: list[dict[str, Any]]) -> dict[str, Any]:
        return {key: max(one[key] for one in dicts) for key in dicts[0] if isinstance(dicts[0][key], int)}

    return found[0].replace(core=largest([asdict(one.core) for one in found]), input=largest([asdict(one.input) for one in found]),
                            **largest([asdict(one) for one in found]))


def measure(simulator: Simulator, fabric: FabricConfig, name: str, activity: float) -> tuple[float, float]:
    """Share in the RTL, and by the cycle model. Raises `SystemExit` where any word, counter or clock of the two differs."""
    network = layer_network(name)
    placement = map_network(network, fabric)
    spikes = np.random.default_rng(1).random((SAMPLES, STEPS, network.inputs[0].size)) < activity
    simulator.load(placement)
    check = check_batch(placement, simulator, {"source": spikes.astype(np.uint8)}, STEPS)
    if check.mismatch is not None:
        raise SystemExit(f"scan_share: {name}: RTL and model differ: {check.mismatch}")
    rtl, model = (float(found[0, Counter.WEIGHT_WORDS] / found[0, Counter.SCAN])
                  for found in (check.recording.counters, check.cycles.counters))
    return rtl, model


def main() -> int:
    """Measure, and print JSON in one line."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    fabric = common_fabric()
    rows = []
    with Simulator(fabric) as simulator:
        for name, (*_, expected) in LAYERS.items():
            for activity, wanted in zip(ACTIVITIES, expected, strict=True):
                rtl, model = measure(simulator, fabric, name, activity)
                rows.append({"layer": name, "activity": activity, "expected": wanted, "rtl": round(rtl, 4), "model": round(model, 4)})
                print(f"{name} at {activity:.0%}: {rtl:.1%} in RTL, {model:.1%} by the model, {wanted:.0%} expected", file=sys.stderr)
    print(json.dumps(rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
