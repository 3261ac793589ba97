"""Latency code: snnTorch's own examples, its decoder, and bad input. `test_oracles.py` has 1,000 random inputs of snnTorch's."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ranvier.encoders import decode_latency, latency
from ranvier.model.errors import RanvierError


def test_example_of_snntorch() -> None:
    found = latency(np.array([0.02, 0.5, 1], np.float32), 5, normalize=True, linear=True)
    assert found.dtype == bool
    assert found.astype(int).tolist() == [[0, 0, 1], [0, 0, 0], [0, 1, 0], [0, 0, 0], [1, 0, 0]]


def test_larger_is_earlier_and_every_value_spikes_once() -> None:
    values = np.sort(np.random.default_rng(2).random(200))
    for linear in (False, True):
        spikes = latency(values, 30, normalize=True, linear=linear)
        assert (spikes.sum(axis=0) == 1).all()
        assert (np.diff(spikes.argmax(axis=0)) <= 0).all()


def test_clip_silences_what_is_below_the_threshold() -> None:
    values = np.array([0.0, 0.05, 0.1, 0.5])
    assert latency(values, 9, threshold=0.1, normalize=True, clip=True).sum(axis=0).tolist() == [0, 0, 1, 1]
    assert latency(values, 9, threshold=0.1, normalize=True).sum(axis=0).tolist() == [1, 1, 1, 1]


def test_first_spike_time_comes_on_top() -> None:
    values = np.array([1.0, 0.5, 0.01])
    assert latency(values, 12, normalize=True, linear=True, first_spike_time=3).argmax(axis=0).tolist() == [3, 7, 11]
    assert latency(values, 12, normalize=True, first_spike_time=3).argmax(axis=0).tolist() == [3, 3, 11]


@given(st.floats(0, 1), st.integers(2, 200), st.floats(0.001, 0.5), st.integers(0, 1))
def test_linear_decoder_is_within_half_a_step(value: float, steps: int, threshold: float, first: int) -> None:
    options = {"threshold": threshold, "first_spike_time": first, "normalize": True, "linear": True}
    spikes = latency(value, steps, **options)  # type: ignore[arg-type]
    scale = steps - 1 - first
    bound = 0.5 / scale if scale else 1.0
    error = abs(float(decode_latency(spikes, **options)) - max(value, threshold))  # type: ignore[arg-type]
    assert error <= bound + 1e-12


@given(st.floats(0.02, 1), st.floats(2, 40))
def test_logarithmic_decoder_is_within_half_a_step(value: float, tau: float) -> None:
    steps = 400
    time = tau * np.log(value / (value - 0.01))
    spikes = latency(value, steps, tau=tau)
    found = float(decode_latency(spikes, tau=tau))
    # What half a step earlier or later would have meant.
    least, most = (min(0.01 / -np.expm1(-t / tau), 1.0) if t > 0 else 1.0 for t in (time + 0.5, time - 0.5))
    assert least - 1e-9 <= found <= most + 1e-9
    again = latency(max(found, 0.01), steps, tau=tau)
    assert np.array_equal(again, spikes) or found == 1


def test_decoder_of_silence() -> None:
    assert decode_latency(np.zeros((4, 3)), linear=True).tolist() == [0, 0, 0]


@pytest.mark.parametrize(("options", "message"), [
    ({"threshold": 0}, "threshold is 0; it must be above 0 and below 1"), ({"threshold": 1}, "threshold is 1"), ({"tau": 0}, "tau is 0"),
    ({"tau": float("nan")}, "tau is nan"), ({"first_spike_time": 5}, "first_spike_time is 5; it must be 0 to 4"),
    ({"tau": 9, "linear": True}, "would come in step 4 of 4|in step 9 of 5|in step"),
])
def test_bad_options(options: dict[str, object], message: str) -> None:
    with pytest.raises(RanvierError, match=f"latency: .*({message})"):
        latency([0.0, 0.5], 5, **options)  # type: ignore[arg-type]


def test_what_cannot_be_decoded() -> None:
    with pytest.raises(RanvierError, match="lost its scale"):
        decode_latency(np.eye(3), normalize=True)
    with pytest.raises(RanvierError, match="several spikes"):
        decode_latency(np.ones((3, 2)), linear=True)
