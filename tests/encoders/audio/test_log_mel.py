"""Log-mel: its triangles, a tone in its place, silence, bad options."""

from __future__ import annotations

import numpy as np
import pytest

from ranvier.encoders.audio import log_mel, mel_energies, mel_filters
from ranvier.model.errors import RanvierError


def test_triangles_are_htks() -> None:
    filters = mel_filters(16000, 512, 20, 0, 8000)
    mel = 2595 * np.log10(1 + np.array([0, 8000]) / 700)
    corners = 700 * (10 ** (np.linspace(mel[0], mel[1], 22) / 2595) - 1)
    for m in range(20):
        for k in (0, 10, 50, 130, 256):
            f = k * 16000 / 512
            left, middle, right = corners[m:m + 3]
            height = (f - left) / (middle - left) if f <= middle else (right - f) / (right - middle)
            assert filters[m, k] == pytest.approx(max(height, 0), abs=1e-12)


def test_energies_are_windows_spectra_and_triangles() -> None:
    x = np.random.default_rng(8).normal(0, 1, 900)
    found = mel_energies(x, 8000, mels=12, window=256, hop=100)
    assert found.shape == (7, 12)
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(256) / 256)
    dft = np.exp(-2j * np.pi * np.outer(np.arange(129), np.arange(256)) / 256)
    power = np.abs(dft @ (hann * x[300:556])) ** 2
    assert found[3] == pytest.approx(mel_filters(8000, 256, 12, 20, 4000) @ power, rel=1e-9)


def test_a_tone_is_in_its_band() -> None:
    found = log_mel(np.sin(2 * np.pi * 1000 * np.arange(8000) / 16000), 16000)
    mel = 2595 * np.log10(1 + np.array([20, 8000, 1000]) / 700)
    band = (mel[2] - mel[0]) / (mel[1] - mel[0]) * 41 - 1
    assert abs(found.mean(axis=0).argmax() - band) < 1
    assert found.max() == 1 and found.min() >= 0


def test_silence_is_zero() -> None:
    assert not log_mel(np.zeros(1000), 16000).any()


@pytest.mark.parametrize(("options", "message"), [
    ({"window": 1}, "a window of 1"), ({"low": 9000}, "9000 to 8000 Hz"), ({"window": 2000}, "1000 samples; a window has 2000"),
    ({"range_db": 0}, "range_db is 0")])
def test_bad_options(options: dict[str, float], message: str) -> None:
    with pytest.raises(RanvierError, match=message):
        log_mel(np.zeros(1000), 16000, **options)  # type: ignore[arg-type]


def test_bad_samples() -> None:
    with pytest.raises(RanvierError, match="of one channel"):
        log_mel(np.zeros((1000, 2)), 16000)
