"""The normalisation, the counts of frames, and the whole front end on sounds."""

from __future__ import annotations

import numpy as np
import pytest

from ranvier.encoders.audio import RATE, audio, divisive_normalisation, filter_bank, frame_counts
from ranvier.model.errors import RanvierError


def _plain(signal: list[int], b: int, b1: int, b2: int, eps: int) -> list[int]:
    """DESIGN's rule, a sample at a time in Python integers."""
    h = v = 0
    found = []
    for x in signal:
        m = h >> b
        h = h - (h >> b) + abs(x)
        t = max(m, eps)
        t = (t << b1) - (t << b2)
        v += abs(x)
        s = int(v >= t)
        v -= s * t
        found.append(s)
    return found


def test_normalisation_is_literally_the_rule() -> None:
    rng = np.random.default_rng(4)
    for _ in range(20):
        b, b2 = int(rng.integers(0, 10)), int(rng.integers(0, 4))
        options = {"b": b, "b1": b2 + int(rng.integers(1, 4)), "b2": b2, "eps": int(rng.integers(1, 100))}
        signal = rng.integers(-3000, 3000, 200) >> rng.integers(0, 8)
        assert divisive_normalisation(signal, **options).astype(int).tolist() == _plain(signal.tolist(), **options)


def test_loudness_does_not_matter_but_faintness_does() -> None:
    signal = np.random.default_rng(5).integers(-200, 201, 40000)
    counts = [int(divisive_normalisation(signal * gain)[20000:].sum()) for gain in (1, 10, 100)]
    assert max(counts) - min(counts) <= 0.02 * min(counts)
    assert counts[0] == pytest.approx(20000 / 16, rel=0.05)
    assert divisive_normalisation(np.ones(5000, int), eps=100).sum() == 5000 // 1600
    assert not divisive_normalisation(np.zeros(5000, int)).any()


def test_frames_count_and_leave_out_what_is_not_full() -> None:
    spikes = np.zeros((37, 2), bool)
    spikes[[0, 15, 16, 36]] = True
    assert frame_counts(spikes).tolist() == [[2, 2], [1, 1]]


def test_front_end_is_its_parts() -> None:
    samples = np.random.default_rng(6).integers(-8000, 8000, 1000)
    found = audio(samples, b=8)
    assert found.dtype == np.uint16 and found.shape == (62, 16)
    assert np.array_equal(found, frame_counts(divisive_normalisation(filter_bank().run(samples), b=8)))


def test_a_tone_that_begins_is_heard_in_its_channel() -> None:
    """After noise in every channel a tone comes on top: the channel that hears it spikes most, its neighbours less, the last ones least."""
    rng, bank = np.random.default_rng(7), filter_bank()
    time = np.arange(RATE) / RATE
    tone = np.where(time >= 0.9, 8000 * np.sin(2 * np.pi * bank.centres[8] * time), 0)
    counts = audio(np.rint(rng.normal(0, 500, RATE) + tone).astype(int))
    before, after = counts[500:870].mean(axis=0), counts[885:920].mean(axis=0)
    assert before.max() < 1.2 * before.min()
    assert after[8] > 10 * before[8]
    assert (np.diff(after[:9]) > 0).all() and (np.diff(after[8:]) < 0).all()


def test_silence_gives_no_spikes() -> None:
    assert not audio(np.zeros(RATE, int)).any()


@pytest.mark.parametrize(("call", "message"), [
    (lambda: divisive_normalisation([0.5]), "give whole numbers"), (lambda: divisive_normalisation(5), "give whole numbers"),
    (lambda: divisive_normalisation([1], b1=4, b2=4), "b2 below b1"), (lambda: divisive_normalisation([1], eps=0), "eps is 0"),
    (lambda: divisive_normalisation([1 << 31]), "more than 32 bits"), (lambda: frame_counts(np.zeros(15)), "15 samples; a frame has 16"),
    (lambda: frame_counts(np.zeros(15), 0), "a frame of 0 samples"), (lambda: audio(np.zeros(0, int)), "0 samples; a frame has 16"),
    (lambda: audio(np.zeros((99, 2), int)), "of one channel")])
def test_bad_input(call: object, message: str) -> None:
    with pytest.raises(RanvierError, match=message):
        call()  # type: ignore[operator]
