"""The forward pass is the integer model: random networks, before and after some steps of training."""

from __future__ import annotations

from dataclasses import fields
from importlib import import_module
from typing import Any

import numpy as np
import pytest
import torch

import ranvier
from ranvier import training
from ranvier.model.errors import RanvierError
from ranvier.model.network.network import Network
from ranvier.model.network.projection import Projection
from ranvier.model.neurons.kind import Options
from ranvier.training import neurons
from ranvier.verify.random_networks import random_inputs, random_network

#: Networks, in groups of which each is one test.
GROUPS, EACH = 10, 30
STEPS = 5


def assert_equal(one: Network, other: Network) -> None:
    """Every field, parameter and weight of both."""
    for field in fields(Network):
        if field.name not in ("populations", "projections"):
            assert getattr(one, field.name) == getattr(other, field.name), field.name
    for a, b in zip(one.populations, other.populations, strict=True):
        assert (a.name, a.shape, a.kind, a.semantics) == (b.name, b.shape, b.kind, b.semantics)
        for name, values in one.parameters(a).items():
            np.testing.assert_array_equal(values, other.parameters(b)[name], err_msg=f"{name} of {a.name}")
    for p, q in zip(one.projections, other.projections, strict=True):
        for field in fields(Projection):
            np.testing.assert_array_equal(getattr(p, field.name), getattr(q, field.name), err_msg=f"{field.name} of {p.name}")


def trained(model: training.Network, inputs: dict[str, Any], rng: np.random.Generator) -> bool:
    """Steps of training towards random spikes and membranes; whether a weight of the network has changed.

    Where weights grow beyond their headroom, they are halved until they have it again.
    """
    before = model.to_network()
    # Thresholds of random networks reach from 1 to 2**31, so each parameter takes steps of its own size.
    optimizer = torch.optim.Adam([{"params": [p], "lr": 0.6 * float(p.detach().abs().mean()) + 1e-12}
                                  for name, p in model.named_parameters() if p.requires_grad and "log_scale" not in name])
    for _ in range(2):
        output, cost = model(inputs, STEPS), torch.zeros((), dtype=torch.float64)
        for population in output.network.populations:
            if not population.driven:
                found = output.spikes(population.name) if population.spiking else output.logits(population.name)
                cost = cost + (found.double() * torch.from_numpy(rng.normal(size=tuple(found.shape)))).sum()
        if not cost.requires_grad:
            return False
        optimizer.zero_grad()
        cost.backward()
        optimizer.step()
        make_room(model)
    after = model.to_network()
    return any(not np.array_equal(p.weights, q.weights) for p, q in zip(before.projections, after.projections, strict=True))


def make_room(model: training.Network) -> None:
    """Halve what is trained until the state words have room for it."""
    for _ in range(40):
        try:
            model.to_network()
            return
        except RanvierError as error:
            assert "beyond" in str(error) or "outside" in str(error)
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                if name.endswith(("weight", "bias", "threshold")) and parameter.requires_grad:
                    parameter *= 0.5
    raise AssertionError("no room")


@pytest.mark.parametrize("group", range(GROUPS))
def test_random_networks(group: int) -> None:
    changed, seen = 0, set()
    for seed in range(group * EACH, (group + 1) * EACH):
        rng = np.random.default_rng([19, seed])
        network = random_network(rng, rich=True, wide=seed % 15 == 0, max_neurons=6, max_hidden=3, max_readouts=1,
                                 seed=seed)
        inputs = random_inputs(rng, network, 3, STEPS, per_step=None if network.inputs else False)
        try:
            model = training.from_network(network, surrogate=list(training.SURROGATES)[seed % 4], learn_threshold=bool(seed % 2),
                                          learn_beta=bool(seed % 2), learn_alpha=bool(seed % 2))
            assert_equal(network, training.to_network(model))
            training.check(model, inputs, STEPS)
            if seed % 3 == 0:
                changed += trained(model, inputs, rng)
                training.check(model, inputs, STEPS)
        except Exception as error:
            error.add_note(f"seed {seed}")
            raise
        seen |= features(network)
    assert changed >= 4, changed    # of 10; in some no gradient reaches a weight
    assert seen >= {"counts", "next_tick", "currents", "delay", "convolution", "groups", "recurrent"}, seen


