"""Time of a training step beside snnTorch's, on the digits' network 784-128-10, and whether both learn the same.

    python benchmarks/training_step.py [--steps 4] [--batch 128] [--runs 5] [--batches 20]

Needs torch and snntorch 1.0.0. Both train held values through a rate encoder, one hidden layer of integrate-and-fire neurons and a
readout, with arctan surrogates, Adam and the cross entropy of the last membrane. snnTorch's is a float network, without quantised
weights, scales, bounds or a proof of headroom. What is timed: forward, backward, the optimiser, of batches that are in memory. Runs
alternate, and the least of each counts; so processes beside it matter less. One thread.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import snntorch
import torch
from torch.nn import functional

from ranvier import training


class Float(torch.nn.Module):
    """The network in snnTorch, in float32."""

    def __init__(self, steps: int) -> None:
        super().__init__()
        self.steps = steps
        self.first, self.second = torch.nn.Linear(784, 128), torch.nn.Linear(128, 10)
        self.encoder = snntorch.Leaky(beta=1.0, threshold=255.0, reset_mechanism="subtract")
        self.hidden = snntorch.Leaky(beta=1.0, reset_mechanism="subtract")
        self.readout = snntorch.Leaky(beta=1.0, reset_mechanism="none")

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """Logits: the readout's last membrane."""
        first = torch.full_like(pixels, 127.0)
        hidden, last = pixels.new_zeros(len(pixels), 128), pixels.new_zeros(len(pixels), 10)
        for _ in range(self.steps):
            spikes, first = self.encoder(pixels, first)
            spikes, hidden = self.hidden(self.first(spikes), hidden)
            _, last = self.readout(self.second(spikes), last)
        return last


def timed(step: Callable[[int], None], batches: int) -> float:
    """Seconds of processor time a batch."""
    begun = time.process_time()
    for n in range(batches):
        step(n)
    return (time.process_time() - begun) / batches


def main() -> None:
    """Measure, and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    for name, default in (("steps", 4), ("batch", 128), ("runs", 5), ("batches", 20)):
        parser.add_argument(f"--{name}", type=int, default=default, help="default: %(default)s")
    options = parser.parse_args()
    torch.set_num_threads(1)
    rng = np.random.default_rng(1)
    # As many pixels are dark as in the digits.
    pictures = (rng.integers(0, 256, (options.batches, options.batch, 784)) * (rng.random((options.batches, options.batch, 784)) < 0.19))
    labels = torch.from_numpy(rng.integers(0, 10, (options.batches, options.batch)))
    pixels = torch.from_numpy(pictures.astype(np.float32))
    held = pictures.astype(np.uint8)
    ours = training.Network([training.Input("pictures", 784, theta=255, v_init=127), training.IF("hidden", 128), training.LI("digits", 10)],
                            [training.Dense("pictures", "hidden"), training.Dense("hidden", "digits")], weight_bits=4)
    theirs = Float(options.steps)
    optimizers = {net: torch.optim.Adam(net.parameters(), lr=1e-3) for net in (ours, theirs)}

    def learn(net: torch.nn.Module, answer: Callable[[int], Any]) -> Callable[[int], None]:
        def step(n: int) -> None:
            loss = functional.cross_entropy(answer(n), labels[n])
            optimizers[net].zero_grad()
            loss.backward()
            optimizers[net].step()
        return step

    steps = {"ranvier": learn(ours, lambda n: ours(held[n], options.steps).logits()),
             "snntorch": learn(theirs, lambda n: theirs(pixels[n]))}
    found: dict[str, list[float]] = {name: [] for name in steps}
    for step in steps.values():
        timed(step, 3)    # to warm up
    for _ in range(options.runs):
        for name, step in steps.items():
            found[name].append(timed(step, options.batches))
    least = {f"{name}_ms": round(1000 * min(values), 2) for name, values in found.items()}
    print(json.dumps({**vars(options), **least, "ratio": round(min(found["ranvier"]) / min(found["snntorch"]), 2),
                      "torch": torch.__version__}, indent=2))


if __name__ == "__main__":
    main()
