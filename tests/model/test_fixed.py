"""The arithmetic of one neuron against its definitions, written with fractions."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ranvier.model.fixed import NO_LEAK, ROUNDING, clamp, decay, reset, spike_count

words = st.integers(-(1 << 31), (1 << 31) - 1)
factors = st.one_of(st.sampled_from([0, 1, 32767, 32768, 32769, 65535, NO_LEAK]), st.integers(0, NO_LEAK))
thresholds = st.one_of(st.integers(1, 8), st.integers(1, (1 << 31) - 1))


def exact_decay(x: int, k: int, rounding: str) -> int:
    """Decay as the number format says it in words."""
    magnitude = Fraction(abs(x) * k, 1 << 16)
    # "nearest" takes halves towards zero.
    whole = math.floor(magnitude) if rounding == "zero" else math.ceil(magnitude - Fraction(1, 2))
    return whole if x > 0 else -whole


@given(words, factors, st.sampled_from(list(ROUNDING)))
def test_decay_is_the_rounded_product(x: int, k: int, rounding: str) -> None:
    assert decay(x, k, rounding) == exact_decay(x, k, rounding)


@pytest.mark.parametrize(("x", "k", "nearest", "zero"), [
    (1, 32768, 0, 0), (3, 32768, 1, 1), (-3, 32768, -1, -1), (3, 32769, 2, 1), (-3, 32769, -2, -1),
    (5, 0, 0, 0), (-(1 << 31), NO_LEAK, -(1 << 31), -(1 << 31)), (-1, 65535, -1, 0), (2047, 65535, 2047, 2046)])
def test_decay_examples(x: int, k: int, nearest: int, zero: int) -> None:
    assert decay(x, k) == decay(x, k, "nearest") == nearest
    assert decay(x, k, "zero") == zero


@given(words, words, factors, st.sampled_from(list(ROUNDING)))
def test_decay_is_odd_monotone_and_never_grows(x: int, y: int, k: int, rounding: str) -> None:
    assert decay(-x, k, rounding) == -decay(x, k, rounding)
    assert abs(decay(x, k, rounding)) <= abs(x)
    assert decay(min(x, y), k, rounding) <= decay(max(x, y), k, rounding)
    assert decay(x, NO_LEAK, rounding) == x


@given(words, thresholds, st.booleans(), st.integers(1, 8))
def test_spike_count_is_the_clamped_quotient(u: int, theta: int, strict: bool, spike_bits: int) -> None:
    exact = math.floor(Fraction(u - int(strict), theta))
    assert spike_count(u, theta, strict, spike_bits) == min(max(exact, 0), 2**spike_bits - 1)
    assert spike_count(u, theta, strict) == (u > theta if strict else u >= theta)


def test_reset_kinds() -> None:
    assert [reset(17, 1, 10, -3, kind) for kind in ("none", "subtract", "value")] == [17, 7, -3]
    assert [reset(17, 0, 10, -3, kind) for kind in ("none", "subtract", "value")] == [17, 17, 17]
    assert reset(35, 3, 10, -3, "subtract") == 5
    with pytest.raises(ValueError, match="unknown reset 'soft'"):
        reset(17, 1, 10, -3, "soft")


@given(words, words, words)
def test_clamp_holds_both_bounds(x: int, a: int, b: int) -> None:
    low, high = min(a, b), max(a, b)
    held = clamp(x, low, high)
    assert low <= held <= high
    assert held == x or held in (low, high)
    assert held == x or not low <= x <= high


@pytest.mark.parametrize("rounding", list(ROUNDING))
def test_arrays_give_what_integers_give(rounding: str) -> None:
    rng = np.random.default_rng(20)
    n = 4000
    x = np.concatenate([rng.integers(-(1 << 31), 1 << 31, n), rng.integers(-9, 10, n), [-(1 << 31), (1 << 31) - 1]])
    k = rng.integers(0, NO_LEAK + 1, x.size)
    k[::3] = rng.choice([0, 1, 32768, NO_LEAK], k[::3].size)
    theta = np.where(rng.random(x.size) < 0.5, rng.integers(1, 9, x.size), rng.integers(1, 1 << 31, x.size))
    other = rng.integers(-20, 20, x.size)
    count = spike_count(x, theta, True, 4)
    assert decay(x, k, rounding).tolist() == [decay(*row, rounding) for row in zip(x.tolist(), k.tolist(), strict=True)]
    assert count.tolist() == [spike_count(*row, True, 4) for row in zip(x.tolist(), theta.tolist(), strict=True)]
    for kind in ("none", "subtract", "value"):
        rows = zip(x.tolist(), count.tolist(), theta.tolist(), other.tolist(), strict=True)
        assert reset(x, count, theta, other, kind).tolist() == [reset(*row, kind) for row in rows]
    rows3 = zip(x.tolist(), other.tolist(), (other + 5).tolist(), strict=True)
    assert clamp(x, other, other + 5).tolist() == [clamp(*row) for row in rows3]
