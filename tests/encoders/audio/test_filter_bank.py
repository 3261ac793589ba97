"""The filter bank against Butterworth filters of scipy, and what its words hold."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import signal

from ranvier.encoders.audio import FilterBank, filter_bank
from ranvier.encoders.audio.filter_bank import GUARD_BITS
from ranvier.model.errors import RanvierError


@pytest.fixture(scope="module")
def bank() -> FilterBank:
    return filter_bank()


def _plain(bank: FilterBank, samples: list[int], channel: int) -> list[int]:
    """The rule of the docstring, a sample at a time in Python integers."""
    b, c, d = int(bank.b[channel]), int(bank.c[channel]), int(bank.d[channel])
    x1 = x2 = y1 = y2 = 0
    found = []
    for x in samples:
        y = ((b * (x - x2) << GUARD_BITS) + c * y1 - d * y2 + (1 << 15)) >> 16
        x1, x2, y1, y2 = x, x1, y, y1
        found.append((y > 0) * (y >> GUARD_BITS) - (y < 0) * (-y >> GUARD_BITS))
    return found


def test_rule_is_literally_that_of_the_docstring(bank: FilterBank) -> None:
    samples = np.random.default_rng(1).integers(-32768, 32768, 300)
    found = bank.run(samples)
    assert found.shape == (300, 16) and found.dtype == np.int64
    for channel in (0, 7, 15):
        assert found[:, channel].tolist() == _plain(bank, samples.tolist(), channel)


def test_filters_are_butterworths_and_lie_where_they_should(bank: FilterBank) -> None:
    assert bank.centres[[0, -1]] == pytest.approx([100, 6000])
    assert np.diff(np.log(bank.centres)) == pytest.approx(np.log(60) / 15)
    frequencies = np.linspace(20, 7800, 4000)
    for channel in range(bank.channels):
        b, c, d = (int(part[channel]) / 65536 for part in (bank.b, bank.c, bank.d))
        _, response = signal.freqz([b, 0, -b], [1, -c, d], frequencies, fs=bank.rate)
        centre = bank.centres[channel]
        half = 60 ** (0.5 / 15)
        # The band's borders after the bilinear transform, which is matched at the centre.
        tangent, quality = np.tan(np.pi * centre / bank.rate), 1 / (half - 1 / half)
        low, high = ((np.sqrt(1 + 4 * quality**2) + sign) / (2 * quality) for sign in (-1, 1))
        borders = np.arctan(tangent * np.array([low, high])) * bank.rate / np.pi
        _, exact = signal.freqz(*signal.butter(1, borders, "bandpass", fs=bank.rate), frequencies, fs=bank.rate)
        assert np.abs(np.abs(response) - np.abs(exact)).max() < 0.012
        assert abs(frequencies[np.abs(response).argmax()] / centre - 1) < 0.02


def test_words_hold_what_can_come(bank: FilterBank) -> None:
    """The sum of an impulse response's magnitudes bounds what any samples give: a word of 16 + 10 + 1 bits is enough."""
    impulse = np.zeros(6000, np.int64)
    impulse[0] = 32767
    assert np.abs(bank.run(impulse)).sum(axis=0).max() < 2 * 32767
    worst = np.where(np.random.default_rng(2).random(4000) < 0.5, -32768, 32767)
    assert np.abs(bank.run(worst)).max() < 1 << 16


def test_a_tone_is_loudest_in_its_channel(bank: FilterBank) -> None:
    time = np.arange(4000) / bank.rate
    for channel in (0, 5, 15):
        tone = np.rint(8000 * np.sin(2 * np.pi * bank.centres[channel] * time)).astype(int)
        loudness = np.abs(bank.run(tone))[2000:].mean(axis=0)
        assert loudness.argmax() == channel
        assert loudness[channel] == pytest.approx(8000 * 2 / np.pi, rel=0.02)


def test_several_sounds_at_once(bank: FilterBank) -> None:
    sounds = np.random.default_rng(4).integers(-32768, 32768, (300, 2, 3))
    together = bank.run(sounds)
    assert together.shape == (300, 2, 3, bank.channels)
    assert np.array_equal(together[:, 1, 2], bank.run(sounds[:, 1, 2]))
    assert bank.run(sounds[:1, 0, 0]).shape == (1, bank.channels)


def test_nothing_hums_after_a_sound(bank: FilterBank) -> None:
    loud = np.random.default_rng(3).integers(-32768, 32768, 2000)
    assert not bank.run(np.concatenate([loud, np.zeros(6000, int)]))[-1000:].any()


@pytest.mark.parametrize(("call", "message"), [
    (lambda: filter_bank(channels=1), "1 channels; it must be 2 to 256"),
    (lambda: filter_bank(low=5), "low must be at least 15.625"),
    (lambda: filter_bank(low=7000), "below high"),
    (lambda: filter_bank(high=7700), "high must be below"),
    (lambda: filter_bank().run(np.zeros(4)), "give whole numbers"),
    (lambda: filter_bank().run(np.int64(4)), "give whole numbers"),
    (lambda: filter_bank().run([40000]), "more than 16 bits")])
def test_bad_input(call: object, message: str) -> None:
    with pytest.raises(RanvierError, match=message):
        call()  # type: ignore[operator]
