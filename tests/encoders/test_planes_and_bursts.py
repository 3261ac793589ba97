"""`phase`, whose spikes are bits, and `burst`, whose number of spikes is the value."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ranvier.encoders import burst, decode_burst, decode_phase, phase
from ranvier.model.errors import RanvierError


@given(st.integers(0, 255))
def test_phase_is_the_bits_the_highest_first(level: int) -> None:
    assert phase(level / 256, 8).astype(int).tolist() == [int(bit) for bit in f"{level:08b}"]


def test_phase_repeats_its_period_and_1_is_all_ones() -> None:
    assert phase([0.625, 1.0], 6, period=3).astype(int).tolist() == [[1, 1], [0, 1], [1, 1]] * 2


@given(st.floats(0, 1), st.integers(1, 16), st.integers(1, 3))
def test_phase_decoder_is_within_half_a_bit(value: float, period: int, periods: int) -> None:
    found = float(decode_phase(phase(value, period * periods, period=period), period=period))
    assert abs(found - value) <= 2.0 ** -(period + 1) + 1e-12


@given(st.floats(0, 1), st.integers(1, 12), st.integers(0, 60))
def test_burst_has_its_number_and_its_distances(value: float, most: int, more: int) -> None:
    steps = most + more
    times = np.flatnonzero(burst(value, steps, most=most))
    assert len(times) == math.ceil(most * value)
    greatest = max((steps - 1) // max(most - 1, 1), 1)
    if len(times) > 1:
        assert set(np.diff(times).tolist()) == {math.ceil(greatest - (greatest - 1) * value)}
    if len(times):
        assert times[0] == 0
    assert abs(float(decode_burst(burst(value, steps, most=most), most=most)) - value) <= 0.5 / most + 1e-12


def test_larger_bursts_are_faster() -> None:
    found = burst([0.3, 0.6, 1.0], 20, most=5, isi_max=4)
    assert [np.flatnonzero(row).tolist() for row in found.T] == [[0, 4], [0, 3, 6], [0, 1, 2, 3, 4]]


@pytest.mark.parametrize(("call", "message"), [
    (lambda: phase([0.5], 8, period=3), "phase: a period of 3 in 8 steps; it must be 1 to 16 and divide them"),
    (lambda: phase([0.5], 17), "a period of 17"), (lambda: decode_phase(np.zeros((8, 1)), period=5), "decode_phase: a period of 5"),
    (lambda: phase([2.0], 8), "phase: values from 2 to 2"), (lambda: burst([0.5], 4, most=5), "burst: most is 5"),
    (lambda: burst([0.5], 9, isi_min=3, isi_max=2), "isi_min is 3 and isi_max 2"),
    (lambda: burst([0.3, 1.0], 9, most=5, isi_min=3, isi_max=3), "last spike would come in step 12 of 9"),
    (lambda: decode_burst(np.zeros((4, 1)), most=0), "most is 0")])
def test_bad_options(call: object, message: str) -> None:
    with pytest.raises(RanvierError, match=message):
        call()  # type: ignore[operator]
