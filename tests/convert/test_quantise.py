"""Quantiser: trained grids are found again, others get the least error."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ranvier.convert.quantise import quantise_channels, quantise_thresholds
from ranvier.model.errors import RanvierError


def grid(rng: np.random.Generator, bits: int, shape: tuple[int, int]) -> np.ndarray:
    """Integers over the whole range, with a common divisor of 1 in each channel."""
    integers = rng.integers(-(1 << bits - 1), 1 << bits - 1, shape)
    integers[0], integers[1] = 1, -(1 << bits - 1)
    return integers


@pytest.mark.parametrize("bits", [2, 4, 8, 16])
@pytest.mark.parametrize("common", [False, True])
def test_a_trained_grid_is_found_exactly(bits: int, common: bool) -> None:
    rng = np.random.default_rng(bits)
    integers = grid(rng, bits, (40, 6))
    scales = np.full(6, 0.0123) if common else rng.random(6) + 0.01
    # Through float32, as a file would bring it.
    found, found_scales = quantise_channels((integers * scales).astype(np.float32), bits, common=common)
    np.testing.assert_array_equal(found, integers)
    np.testing.assert_allclose(found_scales, scales, rtol=1e-6)


@settings(derandomize=True, deadline=None, max_examples=60)
@given(st.integers(0, 2**32 - 1), st.sampled_from([4, 8]))
def test_a_grid_that_uses_part_of_the_range_is_found(seed: int, bits: int) -> None:
    rng = np.random.default_rng(seed)
    most = int(rng.integers(2, 1 << bits - 1))
    integers = rng.integers(-most, most + 1, (30, 3))
    integers[0] = 1
    scales = np.exp(rng.normal(size=3) * 3)
    found, found_scales = quantise_channels(integers * scales, bits)
    np.testing.assert_allclose(found * found_scales, integers * scales, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("bits", [2, 4, 8])
def test_error_is_below_that_of_the_largest_weight(bits: int) -> None:
    weights = np.random.default_rng(3).normal(size=(500, 8))
    integers, scales = quantise_channels(weights, bits)
    assert integers.min() >= -(1 << bits - 1) and integers.max() <= (1 << bits - 1) - 1
    plain = np.abs(weights).max(axis=0) / ((1 << bits - 1) - 1)
    simple = np.rint(weights / plain) * plain
    assert np.all(((integers * scales - weights) ** 2).sum(0) <= ((simple - weights) ** 2).sum(0) + 1e-12)


@pytest.mark.parametrize(("bits", "known"), [(2, 0.1188), (4, 0.01154)])
def test_error_of_gaussian_weights_is_that_of_the_best_uniform_quantiser(bits: int, known: float) -> None:
    # Max, "Quantizing for minimum distortion", 1960, table II: 4 and 16 levels (symmetric, so slightly different).
    weights = np.random.default_rng(4).normal(size=(200_000, 1))
    integers, scales = quantise_channels(weights, bits)
    error = float(np.mean((integers * scales - weights) ** 2))
    assert known * 0.95 < error < known * (1.7 if bits == 2 else 1.15)


def test_zero_channels_have_scale_one() -> None:
    weights = np.zeros((3, 2))
    weights[0, 1] = 5
    integers, scales = quantise_channels(weights, 4)
    assert scales[0] == 1 and not integers[:, 0].any() and integers[0, 1] * scales[1] == pytest.approx(5)
    assert quantise_channels(np.zeros((3, 2)), 4, common=True)[1].tolist() == [1, 1]


def test_bad_arguments() -> None:
    for weights, bits in ((np.zeros((2, 2)), 3), (np.full((2, 2), np.nan), 4), (np.zeros(2), 4), (np.zeros((0, 2)), 4)):
        with pytest.raises(RanvierError, match="quantise"):
            quantise_channels(weights, bits)
    with pytest.raises(RanvierError, match="bound"):
        quantise_thresholds(np.zeros((2, 2)), np.zeros(2), 0.0, 4, most_theta=100, most_input=100)


@settings(derandomize=True, deadline=None, max_examples=40)
@given(st.integers(0, 2**32 - 1), st.sampled_from([2, 4, 8]))
def test_trained_thresholds_are_found(seed: int, bits: int) -> None:
    rng = np.random.default_rng(seed)
    thetas, biases = rng.integers(2, 2000, 5), rng.integers(-300, 300, 5)
    integers, bound = grid(rng, bits, (30, 5)), float(np.exp(rng.normal()))
    weights = (integers * (bound / thetas)).astype(np.float32)
    found = quantise_thresholds(weights, biases * (bound / thetas), bound, bits, most_theta=4095, most_input=1 << 20)
    for got, wanted in zip(found, (integers, biases, thetas, bound / thetas), strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-12)


def test_thresholds_keep_to_the_headroom() -> None:
    rng = np.random.default_rng(5)
    weights, bias = rng.normal(size=(300, 10)), rng.normal(size=10) * 5
    integers, biases, thetas, scales = quantise_thresholds(weights, bias, 1.0, 8, most_theta=200, most_input=1500)
    assert np.all(np.maximum(integers, 0).sum(0) + np.maximum(biases, 0) <= 1500)
    assert np.all(np.maximum(-integers, 0).sum(0) + np.maximum(-biases, 0) <= 1500)
    assert thetas.min() >= 1 and thetas.max() <= 200
    np.testing.assert_allclose(scales * thetas, 1.0)
