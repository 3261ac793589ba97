"""Convolutions, counts, synaptic currents and later resets: by hand, against another library, and golden against reference."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnxruntime
import pytest
from hypothesis import given, settings
from onnx import TensorProto, helper

import ranvier
from ranvier.model.errors import RanvierError
from ranvier.model.network.headroom import prove_headroom
from ranvier.model.network.network import Network
from ranvier.model.network.population import Population
from ranvier.model.network.projection import Projection
from ranvier.model.network.semantics import Semantics
from ranvier.model.run import golden, synapses
from ranvier.model.run.golden import run_golden
from ranvier.model.run.reference import run_reference
from tests.model.run.test_golden import compare, same
from tests.strategies import random_inputs, random_network, seeds

EVENTS = Population("in", 1, "input", theta=1, v_min=0, v_max=0)


def one(cell: Population, weight: int = 3, **number_format: Any) -> Network:
    """Events that reach one neuron through one weight."""
    return Network((EVENTS, cell), (Projection.dense("in", cell.name, [[weight]]),), **{"input_bits": 1, **number_format})


def play(network: Network, *values: int) -> dict[str, list[int]]:
    """What the neuron does with one event value a step: its spikes and its words, as they are after each step."""
    inputs = {"in": np.array(values).reshape(1, -1, 1)}
    compare(network, inputs, len(values))
    run = compare(network, inputs, len(values), endless=True)
    name = network.populations[1].name
    words = {"v": run.membranes[name], **run.states[name], "spikes": run.spikes[name], "clamps": run.clamps[name]}
    return {word: found.ravel().astype(int).tolist() for word, found in words.items()}


# --- by hand ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("current", "v"), [("after", [8, 12, 22, 27]), ("before", [0, 8, 12, 22])])
def test_a_current_decays_and_is_summed_by_the_membrane(current: str, v: list[int]) -> None:
    cell = Population("cell", 1, "cubali", {"k_i": 32768}, Semantics(current=current))
    found = play(one(cell, 8, weight_bits=8), 1, 0, 1, 0)
    # i: 8, 4, 2 + 8, 5
    assert found == {"v": v, "i": [8, 4, 10, 5], "spikes": [0] * 4, "clamps": [0] * 4}


def test_a_current_and_a_membrane_each_count_a_clamp() -> None:
    cell = Population("cell", 1, "cubali", i_min=-5, i_max=5, v_min=-7, v_max=7)
    found = play(one(cell), 1, 1, 1)
    assert found["i"] == [3, 5, 5] and found["v"] == [3, 7, 7] and found["clamps"] == [0, 2, 2]


def test_a_current_spikes_and_its_membrane_resets() -> None:
    cell = Population("cell", 1, "cubalif", {"theta": 6, "i_init": 2, "k": 32768})
    found = play(one(cell, 0), 0, 0, 0, 0)
    # u: 2, 1 + 2, 1 + 2 (1.5 rounds to 1), 1 + 2
    assert found == {"v": [2, 3, 3, 3], "i": [2] * 4, "spikes": [0] * 4, "clamps": [0] * 4}
    found = play(one(Population("cell", 1, "cubalif", theta=3), 2), 1, 1, 0, 0)
    # i: 2, 4, 4, 4; u: 2, 6, 7, 8
    assert found["i"] == [2, 4, 4, 4] and found["spikes"] == [0, 1, 1, 1] and found["v"] == [2, 3, 4, 5]


def test_a_subtraction_in_the_next_tick_comes_after_the_decay() -> None:
    cell = Population("cell", 1, "lif", {"theta": 4, "k": 32768}, Semantics(reset_moment="next_tick"))
    found = play(one(cell, 6), 1, 1, 0, 0)
    # u: 6, then (3 - 4) + 6 = 5, then (2 - 4) = -2, then -1; what is stored is decayed already
    assert found == {"v": [-1, -2, -1, 0], "flag": [0] * 4, "spikes": [1, 1, 0, 0], "clamps": [0] * 4}


def test_a_whole_reset_in_the_next_tick_replaces_the_membrane() -> None:
    cell = Population("cell", 1, "if", {"theta": 5, "v_reset": 1}, Semantics(reset="value", reset_moment="next_tick"))
    found = play(one(cell, 3), 1, 1, 1, 1, 1)
    # u: 3, 6 (spikes), 1 whatever arrives, 4, 7
    assert found == {"v": [3, 6, 1, 4, 7], "flag": [0, 1, 0, 0, 1], "spikes": [0, 1, 0, 0, 1], "clamps": [0] * 5}


def test_a_waiting_reset_ends_with_the_window() -> None:
    cell = Population("cell", 1, "if", {"theta": 3}, Semantics(reset="value", reset_moment="next_tick"))
    run = compare(one(cell), {"in": np.ones((1, 2, 1), int)}, 2)
    assert run.states["cell"]["flag"].ravel().tolist() == [1, 0] and run.membranes["cell"].ravel().tolist() == [3, 0]


def test_old_v_has_the_spikes_of_the_same_tick() -> None:
    found = [play(one(Population("cell", 1, "lif", {"theta": 5, "k": 60000}, Semantics(reset="value", reset_moment=moment))), *[1] * 7)
             for moment in ("same_tick", "old_v")]
    assert found[0] == found[1] and sum(found[0]["spikes"]) == 3


@pytest.mark.parametrize(("strict", "counts"), [(False, [1, 2, 3, 3]), (True, [0, 1, 2, 3])])
def test_a_count_is_a_quotient_that_saturates(strict: bool, counts: list[int]) -> None:
    cells = Population("cells", 4, "if", {"theta": 5, "v_init": [5, 10, 15, 40]}, Semantics(strict))
    run = compare(Network((cells,), (), spike_bits=2), {}, 1, endless=True)
    assert run.spikes["cells"].ravel().tolist() == counts and run.spikes["cells"].dtype == np.uint8
    assert run.membranes["cells"].ravel().tolist() == [v - 5 * n for v, n in zip([5, 10, 15, 40], counts, strict=True)]
    planes = [[sum(n >> plane & 1 for n in counts)] for plane in range(2)]
    assert run.popcounts["cells"].tolist() == [[planes]]


def test_a_count_multiplies_a_weight() -> None:
    net = Network((Population("in", 2, "input", theta=1), Population("out", 1, "li")),
                  (Projection.dense("in", "out", [[3], [-2]], exponent=1),), 16, 4, 4, 4)
    run = compare(net, {"in": np.array([[5, 15], [9, 1]])}, 1)
    assert run.readouts["out"].ravel().tolist() == [(15 - 30) * 2, (27 - 2) * 2]


def test_a_kernel_by_hand() -> None:
    """Three pixels in a line, two weights with a pixel between them, one pixel of padding at the left."""
    net = Network((Population("in", (1, 3, 1), "input", theta=1), Population("out", (1, 2, 1), "li")),
                  (Projection.conv("in", "out", np.array([[[[2]], [[5]]]]), dilation=2, padding=(0, 0, 1, 0)),), input_bits=1)
    run = compare(net, {"in": np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1]])}, 1)
    # Pixel 0 sees padding and source 1; pixel 1 sees source 0 and 2.
    assert run.readouts["out"].tolist() == [[0, 2], [5, 0], [0, 5]]


# --- against ONNX Runtime -----------------------------------------------------------------------------------------------


def onnx_conv(images: np.ndarray, projection: Projection) -> np.ndarray:
    """The convolution of images (n, height, width, channels) by another library."""
    top, bottom, left, right = projection.padding
    kernel = projection.weights.transpose(3, 2, 0, 1).astype(np.float32)
    node = helper.make_node("Conv", ["x", "w"], ["y"], strides=projection.stride, dilations=projection.dilation, group=projection.groups,
                            pads=[top, left, bottom, right])
    infos = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in (("x", [None] * 4), ("w", kernel.shape))]
    graph = helper.make_graph([node], "g", infos, [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None] * 4)])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    found = session.run(None, {"x": images.transpose(0, 3, 1, 2).astype(np.float32), "w": kernel})[0]
    return found.transpose(0, 2, 3, 1)


EXTREMES: dict[str, tuple[tuple[int, int, int], tuple[int, int, int, int], dict[str, Any]]] = {
    "padding on every side": ((5, 6, 2), (3, 3, 2, 3), {"padding": 2}),
    "padding on one side": ((5, 6, 2), (3, 2, 2, 3), {"padding": (0, 2, 1, 0)}),
    "stride beyond the kernel": ((9, 8, 3), (2, 1, 3, 5), {"stride": (4, 3)}),
    "one pixel": ((1, 1, 3), (3, 3, 3, 2), {"padding": 1}),
    "one pixel out": ((4, 3, 2), (4, 3, 2, 5), {}),
    "channels no power of two": ((4, 4, 7), (3, 3, 7, 5), {"padding": 1}),
    "depthwise": ((6, 6, 6), (2, 2, 1, 6), {"groups": 6, "stride": 2}),
    "depthwise that multiplies": ((4, 4, 3), (3, 3, 1, 6), {"groups": 3, "padding": 1}),
    "groups": ((5, 4, 6), (3, 2, 2, 9), {"groups": 3, "dilation": (1, 2)}),
    "dilation": ((9, 9, 1), (3, 3, 1, 2), {"dilation": (3, 2), "padding": (2, 1), "stride": (2, 3)}),
    "a line": ((1, 20, 2), (1, 5, 2, 3), {"stride": (1, 2), "padding": (0, 2)}),
    "pointwise": ((3, 4, 5), (1, 1, 5, 4), {}),
}


@pytest.mark.parametrize("name", EXTREMES)
@pytest.mark.parametrize("unfolded", [1 << 20, 200, 1])
def test_convolutions_are_those_of_onnx(name: str, unfolded: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever lies unfolded at once: images, lines or pixels."""
    monkeypatch.setattr(synapses, "_UNFOLDED", unfolded)
    shape, kernel, geometry = EXTREMES[name]
    rng = np.random.default_rng(1)
    projection = Projection.conv("in", "out", rng.integers(-8, 8, kernel), **geometry)
    source = Population("in", shape, "input", theta=1)
    height, width = projection.output_size(source)
    net = Network((source, Population("out", (height, width, kernel[3]), "li")), (projection,), 20, 4, 3, 3)
    values = rng.integers(0, 8, (3, source.size))
    run = compare(net, {"in": values}, 1)
    expected = onnx_conv(values.reshape(3, *shape), projection)
    np.testing.assert_array_equal(run.readouts["out"], expected.reshape(3, -1))
    assert not projection.is_dense(*net.populations)


