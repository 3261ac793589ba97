"""Runs: the choice of a fabric, the figures, and the same answers from the model and from the RTL."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ranvier import FabricConfig, Network, Population, Projection, RanvierError, classify, convert, load_onnx, load_pictures
from ranvier.commands.demo import find_digits
from ranvier.mapping.choose import choose_fabric
from ranvier.mapping.mapper import map_network
from ranvier.model.fabric.counters import empty
from ranvier.model.fabric.cycles import predict_cycles
from ranvier.model.fabric.layout import Counter
from ranvier.model.fabric.placement import Placement
from ranvier.model.run.golden import run_golden
from ranvier.runs import inputs_of, run_golden_set, run_rtl_set, the_readout, weight_limit_share

PICTURES = 30


@pytest.fixture(scope="module")
def digits() -> tuple[Network, Any]:
    """The digit network and some pictures."""
    conventional = load_onnx(find_digits() / "digits.onnx")
    pictures = load_pictures(find_digits() / "mnist_test.npz", conventional.input_size)[0]
    return convert(conventional, steps=4).network, pictures[:PICTURES]


@pytest.fixture(scope="module")
def placement(digits: tuple[Network, Any]) -> Placement:
    """It on the default fabric."""
    return map_network(digits[0], choose_fabric(digits[0]))


def small(inputs: int = 6, outputs: int = 3, **changes: Any) -> Network:
    ends = (Population("a", (1, 1, inputs), "input", {"theta": 255, "v_min": 0, "v_max": 255}),
            Population("z", (1, 1, outputs), "li", {"v_min": -1000, "v_max": 1000}))
    return Network(ends, (Projection.dense("a", "z", np.ones((inputs, outputs), np.int64)),), **changes)


def test_the_digits_fit_the_standard_fabric(digits: tuple[Network, Any]) -> None:
    assert choose_fabric(digits[0]) == FabricConfig()


@pytest.mark.parametrize("lanes", [4, 8, 16, 32, 64])
@pytest.mark.parametrize("cores", range(1, 17))
def test_every_fabric_that_can_be_asked_for(digits: tuple[Network, Any], cores: int, lanes: int) -> None:
    for network in (digits[0], small()):
        config = choose_fabric(network, cores, lanes)
        assert (config.cores, config.core.lanes) == (cores, lanes)
        map_network(network, config)


def test_more_cores_are_not_slower(digits: tuple[Network, Any]) -> None:
    """Up to what the sweep of the input population takes, which more cores cannot shorten."""
    network, pictures = digits
    clocks = []
    for cores in range(1, 5):
        placement = map_network(network, choose_fabric(network, cores, 64))
        clocks.append(int(run_golden_set(placement, pictures, 4).cycles.clocks.sum()))
    assert clocks[1] < 0.6 * clocks[0] and max(clocks[2:]) < 1.02 * clocks[1]


def test_another_number_format_gets_a_fabric_of_its_own() -> None:
    network = small(weight_bits=8, state_bits=20, rounding="zero")
    config = choose_fabric(network)
    assert (config.weight_bits, config.state_bits, config.rounding) == (8, 20, "zero")
    map_network(network, config)


def test_one_input_and_one_readout_are_needed() -> None:
    network = small()
    assert the_readout(network) == "z" and list(inputs_of(network, np.zeros((1, 6)))) == ["a"]
    (source, readout), (projection,) = network.populations, network.projections
    with pytest.raises(RanvierError, match="0 readout populations"):
        the_readout(Network((source,), ()))
    with pytest.raises(RanvierError, match="0 input populations"):
        inputs_of(Network((readout,), ()), np.zeros((1, 6)))
    other = Population("b", (1, 1, 2), "input", {"theta": 255, "v_min": 0, "v_max": 255})
    with pytest.raises(RanvierError, match="2 input populations"):
        inputs_of(Network((source, other, readout), (projection,)), np.zeros((1, 6)))


def test_the_first_of_equal_readouts_is_the_class() -> None:
    assert classify(np.array([[1, 3, 3], [0, 0, 0], [-5, -6, -4]])).tolist() == [1, 0, 2]


def test_share_of_the_limit() -> None:
    counters = empty(3)
    assert weight_limit_share(counters) == 0
    counters[0, Counter.WEIGHT_WORDS], counters[0, Counter.SCAN] = 90, 100
    counters[1, Counter.WEIGHT_WORDS], counters[1, Counter.SCAN] = 10, 100
    assert weight_limit_share(counters) == 0.5


def test_golden_set_is_the_model_with_its_clocks(digits: tuple[Network, Any], placement: Placement) -> None:
    network, pictures = digits
    done: list[int] = []
    found = run_golden_set(placement, pictures, 3, done.append)
    plain = run_golden(network, inputs_of(network, pictures), 3, blocks=placement.blocks)
    np.testing.assert_array_equal(found.readouts, plain.readouts[the_readout(network)])
    cycles = predict_cycles(placement, plain.popcounts, plain.clamps, 3)
    np.testing.assert_array_equal(found.cycles.clocks, cycles.clocks)
    np.testing.assert_array_equal(found.cycles.counters, cycles.counters)
    assert done[-1] == PICTURES


def test_rtl_set(digits: tuple[Network, Any], placement: Placement) -> None:
    """The default fabric: a stream, pictures alone, and without comparison, all with the model's readouts and clocks."""
    pictures = digits[1]
    golden = run_golden_set(placement, pictures, 4)
    compared = run_rtl_set(placement, pictures, 4)
    plain = run_rtl_set(placement, pictures, 4, compare=False)
    alone = run_rtl_set(placement, pictures[:5], 4, stream=False)
    for result in (compared, plain):
        assert result.mismatch is None and result.samples == PICTURES
        np.testing.assert_array_equal(result.readouts, golden.readouts)
        np.testing.assert_array_equal(result.counters, golden.cycles.counters)
        assert result.clocks == int(golden.cycles.clocks.sum())
    assert alone.mismatch is None
    np.testing.assert_array_equal(alone.readouts, golden.readouts[:5])
    apart = predict_cycles(placement, {name: found[:5] for name, found in golden.golden.popcounts.items()},
                           {name: found[:5] for name, found in golden.golden.clamps.items()}, 4, stream=False)
    assert alone.clocks == int(apart.clocks.sum())


def test_rtl_set_stops_at_a_fault(digits: tuple[Network, Any], placement: Placement) -> None:
    result = run_rtl_set(placement, digits[1], 4, fault=True)
    assert result.mismatch is not None and result.mismatches == result.mismatch.total > 0
    assert result.samples == 0 and result.reproducer == ()
