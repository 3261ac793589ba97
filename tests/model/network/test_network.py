"""Networks keep their rules, and break them by name."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from ranvier.model.errors import RanvierError
from ranvier.model.fixed import NO_LEAK
from ranvier.model.network.network import Network
from ranvier.model.network.population import Population
from ranvier.model.network.projection import Projection
from ranvier.model.network.semantics import Semantics
from ranvier.model.neurons.kind import Options


def inputs(name: str = "in", n: int = 2) -> Population:
    return Population(name, (1, 1, n), "input", {"v_max": 100})


def hidden(name: str = "hid", n: int = 3, **parameters: Any) -> Population:
    return Population(name, (1, 1, n), "if", parameters)


def test_parameters_repeat_per_channel_and_per_neuron() -> None:
    population = Population("p", (2, 1, 3), "lif", {
        "theta": 5, "bias": np.array([1, 2, 3]), "k": np.arange(6, dtype=np.uint16),
        "v_reset": np.arange(6).reshape(2, 1, 3)})
    assert population.size == 6
    assert population.parameter("theta", 16).tolist() == [5] * 6
    assert population.parameter("bias", 16).tolist() == [1, 2, 3, 1, 2, 3]
    assert population.parameter("k", 16).tolist() == population.parameter("v_reset", 16).tolist() == list(range(6))
    assert all(population.parameter(name, 16).dtype == np.int64 for name in (p.name for p in population.family.parameters))


@pytest.mark.parametrize("bits", [12, 16, 32])
def test_defaults_are_no_leak_and_the_whole_word(bits: int) -> None:
    ends = {"least": -(2**(bits - 1)), "most": 2**(bits - 1) - 1}
    common = {"theta": 1, "bias": 0, "k": NO_LEAK, "v_reset": 0, "v_init": 0, "v_min": ends["least"], "v_max": ends["most"],
              "i_min": ends["least"], "i_max": ends["most"], "i_init": 0}
    for kind, k_i in (("if", 0), ("cubalif", NO_LEAK)):
        population = Population("p", 3, kind)
        assert {p.name: population.parameter(p.name, bits)[0] for p in population.family.parameters} == {**common, "k_i": k_i}


@pytest.mark.parametrize(("change", "message"), [
    ({"name": ""}, "a name is 1 to 64"), ({"name": "x" * 65}, "a name is 1 to 64"), ({"name": "a b"}, "a name is"),
    ({"kind": "lof"}, "kind is 'lof'"),
    ({"shape": (1, 3)}, "three positive"), ({"shape": (1, 0, 3)}, "three positive"),
    ({"shape": (1024, 1024, 2)}, "at most 1048576"), ({"parameters": {"tau": 3}}, "unknown parameter 'tau'"),
    ({"parameters": {"k": 5}}, "kind if has no leak, so k must be 65536"),
    ({"parameters": {"k_i": 5}}, "kind if has no synaptic current, so k_i must be 0"),
    ({"kind": "lif", "parameters": {"i_min": -5}}, "kind lif has no synaptic current, so it has no i_min"),
    ({"shape": True}, "three positive"), ({"shape": 0}, "three positive"),
    ({"parameters": {"theta": 3}, "theta": 4}, "theta is given twice"),
    ({"kind": "input", "semantics": Semantics(reset_moment="next_tick")}, "an input population resets in the same tick only")])
def test_population_refuses(change: dict[str, Any], message: str) -> None:
    with pytest.raises(RanvierError, match=message):
        Population(**{"name": "p", "shape": (1, 1, 3), "kind": "if", **change})


@pytest.mark.parametrize(("parameters", "message"), [
    ({"theta": 0}, "theta of neuron 0 is 0; it must be 1 to 32767"), ({"theta": [1, 1, 32768]}, "theta of neuron 2"),
    ({"bias": -32769}, "bias of neuron 0"), ({"bias": 0.5}, "bias must be integers, not float64"),
    ({"bias": [1, 2]}, "bias has 2 entries; it must have 1, 3 or 3"), ({"bias": 1 << 31}, "does not fit 32 bits"),
    ({"bias": 1 << 80}, "bias must be integers"), ({"bias": True}, "must be integers, not bool"),
    ({"v_init": [0, 6, 0], "v_max": 5}, "v_init of neuron 1 is outside"),
    ({"v_reset": -9, "v_min": -8}, "v_reset of neuron 0")])
def test_network_refuses_parameters(parameters: dict[str, Any], message: str) -> None:
    with pytest.raises(RanvierError, match=f"population hid: .*{message}"):
        Network((inputs(), hidden(**parameters)), ())


def test_leak_factor_has_17_bits() -> None:
    Network((Population("p", (1, 1, 1), "lif", {"k": NO_LEAK}),), ())
    with pytest.raises(RanvierError, match="k of neuron 0 is 65537; it must be 0 to 65536"):
        Network((Population("p", (1, 1, 1), "lif", {"k": NO_LEAK + 1}),), ())


@pytest.mark.parametrize(("arguments", "message"), [
    ((np.ones((2, 3, 1), int),), "3 dimensions, not 2"), ((np.ones((2, 3)),), "must be integers, not float64"),
    ((np.ones((0, 3), int),), "a kernel has four"), ((np.full((2, 3), 1 << 15),), "do not fit 16 bits"),
    ((np.full((2, 3), -(1 << 15) - 1),), "do not fit 16 bits"),
    ((np.ones((2, 3), int), 16), "delay is 16; it must be 0 to 15"),
    ((np.ones((2, 3), int), -1), "delay is -1"), ((np.ones((2, 3), int), 0, 16), "exponent is 16")])
def test_projection_refuses(arguments: tuple[Any, ...], message: str) -> None:
    with pytest.raises(RanvierError, match=f"projection in -> hid: .*{message}"):
        Projection.dense("in", "hid", *arguments)


@pytest.mark.parametrize(("projection", "message"), [
    (("in", "no", np.ones((2, 3), int)), "there is no population 'no'"), (("no", "hid", np.ones((2, 3), int)), "'no'"),
    (("hid", "in", np.ones((3, 2), int)), "an input population has no synapses"),
    (("out", "hid", np.ones((1, 3), int)), "out is a readout and never spikes"),
    (("in", "hid", np.ones((3, 2), int)), "weights are 3 x 2, the populations have 2 and 3"),
    (("in", "hid", np.full((2, 3), 8)), "a weight does not fit 4 bits"),
    (("in", "hid", np.full((2, 3), -9)), "a weight does not fit 4 bits")])
def test_network_refuses_projections(projection: tuple[Any, ...], message: str) -> None:
    readout = Population("out", (1, 1, 1), "li")
    with pytest.raises(RanvierError, match=message):
        Network((inputs(), hidden(), readout), (Projection.dense(*projection),))
    Network((inputs(), hidden(), readout), (Projection.dense("in", "hid", np.full((2, 3), -8)),))


@pytest.mark.parametrize(("change", "message"), [
    ({"state_bits": 11}, "state_bits is 11"), ({"state_bits": 33}, "state_bits is 33"),
    ({"weight_bits": 3}, "weight_bits is 3"), ({"input_bits": 0}, "input_bits is 0"),
    ({"input_bits": 17}, "input_bits is 17"), ({"spike_bits": 0}, "spike_bits is 0; it must be 1 to 8"),
    ({"spike_bits": 9}, "spike_bits is 9"), ({"spike_bits": True}, "spike_bits is True"),
    ({"rounding": "up"}, "rounding is 'up'"), ({"populations": ()}, "there are no populations"),
    ({"populations": (hidden(), hidden())}, "two populations have the same name")])
def test_network_refuses_formats(change: dict[str, Any], message: str) -> None:
    with pytest.raises(RanvierError, match=message):
        Network(**{"populations": (inputs(), hidden()), "projections": (), **change})


KERNEL = np.ones((3, 2, 2, 4), int)


@pytest.mark.parametrize(("geometry", "message"), [
    ({"stride": 0}, "stride is 0, 0; it must be 1 to 1024"), ({"stride": (1, 0)}, "stride is 1, 0"), ({"stride": -1}, "stride is -1"),
    ({"stride": 1025}, "stride is 1025"), ({"stride": 1.5}, "stride is 1.5; it must be an integer or 2 of them"),
    ({"stride": True}, "stride is True"), ({"stride": (1, 2, 3)}, "an integer or 2 of them"), ({"dilation": 0}, "dilation is 0, 0"),
    ({"dilation": (2, 2000)}, "dilation is 2, 2000"), ({"padding": -1}, "padding at the top is -1; it must be 0 to 2"),
    ({"padding": (0, 3, 0, 0)}, "padding at the bottom is 3; it must be 0 to 2, less than the kernel's extent"),
    ({"padding": (0, 0, 2, 0)}, "padding at the left is 2; it must be 0 to 1"), ({"padding": (0, 2)}, "padding at the left is 2"),
    ({"padding": (0, 0, 0)}, "an integer or 2 or 4 of them"), ({"groups": 0}, "groups is 0"), ({"groups": 2.0}, "groups is 2.0"),
    ({"groups": True}, "groups is True"), ({"groups": 3}, "groups is 3; it must divide the 4 channels of hid")])
def test_kernels_refuse(geometry: dict[str, Any], message: str) -> None:
    with pytest.raises(RanvierError, match=f"projection in -> hid: .*{message}"):
        Projection.conv("in", "hid", KERNEL, **geometry)


@pytest.mark.parametrize(("source", "destination", "kernel", "geometry", "message"), [
    ((5, 5, 2), (3, 3, 4), KERNEL, {}, r"it gives 3 x 4 x 4, hid is 3 x 3 x 4; use the shape \(3, 4, 4\)"),
    ((5, 5, 2), (3, 4, 3), KERNEL, {}, r"it gives 3 x 4 x 4, hid is 3 x 4 x 3"),
    ((5, 5, 2), (2, 2, 4), KERNEL, {"stride": 2, "padding": 1}, r"use the shape \(3, 3, 4\)"),
    ((2, 5, 2), (1, 4, 4), KERNEL, {}, "the kernel spans 3 x 2 pixels, in has 2 x 5 with padding 0, 0, 0, 0; use a smaller kernel"),
    ((5, 5, 2), (1, 1, 4), KERNEL, {"dilation": 5}, "the kernel spans 11 x 6 pixels"),
    ((5, 5, 3), (3, 4, 4), KERNEL, {}, "the kernel takes 2 channels in 1 groups, in has 3; it must take 3"),
    ((5, 5, 2), (3, 4, 4), KERNEL, {"groups": 2}, "the kernel takes 2 channels in 2 groups, in has 2; it must take 1"),
    ((5, 5, 3), (3, 4, 4), KERNEL, {"groups": 2}, "groups is 2; it must divide the 3 channels of in"),
    ((2, 2, 2), (2, 2, 4), np.ones((1, 1, 2, 3), int), {}, "weights are 2 x 3, the populations have 8 and 16"),
    ((5, 5, 2), (3, 4, 4), KERNEL * 8, {}, "a weight does not fit 4 bits")])
def test_networks_refuse_kernels_that_do_not_fit(source: tuple[int, int, int], destination: tuple[int, int, int], kernel: Any,
                                                 geometry: dict[str, Any], message: str) -> None:
    with pytest.raises(RanvierError, match=f"projection in -> hid: .*{message}"):
        Network((Population("in", source, "input"), Population("hid", destination, "if")), (
            Projection.conv("in", "hid", kernel, **geometry),))


def test_geometry_takes_numbers_and_pairs() -> None:
    found = Projection.conv("in", "hid", KERNEL, stride=2, padding=1, dilation=(1, 3), delay=2, exponent=3)
    assert (found.stride, found.padding, found.dilation, found.groups) == ((2, 2), (1, 1, 1, 1), (1, 3), 1)
    assert (found.extent, found.delay, found.exponent) == ((3, 4), 2, 3)
    assert Projection("in", "hid", KERNEL, padding=(2, 1)).padding == (2, 2, 1, 1)  # type: ignore[arg-type]
    assert Projection("in", "hid", KERNEL, stride=[2, np.int64(1)]).stride == (2, 1)  # type: ignore[arg-type]
    assert repr(found) == "Projection('in -> hid', kernel 3 x 2 x 2 x 4, stride 2, 2, padding 1, 1, 1, 1, dilation 1, 3, delay 2)"


def test_a_pointwise_kernel_is_not_all_to_all() -> None:
    image, other, line = Population("in", (2, 3, 4), "input"), Population("hid", (2, 3, 5), "if"), Population("flat", 5, "if")
    pointwise = Projection.conv("in", "hid", np.ones((1, 1, 4, 5), int))
    assert not pointwise.is_dense(image, other)
    assert Projection.dense("in", "flat", np.ones((24, 5), int)).is_dense(image, line)
    assert not Projection.conv("in", "flat", np.ones((2, 3, 4, 5), int)).is_dense(image, line)
    assert Projection.conv("a", "b", np.ones((1, 1, 4, 5), int)).is_dense(Population("a", 4, "input"), Population("b", 5, "if"))
    Network((image, other), (pointwise,))


def test_populations_take_what_a_person_would_write() -> None:
    population = Population("hidden", 32, "lif", theta=40, bias=[1] * 32)
    assert population.shape == (1, 1, 32) and population.parameter("theta", 16).tolist() == [40] * 32
    assert Population("p", [2, 3, np.int64(4)], "if", {"theta": 2}, bias=1).shape == (2, 3, 4)  # type: ignore[arg-type]
    assert replace(population, name="other").parameters == population.parameters


@pytest.mark.parametrize(("kind", "semantics", "expected"), [
    ("if", Semantics(), Options(3)), ("if", Semantics(reset_moment="next_tick"), Options(3, next_tick=True)),
    ("if", Semantics(reset="value", reset_moment="old_v"), Options(3)), ("li", Semantics(reset_moment="next_tick"), Options(3)),
    ("cubalif", Semantics(), Options(3, currents=True)), ("cubali", Semantics(current="before"), Options(3, currents=True))])
def test_options_are_what_the_populations_need(kind: str, semantics: Semantics, expected: Options) -> None:
    network = Network((inputs(), Population("p", 2, kind, semantics=semantics)), (), spike_bits=3)
    assert network.options == expected and network.options_of(network.by_name["in"]) == Options(3)
    rule = network.rule(network.by_name["p"])
    assert rule.next_tick == expected.next_tick and rule.currents == expected.currents and rule.before == (kind == "cubali")


def test_lookups() -> None:
    first, second = (Projection.dense("in", "hid", np.full((2, 3), w), delay=w) for w in (1, 2))
    back = Projection.dense("hid", "hid", np.ones((3, 3), int), 1)
    network = Network((inputs(), hidden(), Population("out", (1, 1, 1), "li", {"k": 7})), (first, back, second))
    assert network.incoming("hid") == (first, back, second)
    assert network.incoming("in") == ()
    assert [p.name for p in network.inputs] == ["in"]
    assert [p.name for p in network.readouts] == ["out"]
    assert network.by_name["out"].spiking is False
    assert first.matrix.tolist() == [[1, 1, 1], [1, 1, 1]]


@pytest.mark.parametrize(("change", "message"), [
    ({"strict": 1}, "strict is 1"), ({"reset": "soft"}, "reset is 'soft'"),
    ({"reset_moment": "later"}, "reset_moment is 'later'; it must be one of same_tick, next_tick, old_v"),
    ({"reset_moment": "next_tick", "reset": "none"}, "reset_moment is 'next_tick' where reset is 'none'"),
    ({"reset_moment": "old_v"}, "reset_moment is 'old_v' where reset is 'subtract'"), ({"current": "now"}, "current is 'now'"),
    ({"integrator": "euler"}, "integrator is 'euler'"), ({"dt": 0}, "dt is 0"), ({"dt": float("nan")}, "dt is nan")])
def test_semantics_refuse(change: dict[str, Any], message: str) -> None:
    with pytest.raises(RanvierError, match=f"semantics: {message}|semantics: .*{message}"):
        Semantics(**change)
