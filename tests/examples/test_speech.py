"""The speech example: its front end hears the same whatever the gain, its data are read with care, its network runs in model and RTL."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from scipy.io import wavfile

from ranvier import RanvierError, map_network, run_rtl_set, simulate
from ranvier.bitstream.room import check_fabric
from ranvier.boards import BOARDS

SPEECH = Path(__file__).resolve().parents[2] / "examples" / "speech"


@pytest.fixture(scope="module")
def speech() -> Iterator[dict[str, ModuleType]]:
    """The example's modules that need no torch; they import one another by their short names, as when they are run."""
    names = ("front_end", "fsdd", "run", "augment", "prepare")
    before = {name: sys.modules.pop(name, None) for name in names}
    sys.path.insert(0, str(SPEECH))
    try:
        yield {name: importlib.import_module(name) for name in names}
    finally:
        sys.path.remove(str(SPEECH))
        for name, module in before.items():
            sys.modules.pop(name, None)
            if module is not None:
                sys.modules[name] = module


@pytest.fixture(scope="module")
def synthetic(speech: dict[str, ModuleType]) -> Any:
    """The clips of espeak-ng."""
    return speech["fsdd"].load(SPEECH / "synthetic.npz")


@pytest.fixture(scope="module")
def spikes(speech: dict[str, ModuleType], synthetic: Any) -> Any:
    return speech["front_end"].encode(synthetic.clips)


def test_synthetic_clips_are_few_and_named_so(synthetic: Any) -> None:
    assert (SPEECH / "synthetic.npz").stat().st_size < 200_000
    assert sorted(synthetic.digits) == sorted([*range(10)] * 2)
    assert all("espeak" in name for name in synthetic.names)


