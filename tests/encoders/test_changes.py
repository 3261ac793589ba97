"""Codes of change: `delta` as snnTorch has it, and `send_on_delta`, which keeps what it sent."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ranvier.encoders import decode_send_on_delta, delta, send_on_delta
from ranvier.model.errors import RanvierError

signals = st.lists(st.floats(-3, 3), min_size=1, max_size=40)


@pytest.mark.parametrize(("values", "options", "spikes"), [
    ([1, 2, 2.9, 3, 3.9], {}, [1, 1, 0, 0, 0]), ([1, 2, 2.9, 3, 3.9], {"padding": True}, [0, 1, 0, 0, 0]),
    ([1, 2, 0, 2, 2.9], {"off_spike": True}, [1, 1, -1, 1, 0]),
    ([1, 2, 0, 2, 2.9], {"padding": True, "off_spike": True}, [0, 1, -1, 1, 0])])
def test_examples_of_snntorch(values: list[float], options: dict[str, bool], spikes: list[int]) -> None:
    assert delta(np.array(values), threshold=1, **options).tolist() == spikes


def test_a_slow_rise_is_lost_to_delta_and_not_to_send_on_delta() -> None:
    slow = np.linspace(0, 1, 101)
    assert delta(slow, threshold=0.1).sum() == 0
    assert send_on_delta(slow, threshold=0.1).sum() in (9, 10)


@given(signals, st.floats(0.01, 2), st.booleans())
def test_decoder_is_within_a_threshold(values: list[float], threshold: float, padding: bool) -> None:
    signal = np.array(values)
    counts = send_on_delta(signal, threshold=threshold, padding=padding)
    found = decode_send_on_delta(counts, threshold=threshold, start=signal[0] if padding else 0)
    assert np.abs(found - signal).max() <= threshold * (1 + 1e-9)


def test_whole_thresholds_are_sent_and_the_rest_is_kept() -> None:
    signal = np.array([0.0, 0.19, 0.21, 0.45, 0.31, 0.29, -0.19])
    assert send_on_delta(signal).tolist() == [0, 1, 1, 2, 0, -1, -4]
    assert send_on_delta(signal + 0.55, padding=True).tolist() == [0, 1, 1, 2, 0, -1, -4]
    assert send_on_delta(signal, most=1).tolist() == [0, 1, 1, 1, 0, 0, -1]


@given(signals, st.integers(1, 3))
def test_a_fast_change_takes_several_steps(values: list[float], most: int) -> None:
    signal = np.array([*values, *[values[-1]] * 300])
    counts = send_on_delta(signal, threshold=0.1, most=most)
    assert np.abs(counts).max() <= most
    assert abs(decode_send_on_delta(counts)[-1] - signal[-1]) <= 0.1 * (1 + 1e-9)


def test_every_axis_but_the_first_is_a_neuron() -> None:
    signal = np.random.default_rng(3).random((20, 2, 3))
    whole = send_on_delta(signal)
    assert whole.dtype == np.int16 and whole.shape == signal.shape
    assert np.array_equal(whole[:, 1, 2], send_on_delta(signal[:, 1, 2]))
    assert np.array_equal(delta(signal)[:, 1, 2], delta(signal[:, 1, 2]))
    assert delta(np.zeros((0, 3))).shape == send_on_delta(np.zeros((0, 3))).shape == (0, 3)


@pytest.mark.parametrize("encoder", [delta, send_on_delta])
@pytest.mark.parametrize(("values", "threshold", "message"), [
    (1.0, 0.1, "a single value"), ([1, 2], 0, "threshold is 0; it must be above 0"), ([1, 2], float("nan"), "threshold is nan"),
    ([1, float("inf")], 0.1, "NaN or infinity")])
def test_bad_input(encoder: object, values: object, threshold: float, message: str) -> None:
    with pytest.raises(RanvierError, match=message):
        encoder(values, threshold=threshold)  # type: ignore[operator]


def test_bad_options_of_send_on_delta() -> None:
    with pytest.raises(RanvierError, match="most is 0"):
        send_on_delta([0.0, 1.0], most=0)
    with pytest.raises(RanvierError, match="more than 16000 thresholds away"):
        send_on_delta([0.0, 1.0], threshold=1e-6)
