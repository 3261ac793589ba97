"""The network of `bench.py` in snnTorch 1.0.0; run by `bench.py` with the interpreter of another environment.

    OMP_WAIT_POLICY=passive python benchmarks/snntorch_digits.py NETWORK.npz ANSWER.npz [--runs 5] [--threads 2]

NETWORK.npz holds pictures uint8 (n, inputs), ``steps``, ``layers``, and for each layer ``k`` (0 is the rate encoder):
``theta_k``, ``v_init_k`` and, from layer 1 on, ``weight_k`` (in, out) and ``bias_k``. All are whole numbers, used as float32,
which is exact up to 2**24.

What is timed: all pictures from float32 pixels to the membranes of the readout, encoder, hidden layer and readout, under
`torch.no_grad`, with the batch size and the number of threads (up to ``--threads``) that are fastest here; and the same with
the input spikes made beforehand. Nothing is counted, nothing recorded. Passive waiting matters: on a busy machine torch's
threads otherwise spin for one another, and took five times as long. Every neuron is `snntorch.Leaky(beta=1)`:

- snnTorch subtracts the threshold in the step after a spike (``reset_delay=True``, its default). Without leak that gives
  the spikes of a subtraction in the same step: the same number is subtracted before the next comparison. (With
  ``reset_delay=False`` a membrane that is above the threshold even after a reset is compared at the wrong value.)
- It spikes where membrane > threshold, Ranvier here where membrane >= theta. Membranes start half a unit higher, so the
  two are the same for whole numbers, and the subtracted amount stays theta.
- It has no clamps; `bench.py` says how often Ranvier's acted.
"""

from __future__ import annotations

import argparse
import json
import time
from typing import Any

import numpy as np
import snntorch
import torch

BATCHES = (250, 500, 1000, 10000)
TRIES = 2


class Digits(torch.nn.Module):
    """Rate encoder, dense layers of integrate-and-fire neurons, and a readout that never spikes."""

    def __init__(self, data: Any) -> None:
        super().__init__()
        self.steps, self.count = int(data["steps"]), int(data["layers"])
        self.neurons, self.synapses, self.start = torch.nn.ModuleList(), torch.nn.ModuleList(), []
        for layer in range(self.count):
            last = layer == self.count - 1
            theta = torch.tensor(np.float32(data[f"theta_{layer}"]))
            self.neurons.append(snntorch.Leaky(beta=1.0, threshold=theta, reset_mechanism="none" if last else "subtract"))
            self.start.append(torch.tensor(np.float32(data[f"v_init_{layer}"])) + (0.0 if last else 0.5))
            if layer:
                weight = torch.tensor(np.float32(data[f"weight_{layer}"]).T.copy())
                dense = torch.nn.Linear(weight.shape[1], weight.shape[0])
                dense.weight.data, dense.bias.data = weight, torch.tensor(np.float32(data[f"bias_{layer}"]))
                self.synapses.append(dense)

    def _rest(self, rows: int) -> list[torch.Tensor]:
        return [start.expand(rows, -1).clone() for start in self.start]

    def encode(self, pixels: torch.Tensor) -> torch.Tensor:
        """Input spikes: (steps, rows, inputs)."""
        membrane, found = self._rest(len(pixels))[0], []
        for _ in range(self.steps):
            spikes, membrane = self.neurons[0](pixels, membrane)
            found.append(spikes)
        return torch.stack(found)

    def forward(self, pixels: torch.Tensor | None, spikes: torch.Tensor | None = None) -> torch.Tensor:
        """Membranes of the readout after the last step, from pixels or from input spikes."""
        given = pixels if spikes is None else spikes[0]
        assert given is not None
        membranes = self._rest(len(given))
        for step in range(self.steps):
            if spikes is None:
                moving, membranes[0] = self.neurons[0](pixels, membranes[0])
            else:
                moving = spikes[step]
            for layer in range(1, self.count):
                moving, membranes[layer] = self.neurons[layer](self.synapses[layer - 1](moving), membranes[layer])
        return membranes[-1]


def _all(network: Digits, parts: list[torch.Tensor], spikes: list[torch.Tensor] | None) -> torch.Tensor:
    if spikes is None:
        return torch.cat([network(part) for part in parts])
    return torch.cat([network(None, part) for part in spikes])


def _seconds(network: Digits, parts: list[torch.Tensor], spikes: list[torch.Tensor] | None, runs: int) -> list[float]:
    """Wall clock of each run, after one that does not count."""
    found = []
    for _ in range(runs + 1):
        start = time.perf_counter()
        _all(network, parts, spikes)
        found.append(time.perf_counter() - start)
    return found[1:]


def _fastest(network: Digits, pixels: torch.Tensor, most_threads: int) -> tuple[int, int]:
    """Threads and batch size of the fastest try."""
    found = {}
    for threads in range(1, most_threads + 1):
        torch.set_num_threads(threads)
        for batch in BATCHES:
            found[threads, batch] = min(_seconds(network, list(pixels.split(batch)), None, TRIES))
    return min(found, key=lambda choice: found[choice])


def main() -> None:
    """Run, write the readouts to the file asked for and the times, as JSON, to standard output."""
    parser = argparse.ArgumentParser(description="Times a digit network in snnTorch; see benchmarks/bench.py.")
    parser.add_argument("network")
    parser.add_argument("answer")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    with np.load(arguments.network, allow_pickle=False) as file:
        data = {name: file[name] for name in file.files}
    pixels = torch.tensor(np.float32(data["pictures"]))
    network = Digits(data).eval()
    with torch.no_grad():
        np.savez(arguments.answer, readouts=_all(network, list(pixels.split(1000)), None).numpy())
        threads, batch = _fastest(network, pixels, arguments.threads)
        torch.set_num_threads(threads)
        parts = list(pixels.split(batch))
        whole = _seconds(network, parts, None, arguments.runs)
        spikes = [network.encode(part) for part in parts]
        given = _seconds(network, parts, spikes, arguments.runs)
    print(json.dumps({"snntorch": snntorch.__version__, "torch": torch.__version__, "batch": batch, "threads": threads,
                      "seconds": whole, "seconds_spikes_given": given}))


if __name__ == "__main__":
    main()
