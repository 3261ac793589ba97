"""Counts beside NeuroBench 2.3.0, which `oracles/neurobench_counts.py` ran in an environment of its own."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from ranvier.energy.counts import count_run, parameters_of
from ranvier.energy.twins import macs_of
from ranvier.mapping.choose import choose_fabric
from ranvier.mapping.mapper import map_network
from ranvier.model.network.network import Network
from ranvier.model.network.population import Population
from ranvier.model.network.projection import Projection
from ranvier.model.run.golden import run_golden
from tests.energy.oracles.draws import CASES, Case, cases

STORED = json.loads((Path(__file__).parents[1] / "cases" / "energy" / "neurobench.json").read_text())


def network_of(case: Case) -> Network:
    """The same network here; events go through an input population of threshold 1."""
    sizes = [case.weights[0].shape[0], *(weight.shape[1] for weight in case.weights)]
    hidden = [Population(f"hidden{n}", sizes[n + 1], "if", theta=theta) for n, theta in enumerate(case.thetas)]
    populations = (Population("events", sizes[0], "input", theta=1), *hidden, Population("out", sizes[-1], "li"))
    pairs = zip(populations, populations[1:], case.weights, strict=False)
    return Network(populations, tuple(Projection.dense(one.name, other.name, weight) for one, other, weight in pairs))


@pytest.mark.parametrize(("case", "stored"), list(zip(cases(), STORED["counts"], strict=True)), ids=map(str, range(CASES)))
def test_counts_that_neurobench_defines(case: Case, stored: dict[str, float | dict[str, float]]) -> None:
    """Effective and dense operations, activation sparsity, parameters, connection sparsity: equal, or to NeuroBench's own rounding.

    The fabric adds a weight of 0 like any other, NeuroBench leaves it out; so those are taken off here.
    """
    network = network_of(case)
    samples, steps, _ = case.spikes.shape
    inputs = {"events": case.spikes.astype(np.uint8)}
    run = count_run(map_network(network, choose_fabric(network)), inputs, steps)
    spikes = run_golden(network, inputs, steps, record=True).spikes
    of_zeros = sum(int((spikes[p.source].sum(axis=(0, 1)) * (p.matrix == 0).sum(axis=1)).sum()) for p in network.projections)
    operations = stored["SynapticOperations"]
    assert isinstance(operations, dict)
    assert operations["Effective_MACs"] == 0
    assert run.synops - of_zeros == pytest.approx(operations["Effective_ACs"] * samples, abs=1e-6)
    assert macs_of(network) * steps == operations["Dense"]
    hidden = [p for p in network.populations if p.spiking and not p.driven]
    silent = 1 - sum(run.spikes[p.name] for p in hidden) / (samples * steps * sum(p.size for p in hidden))
    assert silent == pytest.approx(stored["ActivationSparsity"], abs=1e-12)
    assert parameters_of(network) == stored["ParameterCount"]
    zeros = sum(int((weight == 0).sum()) for weight in case.weights)
    assert round(zeros / parameters_of(network), 4) == pytest.approx(stored["ConnectionSparsity"], abs=1e-4)


def test_the_cases_have_spikes_and_zeros() -> None:
    """Neither all silent nor all busy."""
    found = [entry["SynapticOperations"]["Effective_ACs"] for entry in STORED["counts"]]
    assert STORED["neurobench"] == "2.3.0" and len(found) == CASES and min(found) > 0
    assert sum(entry["ConnectionSparsity"] > 0.2 for entry in STORED["counts"]) == CASES // 2
    assert sum(entry["ActivationSparsity"] < 0.9 for entry in STORED["counts"]) > CASES // 4