@pytest.mark.parametrize("name", EXTREMES)
def test_bounds_of_kernels_are_reached(name: str) -> None:
    """P and N are what arrives when just the sources of positive, or of negative, weights give all that they can."""
    shape, kernel, geometry = EXTREMES[name]
    rng = np.random.default_rng(2)
    weights = rng.integers(-8, 8, kernel)
    source = Population("in", shape, "input", theta=1)
    height, width = Projection.conv("in", "out", weights, **geometry).output_size(source)
    populations = (source, Population("out", (height, width, kernel[3]), "li"))
    full = {"in": np.full((1, source.size), 7)}
    for sign in (1, -1):
        projection = Projection.conv("in", "out", np.maximum(sign * weights, 0) * sign, exponent=2, **geometry)
        net = Network(populations, (projection,), 20, 4, 3, 3)
        reached = run_golden(net, full, 1).readouts["out"][0]
        whole = Network(populations, (Projection.conv("in", "out", weights, exponent=2, **geometry),), 20, 4, 3, 3)
        np.testing.assert_array_equal(reached * sign, whole.arrivals(whole.populations[1])[0 if sign > 0 else 1])


def test_a_matrix_is_a_convolution_of_one_pixel() -> None:
    rng = np.random.default_rng(3)
    weights = rng.integers(-8, 8, (24, 5))
    dense = Network((Population("in", (2, 3, 4), "input", theta=1), Population("out", 5, "li")), (Projection.dense("in", "out", weights),))
    whole = Network(dense.populations, (Projection.conv("in", "out", weights.reshape(2, 3, 4, 5)),))
    assert dense.projections[0].is_dense(*dense.populations) and not whole.projections[0].is_dense(*dense.populations)
    inputs = {"in": rng.integers(0, 2, (4, 24))}
    np.testing.assert_array_equal(run_golden(dense, inputs, 3).readouts["out"], run_golden(whole, inputs, 3).readouts["out"])


