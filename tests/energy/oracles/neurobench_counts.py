"""Writes `tests/cases/energy/neurobench.json`: what NeuroBench 2.3.0 counts for the networks of `draws.py`.

NeuroBench is Apache-2.0, but needs tonic, which is GPL-3: so it is no extra of Ranvier, and runs in an environment of its own.

    python3 -m venv build/neurobench-venv
    build/neurobench-venv/bin/pip install neurobench==2.3.0 snntorch==1.0.0
    build/neurobench-venv/bin/python tests/energy/oracles/neurobench_counts.py
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import snntorch
import torch
from neurobench.benchmarks import Benchmark
from neurobench.metrics.static import ConnectionSparsity, Footprint, ParameterCount
from neurobench.metrics.workload import ActivationSparsity, SynapticOperations
from neurobench.models import SNNTorchModel
from torch.utils.data import DataLoader, TensorDataset

sys.path.insert(0, str(Path(__file__).parent))
from draws import Case, cases

_OUTPUT = Path(__file__).resolve().parents[2] / "cases" / "energy" / "neurobench.json"


class Spiking(torch.nn.Module):
    """The network in snnTorch; without leak, its subtraction in the next step gives the spikes of one in the same step."""

    def __init__(self, case: Case) -> None:
        super().__init__()
        self.dense, self.neurons = torch.nn.ModuleList(), torch.nn.ModuleList()
        for n, weight in enumerate(case.weights):
            layer = torch.nn.Linear(*weight.shape, bias=False)
            layer.weight.data = torch.tensor(weight.T.astype(np.float32))
            self.dense.append(layer)
            if n < len(case.thetas):
                self.neurons.append(snntorch.Leaky(beta=1.0, threshold=float(case.thetas[n]), reset_mechanism="subtract"))
        self.membranes: list[Any] = []

    def reset(self) -> None:
        """Before a batch."""
        self.membranes = [None] * len(self.neurons)

    def forward(self, spikes: torch.Tensor) -> tuple[torch.Tensor, None]:
        """One step. A spike comes above the threshold, in Ranvier from it on: membranes begin half a unit higher."""
        for n, layer in enumerate(self.dense):
            spikes = layer(spikes)
            if n < len(self.neurons):
                before = torch.full_like(spikes, 0.5) if self.membranes[n] is None else self.membranes[n]
                spikes, self.membranes[n] = self.neurons[n](spikes, before)
        return spikes, None


def counts(case: Case) -> dict[str, Any]:
    """NeuroBench's figures for one network."""
    data = TensorDataset(torch.tensor(case.spikes.astype(np.float32)), torch.zeros(len(case.spikes), dtype=torch.long))
    model = SNNTorchModel(Spiking(case))
    benchmark = Benchmark(model, DataLoader(data, batch_size=len(case.spikes)), [], [lambda found: found.sum(dim=1).argmax(dim=1)],
                          [[ParameterCount, Footprint, ConnectionSparsity], [ActivationSparsity, SynapticOperations]])
    found: dict[str, Any] = benchmark.run(quiet=True)
    return found


if __name__ == "__main__":
    with torch.no_grad():
        results = [counts(case) for case in cases()]
    _OUTPUT.write_text(json.dumps({"neurobench": "2.3.0", "snntorch": snntorch.__version__, "torch": torch.__version__.split("+")[0],
                                   "counts": results}, indent=1) + "\n")
