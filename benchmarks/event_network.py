"""A network for events of a camera with 34 x 34 pixels and two polarities, and how fast the golden model runs it.

    python benchmarks/event_network.py --samples 1000

Weights and events are random, from one seed: what is measured is work, which hangs on shapes and activity, not what the network knows.
"""

from __future__ import annotations

import argparse
import json
import sys
import time

import numpy as np
import numpy.typing as npt

import ranvier
from ranvier.model.network.network import Network
from ranvier.model.network.population import Population
from ranvier.model.network.projection import Projection
from ranvier.model.run.golden import run_golden

__all__ = ["STEPS", "TARGET_SECONDS", "event_network", "event_samples"]

STEPS = 4
#: For 1,000 samples on two cores.
TARGET_SECONDS = 20.0


def event_network(seed: int = 0) -> Network:
    """2 x 34 x 34; convolution 16 k5 s2 p1; 16 k3 p1; sum over 2 x 2; 8 k3 p1; sum over 2 x 2; 256; 10.

    Integrate and fire, reset by subtraction, counts of 4 bits, weights of 8 bits.
    """
    rng = np.random.default_rng(seed)

    def weights(*shape: int) -> npt.NDArray[np.int64]:
        return np.clip(np.rint(rng.normal(2, 24, shape)), -128, 127).astype(np.int64)

    populations = (
        Population("events", (34, 34, 2), "input", theta=1),
        Population("conv1", (16, 16, 16), "if", theta=120), Population("conv2", (16, 16, 16), "if", theta=150),
        Population("pool2", (8, 8, 16), "if", theta=2), Population("conv3", (8, 8, 8), "if", theta=150),
        Population("pool3", (4, 4, 8), "if", theta=2), Population("dense", 256, "if", theta=100), Population("classes", 10, "li"))
    names = [population.name for population in populations]
    ones = [np.ones((2, 2, 1, channels), np.int64) for channels in (16, 8)]
    return Network(populations, (
        Projection.conv(names[0], names[1], weights(5, 5, 2, 16), stride=2, padding=1),
        Projection.conv(names[1], names[2], weights(3, 3, 16, 16), padding=1),
        Projection.conv(names[2], names[3], ones[0], stride=2, groups=16),
        Projection.conv(names[3], names[4], weights(3, 3, 16, 8), padding=1),
        Projection.conv(names[4], names[5], ones[1], stride=2, groups=8),
        Projection.dense(names[5], names[6], weights(128, 256)),
        Projection.dense(names[6], names[7], weights(256, 10))), state_bits=20, weight_bits=8, input_bits=4, spike_bits=4)


def event_samples(count: int, seed: int = 1, activity: float = 0.1) -> npt.NDArray[np.uint8]:
    """Events as counts below 16, most of them 1: uint8 [samples, steps, 2312], of which a share ``activity`` is not 0."""
    rng = np.random.default_rng(seed)
    shape = (count, STEPS, 34 * 34 * 2)
    return np.where(rng.random(shape) < activity, np.minimum(rng.geometric(0.6, shape), 15), 0).astype(np.uint8)


def main() -> int:
    """Measure, and print JSON in one line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--samples", type=int, default=1000)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    network, samples = event_network(), event_samples(arguments.samples)
    start, used = time.perf_counter(), time.process_time()
    run = run_golden(network, {"events": samples}, STEPS, threads=arguments.threads)
    seconds, used = time.perf_counter() - start, time.process_time() - used
    rates = {name: round(float(counts.mean()) / STEPS, 4) for name, counts in run.spike_counts.items()}
    print(json.dumps({"samples": arguments.samples, "ticks": STEPS, "seconds": round(seconds, 2), "processor_seconds": round(used, 2),
                      "target_seconds": TARGET_SECONDS, "spikes_per_neuron_and_tick": rates, "version": ranvier.__version__}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
