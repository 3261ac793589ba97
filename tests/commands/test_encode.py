"""`ranvier encode`: every encoder from a file to an npz and a raster, its help, and one line for every mistake."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from scipy.io import wavfile

from ranvier import encoders
from ranvier.commands.encode import ENCODERS, option_names
from ranvier.encoders import audio, events
from tests.command_line import Run, runner

CASES = Path(__file__).resolve().parents[1] / "cases" / "encoders"


@pytest.fixture
def encode(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """`ranvier encode` in this process."""
    return runner(monkeypatch, capsys, "encode")


def _arrays(path: Path) -> dict[str, Any]:
    with np.load(path) as file:
        return {name: file[name] for name in file.files}


@pytest.fixture
def pixels(tmp_path: Path) -> Path:
    """Six samples of 3 x 4 pixels, with labels and with words beside them."""
    path = tmp_path / "pixels.npz"
    values = np.random.default_rng(9).integers(0, 256, (6, 3, 4)).astype(np.uint8)
    np.savez(path, pictures=values, labels=np.arange(6), about=np.array("words"))
    return path


@pytest.fixture
def sound(tmp_path: Path) -> Path:
    path = tmp_path / "word.wav"
    wavfile.write(path, 16000, np.random.default_rng(10).normal(0, 3000, (4000, 2)).astype(np.int16))
    return path


@pytest.mark.parametrize(("encoder", "settings", "options"), [
    ("rate", [], {}),
    ("rate", ["v_init=0", "input_bits=4"], {"v_init": 0, "input_bits": 4}),
    ("latency", ["normalize=yes", "linear=yes"], {"normalize": True, "linear": True}),
    ("phase", ["period=4"], {"period": 4}),
    ("burst", ["most=3"], {"most": 3}),
    ("population", ["neurons=5", "cutoff=0.2"], {"neurons": 5, "cutoff": 0.2})])
def test_values_that_are_held(encode: Run, pixels: Path, tmp_path: Path, encoder: str, settings: list[str],
                              options: dict[str, Any]) -> None:
    given = [word for setting in settings for word in ("--set", setting)]
    done = encode(encoder, pixels, "--steps", 8, *given, "-o", tmp_path / "out.npz", "--raster", tmp_path / "out.png", "--sample", 5)
    assert done.code == 0 and not done.err
    found = _arrays(tmp_path / "out.npz")
    expected = getattr(encoders, encoder)(_arrays_of(pixels) / 255, 8, **options)
    assert np.array_equal(found["spikes"], expected) and found["labels"].tolist() == list(range(6))
    assert found["spikes"].shape[:2] == (8, 6)
    assert Image.open(tmp_path / "out.png").size == (840, 480)
    assert f"{int(expected.sum()):,}" in done.out


def _arrays_of(pixels: Path) -> Any:
    with np.load(pixels) as file:
        return file["pictures"]


def test_samples_are_windows_of_one_run(encode: Run, pixels: Path, tmp_path: Path) -> None:
    done = encode("rate", pixels, "--steps", 8, "--limit", 3, "--set", "method=bernoulli", "--set", "seed=5", "--set", "first_step=16",
                  "-o", tmp_path / "out.npz", "--json")
    found = _arrays(tmp_path / "out.npz")
    for n, sample in enumerate(_arrays_of(pixels)[:3]):
        expected = encoders.rate(sample / 255, 8, method="bernoulli", seed=5, first_step=16 + 8 * n)
        assert np.array_equal(found["spikes"][:, n], expected)
    report = json.loads(done.out)
    assert report["shape"] == [8, 3, 3, 4] and report["spikes"] == found["spikes"].sum() and found["labels"].tolist() == [0, 1, 2]


@pytest.mark.parametrize("encoder", ["delta", "send_on_delta"])
def test_values_that_change(encode: Run, tmp_path: Path, encoder: str) -> None:
    signal = np.cumsum(np.random.default_rng(11).normal(0, 0.2, (30, 2)), axis=0)
    np.save(tmp_path / "signal.npy", signal)
    done = encode(encoder, tmp_path / "signal.npy", "-o", tmp_path / "out.npz", "--set", "threshold=0.3", "--raster", tmp_path / "out.png")
    assert done.code == 0
    assert np.array_equal(_arrays(tmp_path / "out.npz")["spikes"], getattr(encoders, encoder)(signal, threshold=0.3))
    assert Image.open(tmp_path / "out.png").size == (840, 480)


def test_ranges(encode: Run, tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.array([[-1.0, 1.0]]))
    assert encode("rate", tmp_path / "a.npy", "--steps", 4, "--input-range", -1, 1, "-o", tmp_path / "out.npz").code == 0
    assert _arrays(tmp_path / "out.npz")["spikes"].sum(axis=0).tolist() == [[0, 4]]
    done = encode("rate", tmp_path / "a.npy", "--steps", 4, "-o", tmp_path / "other.npz")
    assert done.code == 2 and done.err == (f"error: {tmp_path}/a.npy: rate: values from -1 to 1; scale them to 0 to 1 first\n")
    assert not (tmp_path / "other.npz").exists()
    np.save(tmp_path / "b.npy", np.array([[0, 1000]]))
    done = encode("rate", tmp_path / "b.npy", "--steps", 4, "-o", tmp_path / "other.npz")
    assert "values from 0 to 1000 outside of 0 to 255; give their range with --input-range LOW HIGH" in done.err


def test_sounds(encode: Run, sound: Path, tmp_path: Path) -> None:
    done = encode("audio", sound, "-o", tmp_path / "out.npz", "--set", "b=9", "--raster", tmp_path / "out.png")
    loaded = audio.load_wav(sound)
    assert np.array_equal(_arrays(tmp_path / "out.npz")["spikes"], audio.audio(loaded.samples, b=9))
    assert "note: 2 channels are mixed down to their mean\nnote: 16000 samples a second are resampled to 15625\n" in done.out
    assert encode("log_mel", sound, "-o", tmp_path / "mel.npz", "--set", "mels=20", "--raster", tmp_path / "mel.png").code == 0
    mel = audio.log_mel(audio.load_wav(sound, 16000).samples, 16000, mels=20)
    assert np.array_equal(_arrays(tmp_path / "mel.npz")["values"], mel)


def test_silence_is_told(encode: Run, tmp_path: Path) -> None:
    wavfile.write(tmp_path / "a.wav", audio.RATE, np.zeros(100, np.int16))
    done = encode("audio", tmp_path / "a.wav", "-o", tmp_path / "out.npz")
    assert done.code == 0 and "note: silence: every sample is 0\nnote: not a single spike came out\n" in done.out


def test_text(encode: Run, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("naïve spikes", "utf-8")
    assert encode("text", tmp_path / "a.txt", "-o", tmp_path / "out.npz", "--set", "n=2", "--set", "size=64").code == 0
    assert np.array_equal(_arrays(tmp_path / "out.npz")["spikes"], encoders.text("naïve spikes", 64, 2))
    (tmp_path / "b.txt").write_bytes(b"ab\xff")
    done = encode("text", tmp_path / "b.txt", "-o", tmp_path / "other.npz")
    assert done.code == 2 and done.err.startswith(f"error: {tmp_path}/b.txt: text: byte 2 is no UTF-8")


def test_events(encode: Run, tmp_path: Path) -> None:
    done = encode("events", CASES / "small.aedat4", "-o", tmp_path / "out.npz", "--set", "time_window=200", "--set", "filter_time=300",
                  "--set", "spatial_factor=0.5", "--set", "merge_polarities=yes", "--set", "include_incomplete=yes")
    recording = events.denoise(events.load_events(CASES / "small.aedat4"), 300)
    recording = events.merge_polarities(events.downsample(recording, spatial_factor=0.5))
    frames = events.to_frame(recording, time_window=200, include_incomplete=True)
    assert np.array_equal(_arrays(tmp_path / "out.npz")["spikes"], np.moveaxis(frames, 1, 3))    # (y, x, channel), as populations
    assert re.search(r"note: \d+ of \d+ events are dropped as noise\n", done.out)
    done = encode("events", CASES / "small.aedat4", "-o", tmp_path / "out.npz", "--set", "event_count=9", "--set", "sensor_size=3x3x2")
    assert done.code == 2 and "outside of the sensor's 0 to 2" in done.err


@pytest.mark.parametrize(("arguments", "message"), [
    (["rate", "pixels.npz"], "rate needs --steps, how long each value is held"),
    (["delta", "pixels.npz", "--steps", "3"], "delta takes its steps from the file; leave --steps out"),
    (["text", "pixels.npz", "--limit", "3"], "text reads no samples; leave --limit out"),
    (["delta", "pixels.npz", "--sample", "1"], "delta reads a single sample; leave --sample out"),
    (["rate", "pixels.npz", "--steps", "4", "--raster", "out.png", "--sample", "6"], "--sample is 6; it must be 0 to 5"),
    (["rate", "pixels.npz", "--steps", "4", "--raster", "out.npz"], "--output and --raster are the same file"),
    (["rate", "pixels.npz", "--steps", "4", "--set", "tau=1"], "--set tau=1: rate takes method=..., input_bits=..., v_init=..., seed=..."),
    (["rate", "pixels.npz", "--steps", "4", "--set", "seed"], "--set seed: rate takes"),
    (["rate", "pixels.npz", "--steps", "4", "--set", "seed=x"], "--set seed=x: give a whole number"),
    (["latency", "pixels.npz", "--steps", "4", "--set", "clip=2"], "--set clip=2: give yes or no"),
    (["latency", "pixels.npz", "--steps", "4", "--set", "tau=x"], "--set tau=x: give a number"),
    (["events", "pixels.npz", "--set", "sensor_size=3x3"], "give three whole numbers, as 34x34x2"),
    (["rate", "pixels.npz", "--steps", "4", "--set", "seed=1", "--set", "seed=2"], "--set seed is given twice"),
    (["rate", "pixels.npz", "--steps", "65535", "--samples", "none"], "--samples none: there is no array of that name"),
    (["rate", "pixels.npz", "--steps", "4", "--input-range", "1", "1"], "--input-range is 1 1; give two finite numbers"),
    (["burst", "pixels.npz", "--steps", "4"], "pixels.npz: burst: most is 5; it must be 1 to the 4 steps"),
    (["rate", "none.npz", "--steps", "4"], "none.npz: no such file"), (["audio", "pixels.npz"], "pixels.npz: it is no wav file"),
    (["text", "pixels.npz"], "pixels.npz: text: byte"), (["events", "pixels.npz", "--set", "time_window=1"], "pixels.npz"),
    (["rote", "pixels.npz"], "'rote' is not one of 'rate', 'latency'")])
def test_mistakes_are_one_line(encode: Run, pixels: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str) -> None:
    monkeypatch.chdir(pixels.parent)
    done = encode(*arguments, "-o", "out.npz")
    assert done.code == 2 and message in done.err
    assert done.err.startswith("error: ") and done.err.count("\n") == 1
    assert sorted(path.name for path in pixels.parent.iterdir()) == ["pixels.npz"]


def test_what_would_take_all_memory_is_refused(encode: Run, tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros((100, 1000), np.uint8))
    done = encode("rate", tmp_path / "a.npy", "--steps", 65535, "-o", tmp_path / "out.npz")
    assert done.code == 2 and "65535 steps of 100000 neurons are more than 512 MiB; use --limit or fewer steps" in done.err
    (tmp_path / "a.txt").write_text("a" * 1000)
    done = encode("text", tmp_path / "a.txt", "--set", f"size={1 << 24}", "-o", tmp_path / "out.npz")
    assert done.code == 2 and "more than 512 MiB of spikes" in done.err


def test_help_names_every_encoder_and_option(encode: Run) -> None:
    text = encode("--help").out
    for name in ENCODERS:
        (line,) = re.findall(rf"^    {name} .*(?:\n {{20,}}\S.*)*", text, re.MULTILINE)
        said = set(re.findall(r"(\w+)=", line))
        assert said == set(option_names(name)), name


def test_png_is_a_picture_of_the_spikes() -> None:
    """Dark where there is a spike, and nowhere else."""
    from ranvier.reports.encoded import raster_png
    counts = np.zeros((4, 4), np.int16)
    empty = np.asarray(Image.open(io.BytesIO(raster_png(counts, "a"))).convert("L"))
    counts[1, 2] = 3
    full = np.asarray(Image.open(io.BytesIO(raster_png(counts, "a"))).convert("L"))
    assert (empty[150:300] < 100).sum() < (full[150:300] < 100).sum()
