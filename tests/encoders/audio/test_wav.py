"""Wav files of every rate and width, several channels, silence, and files that are damaged."""

from __future__ import annotations

import sys
import wave
from pathlib import Path

import numpy as np
import pytest
from scipy.io import wavfile

from ranvier.encoders.audio import RATE, load_wav
from ranvier.model.errors import RanvierError


def _tone(rate: int, seconds: float = 0.2, hertz: float = 440) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.asarray(0.5 * np.sin(2 * np.pi * hertz * np.arange(int(rate * seconds)) / rate))


@pytest.mark.parametrize("dtype", ["uint8", "int16", "int24", "int32", "float32", "float64"])
def test_widths(tmp_path: Path, dtype: str) -> None:
    tone, path = _tone(RATE), tmp_path / "a.wav"
    if dtype == "int24":
        with wave.open(str(path), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(3)
            file.setframerate(RATE)
            file.writeframes(b"".join(int(x * 2**23).to_bytes(3, "little", signed=True) for x in tone))
    elif dtype == "uint8":
        wavfile.write(path, RATE, np.rint(tone * 128 + 128).astype(np.uint8))
    elif dtype.startswith("int"):
        wavfile.write(path, RATE, np.rint(tone * 2.0 ** (int(dtype[3:]) - 1)).astype(dtype))
    else:
        wavfile.write(path, RATE, tone.astype(dtype))
    sound = load_wav(path)
    assert sound.samples.dtype == np.int16 and sound.rate == RATE and sound.notes == ()
    assert np.abs(sound.samples - tone * 32768).max() <= (130 if dtype == "uint8" else 1)


@pytest.mark.parametrize("rate", [8000, 16000, 22050, 44100, 48000])
def test_other_rates_are_resampled_with_a_note(tmp_path: Path, rate: int) -> None:
    wavfile.write(tmp_path / "a.wav", rate, np.rint(_tone(rate) * 32768).astype(np.int16))
    sound = load_wav(tmp_path / "a.wav")
    assert sound.notes == (f"{rate} samples a second are resampled to 15625",)
    expected = _tone(RATE) * 32768
    assert abs(len(sound.samples) - len(expected)) <= 1
    middle = slice(200, len(expected) - 200)
    assert np.abs(sound.samples[middle] - expected[middle]).max() < 0.01 * 32768


def test_stereo_is_mixed_down_with_a_note(tmp_path: Path) -> None:
    both = np.stack([np.full(100, 1000), np.full(100, -400)], axis=1).astype(np.int16)
    wavfile.write(tmp_path / "a.wav", RATE, both)
    sound = load_wav(tmp_path / "a.wav")
    assert sound.notes == ("2 channels are mixed down to their mean",) and set(sound.samples.tolist()) == {300}


def test_silence_is_told(tmp_path: Path) -> None:
    wavfile.write(tmp_path / "a.wav", RATE, np.zeros(100, np.int16))
    assert load_wav(tmp_path / "a.wav").notes == ("silence: every sample is 0",)


def test_damage_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    wavfile.write(path, RATE, np.arange(400, dtype=np.int16))
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(RanvierError) as caught:
            load_wav(path)
        assert str(caught.value).startswith(f"{path}: ") and "\n" not in str(caught.value)
        assert "cut short" in str(caught.value) or length < 44


@pytest.mark.parametrize(("content", "message"), [
    (b"", "it is no wav file"), (b"ID3\x04 something else", "it is no wav file"), (b"RIFF\x00\x00\x00\x00WAVE", "cut short or damaged")])
def test_what_is_no_wav(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "a.wav").write_bytes(content)
    with pytest.raises(RanvierError, match=message):
        load_wav(tmp_path / "a.wav")


def test_scipy_is_an_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wavfile.write(tmp_path / "a.wav", RATE, np.ones(40, np.int16))
    monkeypatch.setitem(sys.modules, "scipy.io", None)
    with pytest.raises(RanvierError, match=r"^wav: reading sounds needs scipy; pip install 'ranvier\[audio\]'$"):
        load_wav(tmp_path / "a.wav")


def test_what_cannot_be_a_sound(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    wavfile.write(path, RATE, np.zeros(0, np.int16))
    with pytest.raises(RanvierError, match="holds no samples"):
        load_wav(path)
    wavfile.write(path, RATE, np.array([0, np.nan], np.float32))
    with pytest.raises(RanvierError, match="NaN or infinity among the samples"):
        load_wav(path)
    wavfile.write(path, 3, np.zeros(10, np.int16))
    with pytest.raises(RanvierError, match="3 samples a second"):
        load_wav(path)
    with pytest.raises(RanvierError, match="no such file"):
        load_wav(tmp_path / "none.wav")
    with pytest.raises(RanvierError, match="a rate of 5"):
        load_wav(path, 5)