def test_front_end_counts_in_plain_integers(speech: dict[str, ModuleType], synthetic: Any, spikes: Any) -> None:
    """One clip, frame by frame and channel by channel, by the rule at the head of `front_end.py`."""
    front = speech["front_end"]
    energy = front.energies(synthetic.clips[:1])[0]
    peak, colour = front.QUIET, [256 * value for value in front.COLOUR]
    for step in range(front.STEPS):
        logs = []
        for value in (int(e) + 1 for e in energy[step]):
            exponent = value.bit_length() - 1
            logs.append(8 * exponent + (8 * value // (1 << exponent)) - 8)
        level = sum(logs) // len(logs)
        peak = max(peak, level)
        heard = peak - front.SPAN < level and level > front.FLOOR
        if heard:
            colour = [c + ((256 * (log - level) - c) >> front.SHIFT) for c, log in zip(colour, logs, strict=True)]
        expected = [int(heard and log - peak - (c >> 8) >= least) for c, log in zip(colour, logs, strict=True) for least in front.LEVELS]
        assert spikes[0, step].tolist() == expected, step
    assert 0.02 < spikes.mean() < 0.6


def test_front_end_does_not_look_ahead(speech: dict[str, ModuleType], synthetic: Any, spikes: Any) -> None:
    front, heard = speech["front_end"], 9
    cut = front.encode([clip[:heard * front.FRAME] for clip in synthetic.clips[:4]])
    assert np.array_equal(cut[:, :heard], spikes[:4, :heard])
    assert not cut[:, heard + 8:].any()    # filters ring out, then all is silent


def test_gain_hardly_matters(speech: dict[str, ModuleType], synthetic: Any, spikes: Any) -> None:
    quiet = speech["front_end"].encode([clip // 4 for clip in synthetic.clips])
    assert np.mean(quiet != spikes) < 0.03
    loud = speech["front_end"].encode([clip[::-1] for clip in synthetic.clips])    # what does matter: the same sounds backwards
    assert np.mean(loud != spikes) > 0.1


def test_silence_gives_no_spike_and_no_answer(speech: dict[str, ModuleType]) -> None:
    network = speech["run"].network_of()
    heard = speech["run"].listen(network, [np.zeros(4000, np.int16), np.full(4000, 7, np.int16), np.zeros(0, np.int16)])
    assert not heard.spikes[[0, 2]].any() and not heard.spikes[1, 4:].any()
    assert (heard.answers[[0, 2]] == -1).all()


def test_network_hears_the_synthetic_digits(speech: dict[str, ModuleType], synthetic: Any, spikes: Any) -> None:
    """Voices that it was never trained with: well above the two of 20 that guessing gives."""
    readouts = simulate(speech["run"].network_of(), spikes, speech["front_end"].STEPS, record=False).readouts["digit"]
    assert (readouts[:, -1].argmax(axis=1) == synthetic.digits).sum() >= 15


def test_rtl_is_the_model(speech: dict[str, ModuleType], spikes: Any) -> None:
    """The shipped network on the fabric of an iCEBreaker, the densest eight steps of one clip: every word, counter and clock."""
    network = speech["run"].network_of()
    first = int(np.argmax(np.convolve(spikes[7].sum(axis=1), np.ones(8), "valid")))
    result = run_rtl_set(map_network(network, speech["run"].fabric_of(network)), spikes[7:8, first:first + 8], 8, encoded=True)
    assert result.mismatch is None, str(result.mismatch)
    assert result.readouts.any()


def test_it_fits_boards_and_keeps_up(speech: dict[str, ModuleType], spikes: Any) -> None:
    run = speech["run"]
    network = run.network_of()
    check_fabric(BOARDS["icebreaker"], run.fabric_of(network), tailored=True)
    rows = dict(run.board_rows(network, spikes))
    assert set(rows) == {"iCEBreaker", "ULX3S 85F"}
    for text in rows.values():
        assert float(text.split(" clocks")[0].split(", ")[-1]) < 0.025 * 36_000_000


def test_measured_is_of_the_shipped_network(speech: dict[str, ModuleType]) -> None:
    measured = json.loads((SPEECH / "measured.json").read_text())
    network = speech["run"].network_of()
    assert measured["spiking"]["official"]["weights"] == sum(p.weights.size for p in network.projections)
    for found in measured.values():
        for outcome in found.values():
            assert 0 <= outcome["accuracy"] <= 1 and outcome.get("while_spoken", [outcome["accuracy"]])[-1] == pytest.approx(
                outcome["accuracy"], abs=1e-4)
    titles = [row[0] for row in speech["run"].measured_rows(measured)]
    assert titles[0] == "recurrent, delayed, spiking" and len(titles) == len(measured)


def test_a_folder_of_wavs_is_an_npz(speech: dict[str, ModuleType], synthetic: Any, tmp_path: Path) -> None:
    """A clone's layout; a file of another rate and two channels is mended, and told."""
    folder = tmp_path / "recordings"
    folder.mkdir()
    for number in range(3):
        wavfile.write(folder / f"{number}_ann_{number + 4}.wav", 8000, synthetic.clips[number])
    wavfile.write(folder / "9_ann_1.wav", 16000, np.repeat(synthetic.clips[3], 2)[:, None].repeat(2, axis=1))
    (folder / "notes.txt").write_text("not a recording")
    found = speech["fsdd"].load(tmp_path)
    assert found.digits.tolist() == [0, 1, 2, 9] and found.official.tolist() == [True, False, False, True]
    assert np.array_equal(found.clips[1], synthetic.clips[1]) and abs(len(found.clips[3]) - len(synthetic.clips[3])) <= 1
    assert len(found.notes) == 2 and "16000 samples a second are resampled to 8000" in found.notes[1]
    assert len(found.part(found.official).clips) == 2


@pytest.mark.parametrize(("make", "message"), [
    (lambda path: path / "gone", "CC BY-SA 4.0; 3,000 wav files, 21 MB.*git clone.*--data"),
    (lambda path: path, "no files with names like 7_jackson_3.wav"),
    (lambda path: _written(path / "a.npz", b"PK nothing"), "no npz of names, samples and offsets"),
    (lambda path: _saved(path / "b.npz", offsets=np.array([0, 3, 2])), "do not fit one another"),
    (lambda path: _saved(path / "c.npz", names=np.array(["seven"])), "called 'seven'; names are digit_speaker_index")])
def test_bad_data(speech: dict[str, ModuleType], make: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(RanvierError, match=message):
        speech["fsdd"].load(make(tmp_path))


def _written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def _saved(path: Path, **changed: Any) -> Path:
    np.savez(path, **{"names": np.array(["7_ann_0"]), "samples": np.zeros(9, np.int16), "offsets": np.array([0, 9]), **changed})
    return path


def test_no_data_is_one_line(speech: dict[str, ModuleType], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.delenv("RANVIER_FSDD", raising=False)
    monkeypatch.setattr(sys, "argv", ["prepare.py"])
    with pytest.raises(SystemExit) as ended:
        speech["fsdd"].told(speech["prepare"].main)
    said = capsys.readouterr().err
    assert ended.value.code == 2 and said.count("\n") == 1 and "git clone https://github.com/Jakobovski/free-spoken-digit-dataset" in said


def test_a_file_is_listened_to(speech: dict[str, ModuleType], synthetic: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = speech["run"]
    wavfile.write(tmp_path / "mine.wav", 16000, np.repeat(synthetic.clips[6], 2)[:, None].repeat(2, axis=1))
    wavfile.write(tmp_path / "long.wav", 8000, np.tile(synthetic.clips[6], 5))
    wavfile.write(tmp_path / "silent.wav", 8000, np.zeros(3000, np.int16))
    for name in ("mine", "long", "silent"):
        run.say(run.network_of(), tmp_path / f"{name}.wav")
    said = capsys.readouterr().out
    assert "2 channels are mixed down" in said and "16000 samples a second are resampled to 8000" in said
    assert "ms on" in said and "the rest is not heard" in said
    assert "silence: every sample is 0" in said and "silent.wav: nothing is heard" in said


def test_prepare_writes_what_training_reads(speech: dict[str, ModuleType], synthetic: Any, spikes: Any, tmp_path: Path) -> None:
    few = synthetic.part(np.arange(20) < 3)
    speech["prepare"].prepare(few, tmp_path, copies=2)
    with np.load(tmp_path / "spikes.npz") as archive:
        assert np.array_equal(archive["spikes"], spikes[:3]) and archive["digits"].tolist() == [0, 0, 1]
    copies = np.load(tmp_path / "copies.npy")
    assert copies.shape == (2, 3, *spikes.shape[1:]) and copies.max() == 1
    assert (copies[0] != copies[1]).any() and 0.3 < copies.mean() / spikes[:3].mean() < 3
    with np.load(tmp_path / "test.npz") as archive:
        assert archive["samples"].shape == (3, *spikes.shape[1:]) and archive["labels"].tolist() == [0, 0, 1]


def test_what_was_heard_is_written_time_first(speech: dict[str, ModuleType], synthetic: Any, spikes: Any, tmp_path: Path) -> None:
    run = speech["run"]
    run._write_spikes(tmp_path / "spikes.npz", run.Heard(spikes, np.zeros((len(spikes), 1, 1))), synthetic.digits)
    with np.load(tmp_path / "spikes.npz") as written:
        assert written["spikes"].shape == (speech["front_end"].STEPS, len(spikes), 96)
        assert np.array_equal(written["spikes"].swapaxes(0, 1), spikes) and np.array_equal(written["labels"], synthetic.digits)