def features(network: Network) -> set[str]:
    """What of the fabric the network uses."""
    options: Options = network.options
    found = {"counts"} if options.spike_bits > 1 else set()
    found |= {name for name in ("next_tick", "currents") if getattr(options, name)}
    for p in network.projections:
        ends = network.by_name[p.source], network.by_name[p.destination]
        found |= {name for name, there in (("delay", p.delay), ("convolution", not p.is_dense(*ends)), ("groups", p.groups > 1),
                                           ("recurrent", p.source == p.destination)) if there}
    return found


@pytest.mark.parametrize("state_bits", [12, 23, 24, 25, 32])
@pytest.mark.parametrize("currents", [False, True])
def test_the_largest_words(state_bits: int, currents: bool) -> None:
    """Membranes at both ends of the word, counts of 8 bits, and every decay factor that rounds in its own way."""
    high = (1 << state_bits - 1) - 1
    k = np.array([0, 1, 32767, 32768, 32769, 65534, 65535, 65536])
    ends: dict[str, Any] = {"theta": np.array([1, 2, 3, 7, 255, high // 255, high - 1, high]), "v_min": -high // 2, "k": k}
    if currents:
        ends |= {"k_i": k[::-1].copy(), "bias": np.array([high, -high - 1, 0, 1, -1, high // 2, high, -high - 1]), "v_max": high}
    else:
        ends |= {"v_max": high // 2}
    network = Network((ranvier.Population("in", 8, "input"), ranvier.Population("out", 8, "cubalif" if currents else "lif", ends)),
                      (ranvier.Projection.dense("in", "out", np.random.default_rng(5).integers(-2, 2, (8, 8))),),
                      state_bits=state_bits, weight_bits=2, input_bits=1, spike_bits=8 if state_bits > 16 else 2)
    model = training.from_network(network)
    inputs = np.random.default_rng(6).integers(0, 2, (16, 20, 8))
    assert model(inputs[:, :1]).spikes("out").dtype == (torch.float32 if state_bits + 2 * currents <= 24 else torch.float64)
    training.check(model, inputs, 20)


def test_every_difference_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """One bit of one word in one step: the error says where, and what both have."""
    network = random_network(np.random.default_rng(3), rich=True, max_neurons=4)
    model = training.from_network(network)
    inputs = random_inputs(np.random.default_rng(4), network, 2, STEPS)
    training.check(model, inputs, STEPS)
    name = network.populations[-1].name
    golden = ranvier.simulate(network, inputs, STEPS)
    golden.membranes[name][1, 3, 0] += 1
    golden.membranes[name][1, 4, 0] += 1
    expected = int(golden.membranes[name][1, 3, 0])
    monkeypatch.setattr(import_module("ranvier.training.check"), "simulate", lambda *arguments: golden)
    with pytest.raises(RanvierError) as found:
        training.check(model, inputs, STEPS)
    assert str(found.value) == (f"training and model differ: membrane at sample 1, step 3, population {name}, neuron 0: "
                                f"expected {expected}, found {expected - 1}; 2 differ in all")


@pytest.mark.parametrize("rule", ["decay", "clamp", "reset", "strict"])
def test_a_wrong_rule_is_noticed(rule: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Faults put into the forward pass on purpose."""
    ends: dict[str, Any] = {"theta": 20, "k": 50001, "v_max": 60, "v_min": -60}
    network = Network((ranvier.Population("in", 6, "input"), ranvier.Population("out", 6, "lif", ends)),
                      (ranvier.Projection.dense("in", "out", np.random.default_rng(5).integers(-7, 8, (6, 6))),), input_bits=1)
    model = training.from_network(network)
    inputs = np.random.default_rng(6).integers(0, 2, (16, 20, 6))
    training.check(model, inputs, 20)
    if rule == "decay":
        monkeypatch.setattr(neurons, "decay", lambda x, k, rounding: x if k is None else torch.trunc(x.double() * k / 65536).to(x.dtype))
    elif rule == "clamp":
        monkeypatch.setattr(torch, "clamp", lambda x, low, high: x)
    elif rule == "reset":
        monkeypatch.setattr(neurons, "reset", lambda u, count, *rest: u)
    else:
        counted = neurons.spike_count
        monkeypatch.setattr(neurons, "spike_count", lambda u, theta, strict, *rest: counted(u, theta, not strict, *rest))
    with pytest.raises(RanvierError, match="training and model differ"):
        training.check(model, inputs, 20)