# --- all together -------------------------------------------------------------------------------------------------------


@given(seeds())
@settings(max_examples=300)
def test_random_networks_of_everything_equal_the_reference(seed: int) -> None:
    rng = np.random.default_rng(seed)
    net = random_network(rng, rich=True)
    steps = int(rng.integers(1, 8))
    compare(net, random_inputs(rng, net, 2, steps), steps, endless=bool(rng.integers(2)), note=f"seed {seed}")


@pytest.mark.parametrize("seed", range(8))
def test_tiles_chunks_and_threads_do_not_matter(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(seed)
    net = random_network(rng, rich=True)
    inputs = random_inputs(rng, net, 9, 12)
    whole = run_golden(net, inputs, 12, record=True, threads=1)
    monkeypatch.setattr(golden, "_CHUNK_INPUTS", 4)
    for rows in (1, 5, 30):
        monkeypatch.setattr(golden, "_TILE_NEURONS", rows * sum(p.size for p in net.populations))
        same(whole, run_golden(net, inputs, 12, record=True, threads=1 + rows % 3))


@pytest.mark.parametrize("state_bits", [12, 15, 16, 17, 31, 32])
@pytest.mark.parametrize("rounding", ["nearest", "zero"])
def test_every_word_from_end_to_end(state_bits: int, rounding: str) -> None:
    """Membranes and currents at the ends of the word, so that sums need two bits more; counts of 8 bits; every reset and moment."""
    rng = np.random.default_rng(state_bits)
    high, n = (1 << state_bits - 1) - 1, 16
    populations = []
    for kind in ("lif", "cubalif"):
        for reset, moment in (("none", "same_tick"), ("subtract", "same_tick"), ("value", "same_tick"), ("subtract", "next_tick"),
                              ("value", "next_tick"), ("value", "old_v")):
            later = kind == "lif" and (reset, moment) == ("subtract", "next_tick")
            ends: dict[str, Any] = {"v_min": 0 if later else -high - 1, "v_max": high}
            words = [ends["v_min"], 0, high, high - 1]
            parameters = {**ends, "k": rng.choice([0, 1, 32768, 65535, 65536], n), "v_init": rng.choice(words, n),
                          "v_reset": rng.choice(words, n), "theta": rng.choice([1, 2] if later else [1, 2, high // 200, high], n)}
            if kind == "cubalif":
                parameters |= {"i_min": -high - 1, "i_max": high, "i_init": rng.choice([-high - 1, 0, high], n),
                               "k_i": rng.choice([0, 32768, 65535, 65536], n), "bias": rng.choice([-high - 1, 0, high], n)}
            for strict in (False, True):
                populations.append(Population(f"{kind}.{reset}.{moment}.{strict}", n, kind, parameters, Semantics(
                    strict, reset, moment, current=str(rng.choice(["after", "before"])))))
    net = Network(tuple(populations), (), state_bits, spike_bits=8, rounding=rounding)
    run = compare(net, {}, 6, endless=True)
    assert max(int(found.max()) for found in run.spikes.values()) == 255
    assert all(run.clamps[name].any() for name in net.by_name if name.startswith("cubalif"))


@pytest.mark.parametrize("kind", ["li", "cubali"])
def test_the_most_negative_weights_with_eight_planes(kind: str) -> None:
    """All that can arrive arrives, at the very end of the word."""
    net = Network((Population("in", (3, 3, 2), "input", theta=1), Population("out", (3, 3, 1), kind)),
                  (Projection.conv("in", "out", np.full((3, 3, 2, 1), -8), padding=1),), 18, 4, 8, 8)
    run = compare(net, {"in": np.full((1, 18), 255)}, 1)
    assert run.readouts["out"].min() == -8 * 18 * 255 and run.readouts["out"].max() == -8 * 8 * 255
    small = Network(net.populations, net.projections, 16, 4, 8, 8)
    with pytest.raises(RanvierError, match="could fall to -36720, beyond -32768 of 16 state bits; use smaller weights or fewer spike "
                                           "bits, or use 17 state bits$"):
        prove_headroom(small)


# --- defaults -----------------------------------------------------------------------------------------------------------


def test_weights_and_thresholds_are_enough() -> None:
    rng = np.random.default_rng(0)
    net = Network((Population("in", 40, "input", theta=255), Population("hidden", 32, "lif", theta=40, k=60000),
                   Population("slow", 16, "cubalif", theta=40, k_i=50000), Population("out", 10, "li")),
                  (Projection.dense("in", "hidden", rng.integers(-3, 8, (40, 32))),
                   Projection.dense("hidden", "slow", np.ones((32, 16), int)),
                   Projection.dense("slow", "out", rng.integers(-8, 8, (16, 10)))))
    prove_headroom(net)
    assert run_golden(net, {"in": np.full((1, 40), 200)}, 8).spike_counts["slow"].any()


@pytest.mark.parametrize("seed", range(40))
def test_default_bounds_are_the_widest(seed: int) -> None:
    """Drawn networks with their bounds left open pass, and with any bound wider by one they do not."""
    rng = np.random.default_rng(seed)
    drawn = random_network(rng, rich=True)
    free = {p.name: {name: values for name, values in p.parameters.items() if name in ("theta", "k", "k_i")} for p in drawn.populations}
    opened = tuple(Population(p.name, p.shape, p.kind, free[p.name], Semantics(p.semantics.strict)) for p in drawn.populations)
    net = Network(opened, drawn.projections, drawn.state_bits, drawn.weight_bits, drawn.input_bits, drawn.spike_bits)
    prove_headroom(net)
    for place, population in enumerate(opened):
        names = ("i_min", "i_max") if population.neuron.currents else ("v_min", "v_max")
        for name in names:
            bound = int(net.parameter(population, name)[0])
            least, most = (-(1 << net.state_bits - 1), (1 << net.state_bits - 1) - 1)
            wider = bound + (1 if name.endswith("max") else -1)
            if not least <= wider <= most:
                continue
            other = Population(population.name, population.shape, population.kind, {**population.parameters, name: wider},
                               population.semantics)
            with pytest.raises(RanvierError, match=f"population {population.name}: the .* of neuron"):
                prove_headroom(Network((*opened[:place], other, *opened[place + 1:]), net.projections, net.state_bits, net.weight_bits,
                                       net.input_bits, net.spike_bits))


def test_a_subtraction_in_the_next_tick_has_a_place_in_the_proof() -> None:
    cell = Population("cell", 1, "if", {"theta": 300, "v_min": -2, "v_max": 1000}, Semantics(reset_moment="next_tick"))
    net = one(cell, -8, state_bits=12)
    prove_headroom(net)
    with pytest.raises(RanvierError, match="the membrane of neuron 0 could fall to -2158, beyond -2048 of 12 state bits; use smaller "
                                           "weights or fewer spike bits or a smaller theta, or use 13 state bits$"):
        prove_headroom(one(cell, -8, state_bits=12, spike_bits=3))


# --- without a fabric ---------------------------------------------------------------------------------------------------


def test_simulate_is_the_reference() -> None:
    rng = np.random.default_rng(8)
    net = Network((Population("in", (4, 4, 2), "input", theta=100), Population("conv", (2, 2, 3), "cubalif", theta=30, k_i=40000),
                   Population("out", 2, "li", k=60000)),
                  (Projection.conv("in", "conv", rng.integers(-8, 8, (2, 2, 2, 3)), stride=2),
                   Projection.dense("conv", "out", rng.integers(-8, 8, (12, 2)))), 20, spike_bits=2)
    images = rng.integers(0, 256, (3, 4, 4, 2))
    found = ranvier.simulate(net, images, 5)
    for n, image in enumerate(images.reshape(3, -1)):
        plain = run_reference(net, {"in": image}, 5, endless=True)
        for name in net.by_name:
            np.testing.assert_array_equal(found.spikes[name][n], plain.spikes[name])
            np.testing.assert_array_equal(found.membranes[name][n], plain.membranes[name])
            np.testing.assert_array_equal(found.clamps[name][n], plain.clamps[name])
        np.testing.assert_array_equal(found.states["conv"]["i"][n], plain.states["conv"]["i"])
        np.testing.assert_array_equal(found.readouts["out"][n], plain.membranes["out"])
        np.testing.assert_array_equal(found.counts["conv"][n], np.sum(plain.spikes["conv"], axis=1))
    assert found.counts["conv"].any() and found.counts.keys() == {"in", "conv"} and found.readouts.keys() == {"out"}
    moving = np.repeat(images[:, None], 5, axis=1)
    little = ranvier.simulate(net, {"in": moving}, 5, record=False)
    assert little.spikes == little.membranes == little.states == {}
    np.testing.assert_array_equal(little.readouts["out"], found.readouts["out"])
    np.testing.assert_array_equal(little.counts["conv"], found.counts["conv"])


def test_a_network_too_large_for_any_fabric_runs() -> None:
    net = Network((Population("in", 1024, "input", theta=1), Population("a", 4096, "if", theta=9), Population("b", 4096, "li")),
                  (Projection.dense("in", "a", np.ones((1024, 4096), int)),
                   Projection.dense("a", "b", np.tile(np.arange(-2, 2), (4096, 1024)))), input_bits=1, state_bits=16)
    found = ranvier.simulate(net, np.ones((2, 1024), int), 2, record=False)
    assert found.readouts["b"][:, -1, :4].tolist() == [[-8192 * 2, -4096 * 2, 0, 4096 * 2]] * 2


@pytest.mark.parametrize(("inputs", "message"), [
    (np.zeros((2, 3, 3, 2), int), r"shape \(2, 3, 3, 2\); it must be"), (np.zeros((2, 33), int), "shape"),
    (np.zeros((0, 32), int), "the batch is empty"), ({"on": np.zeros((2, 32), int)}, "no input population of that name")])
def test_simulate_refuses(inputs: Any, message: str) -> None:
    net = Network((Population("in", (4, 4, 2), "input"),), ())
    with pytest.raises(RanvierError, match=message):
        ranvier.simulate(net, inputs, 2)
    two = Network((Population("a", 1, "input"), Population("b", 1, "input")), ())
    with pytest.raises(RanvierError, match="2 input populations; give their values by name"):
        ranvier.simulate(two, np.zeros((1, 1), int), 2)
