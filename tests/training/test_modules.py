"""Modules: what they refuse, their surrogates, and what an output says."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import torch

import ranvier
from ranvier import training
from ranvier.model.errors import RanvierError
from ranvier.training.fixed import spike_count


def image_model(**options: Any) -> training.Network:
    """A convolution, a pooling by sum whose weights stay 1, and a readout."""
    return training.Network(
        [training.Input("image", (6, 6, 1)), training.IF("features", (6, 6, 2)),
         training.IF("pooled", (3, 3, 2), scale=1.0, learn_scale=False, per_channel=False), training.CubaLI("out", 3)],
        [training.Conv2d("image", "features", 3, padding=1),
         training.Conv2d("features", "pooled", 2, stride=2, groups=2, weight=np.ones((2, 2, 1, 2)), learn=False),
         training.Dense("pooled", "out")], input_bits=1, **options)


def test_images_are_convolved_pooled_and_checked() -> None:
    network = image_model()
    inputs = np.random.default_rng(1).integers(0, 2, (5, 4, 6, 6, 1))
    assert training.check(network, inputs, 4) == 5 * 4 * (2 * (36 + 72 + 18) + 3 + 72 + 18 + 3)
    assert np.all(training.to_network(network).projections[1].weights == 1)
    network(inputs).logits().sum().backward()
    kernel = network.projections[0].weight
    assert kernel is not None and kernel.grad is not None and torch.any(kernel.grad != 0)
    assert network.projections[1].weight is not None and network.projections[1].weight.grad is None


def test_operations_are_spikes_times_synapses() -> None:
    """Counted one by one: every spike of the window that arrives in it, at every neuron whose receptive field it is in."""
    network = image_model()
    inputs = np.random.default_rng(2).integers(0, 2, (3, 4, 36))
    output = network(inputs)
    spikes = ranvier.simulate(network.to_network(), inputs, 4).spikes
    image = spikes["image"].reshape(3, 4, 6, 6).astype(int)
    expected = 0
    for y in range(6):
        for x in range(6):
            field = image[:, :, max(0, y - 1):y + 2, max(0, x - 1):x + 2]
            expected += 2 * field.sum()
    expected += spikes["features"].sum() + 3 * spikes["pooled"].sum()
    assert float(output.operations().detach()) * 3 == expected
    hidden = spikes["features"].sum() + spikes["pooled"].sum()
    assert float(output.rate().detach()) == pytest.approx(hidden / (3 * 4 * (72 + 18)), rel=1e-12)


def test_a_spike_whose_delay_leads_out_of_the_window_is_no_operation() -> None:
    network = training.Network([training.Input("in", 2), training.LI("out", 3)], [training.Dense("in", "out", delay=2)], input_bits=1)
    assert float(network(np.ones((1, 5, 2), int)).operations().detach()) == 3 * 2 * 3
    assert float(network(np.ones((1, 2, 2), int)).operations()) == 0


@pytest.mark.parametrize(("name", "expected"), [
    ("fast_sigmoid", [1 / 26 ** 2, 1 / 13.5 ** 2, 1, 1 / 26 ** 2]), ("atan", [1 / (1 + np.pi ** 2), 1 / (1 + np.pi ** 2 / 4), 1,
                                                                             1 / (1 + np.pi ** 2)]),
    ("triangular", [0, 0.5, 1, 0]), ("boxcar", [0, 1, 1, 0])])
def test_surrogates_are_what_comes_back(name: str, expected: list[float]) -> None:
    """One neuron with theta 10: what a spike gives back for a membrane at 0, 5, 10 and 20, in units of theta."""
    u = torch.tensor([[0.0], [5.0], [10.0], [20.0]], dtype=torch.float64, requires_grad=True)
    theta = torch.tensor([10.0], dtype=torch.float64, requires_grad=True)
    spike_count(u, theta, False, 1, training.SURROGATES[name]()).sum().backward()
    assert u.grad is not None and theta.grad is not None
    np.testing.assert_allclose(u.grad[:, 0] * 10, expected, rtol=1e-12)
    np.testing.assert_allclose(theta.grad, -(np.array(expected) * [0, 5, 10, 20]).sum() / 100, rtol=1e-12)


def test_truncation_cuts_gradients_and_no_spike() -> None:
    inputs = torch.randint(0, 2, (4, 6, 5), generator=torch.Generator().manual_seed(3))
    found = []
    for truncate in (None, 2):
        network = training.Network([training.Input("in", 5), training.LIF("hidden", 4), training.LI("out", 2)],
                                   [training.Dense("in", "hidden"), training.Dense("hidden", "hidden", delay=3),
                                    training.Dense("hidden", "out")], input_bits=1)
        output = network(inputs, truncate=truncate)
        output.logits().sum().backward()
        weight = network.projections[0].weight
        assert weight is not None and weight.grad is not None
        found.append((output.word("out").detach(), weight.grad))
    assert torch.equal(found[0][0], found[1][0])
    assert not torch.equal(found[0][1], found[1][1])


def test_learned_decays_get_gradients_and_become_k() -> None:
    network = training.Network([training.Input("in", 3), training.CubaLIF("hidden", 4, learn_alpha=True, learn_beta=True),
                                training.LI("out", 2, 0.75)],
                               [training.Dense("in", "hidden"), training.Dense("hidden", "out")], input_bits=1)
    plain = network.to_network()
    assert plain.parameter(plain.populations[1], "k_i")[0] == 32768
    assert plain.parameter(plain.populations[1], "k")[0] == 58982
    assert plain.parameter(plain.populations[2], "k")[0] == 49152
    network(np.ones((2, 8, 3), int)).logits().square().sum().backward()
    for name in ("alpha", "beta"):
        gradient = getattr(network.populations[1], name).grad
        assert gradient is not None and torch.all(gradient != 0)


@pytest.mark.parametrize("weight_bits", [2, 4, 8])
def test_weights_stay_within_their_bits(weight_bits: int) -> None:
    network = training.Network([training.Input("in", 5), training.LI("out", 4)], [training.Dense("in", "out")], weight_bits=weight_bits)
    assert int(np.abs(network.to_network().projections[0].weights).max()) == (1 << weight_bits - 1) - 1    # the scale is chosen so
    with torch.no_grad():
        for parameter in network.parameters():
            parameter *= 50
    weights = network.to_network().projections[0].weights
    assert weights.min() >= -(1 << weight_bits - 1) and weights.max() < 1 << weight_bits - 1


@pytest.mark.parametrize(("inputs", "message"), [
    (np.zeros((2, 5)), "neurons|shape"), (np.full((2, 4), 0.5), "whole numbers"), (np.full((2, 4), 256), "they must be 0 to 255"),
    (np.full((2, 4), -1), "they must be 0 to 255"), ({"other": np.zeros((2, 4))}, "values are for other"), (np.zeros((0, 4)), "above 0"),
    (np.full((2, 4), np.nan), "whole numbers"),
])
def test_inputs_that_do_not_fit_are_one_line(inputs: Any, message: str) -> None:
    network = training.Network([training.Input("in", 4), training.LI("out", 2)], [training.Dense("in", "out")])
    with pytest.raises(RanvierError, match=message) as found:
        network(inputs, 2)
    assert "\n" not in str(found.value)


def test_what_makes_no_network_is_one_line() -> None:
    ends: list[training.Population] = [training.Input("in", 4), training.LI("out", 2)]
    for message, build in (
            ("no population 'nowhere'", lambda: training.Network(ends, [training.Dense("in", "nowhere")])),
            ("cycle without delay", lambda: training.Network([training.Input("in", 4), training.IF("h", 2)],
                                                             [training.Dense("in", "h"), training.Dense("h", "h")])),
            ("surrogate is 'sigmoidal'", lambda: training.Network(ends, [training.Dense("in", "out")], surrogate="sigmoidal")),
            ("beyond", lambda: training.Network([training.Input("in", 400), training.LI("out", 2)], [training.Dense("in", "out")],
                                                weight_bits=8, spike_bits=2)),
            ("give threshold", lambda: training.IF("h", 2, theta=3)),
            ("scale is not", lambda: training.IF("h", 2, scale=0.0)),
            ("use the shape", lambda: training.Network([training.Input("in", (4, 4, 1)), training.IF("h", (4, 4, 1))],
                                                       [training.Conv2d("in", "h", 3)]))):
        with pytest.raises(RanvierError, match=message) as found:
            build()
        assert "\n" not in str(found.value)


def test_parameters_that_are_no_numbers_are_named() -> None:
    network = training.Network([training.Input("in", 4), training.LI("out", 2)], [training.Dense("in", "out")])
    with torch.no_grad():
        network.projections[0].weight[0, 0, 1, 1] = float("inf")
    with pytest.raises(RanvierError, match="projections.0.weight: a value is not a finite number"):
        network(np.zeros((1, 4)), 1)


def test_without_torch_it_says_what_to_install() -> None:
    program = "import sys, importlib.util as u; f = u.find_spec; u.find_spec = lambda n, *a: None if n == 'torch' else f(n, *a); " \
              "import ranvier.training"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert last == "ModuleNotFoundError: ranvier.training needs torch; install it with: pip install 'ranvier[train]'"
