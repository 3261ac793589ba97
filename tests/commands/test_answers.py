"""`ranvier convert` and `ranvier run`: figures that mean what they say."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ranvier.commands.answers import clamped_samples
from ranvier.commands.convert import as_options, numbers
from ranvier.commands.run import run_samples
from ranvier.convert.convert import convert
from ranvier.convert.samples import as_inputs
from ranvier.files.network import load_network, save_network
from ranvier.files.samples import load_samples
from ranvier.frontends.onnx import load_onnx
from ranvier.model.errors import RanvierError
from ranvier.progress import waiting
from ranvier.reports.tables import note_lines, run_rows

CASES = Path(__file__).parents[1] / "cases" / "figures"


def run(folder: Path, name: str, calibration: str | None, test: Path, ticks: int | None = None,
        **options: Any) -> dict[str, Any]:
    """Convert a case and run it; the report."""
    network = load_onnx(CASES / f"{name}.onnx")
    samples = None if calibration is None else load_samples(CASES / calibration, network.input_size)
    save_network(convert(network, calibration=samples, **options).network, folder / "n.ranvier")
    report = run_samples(folder / "n.ranvier", "golden:", test, ticks, None, output=folder / "out", cores=1, lanes=4)
    assert json.loads((folder / "out" / "report.json").read_text()) == report
    return report


def readouts(folder: Path) -> dict[str, Any]:
    with np.load(folder / "out" / "readouts.npz") as saved:
        return dict(saved)


def test_one_output_names_two_classes(tmp_path: Path) -> None:
    report = run(tmp_path, "binary", "binary_calibration.npz", CASES / "binary_test.npz", steps=64, weight_bits=8)
    assert report["answer"] == "binary" and report["accuracy"] == pytest.approx(0.9649, abs=1e-4)
    assert any("labels are 0 and 1: class 1 is where it is above 0; convert with --answer" in line for line in note_lines(report))
    saved = readouts(tmp_path)
    np.testing.assert_array_equal(saved["classes"], saved["readouts"][:, 0] > 0)
    np.testing.assert_allclose(saved["values"], saved["readouts"] * saved["scale"])
    said = run(tmp_path, "binary", "binary_calibration.npz", CASES / "binary_test.npz", steps=64, weight_bits=8, answer="binary")
    assert said["accuracy"] == report["accuracy"] and not any("output" in note for note in said.get("notes", []))
    one = run(tmp_path, "one_output", "one_output.npz", CASES / "one_output.npz", steps=4)
    assert one["accuracy"] == 1.0


def test_a_value_has_errors_and_no_accuracy(tmp_path: Path) -> None:
    network = load_onnx(CASES / "one_output_sigmoid.onnx")
    samples = np.random.default_rng(0).random((50, 6))
    wanted = network.forward(np.rint(samples * 255) / 255)[:, 0]
    np.savez(tmp_path / "values.npz", X=samples, y=wanted + 0.25)
    save_network(convert(network, calibration=samples, steps=256, weight_bits=8, answer="value").network, tmp_path / "n.ranvier")
    report = run_samples(tmp_path / "n.ranvier", "golden:", tmp_path / "values.npz", None, None, output=tmp_path / "out", cores=1, lanes=4)
    assert report["answer"] == "value" and "accuracy" not in report
    assert report["mean_absolute_error"] == pytest.approx(0.25, abs=0.02) and report["rms_error"] == pytest.approx(0.25, abs=0.03)
    rows = dict(run_rows(report))
    assert "rms error" in rows and "accuracy" not in rows
    assert "classes" not in readouts(tmp_path) and np.abs(readouts(tmp_path)["values"][:, 0] - wanted).mean() < 0.05


def test_a_range_is_mapped_in_runs(tmp_path: Path) -> None:
    right = run(tmp_path, "trained_on_0_16", "raw_calibration.npz", CASES / "raw_test.npz", steps=16, input_range=(0, 16))
    assert right["accuracy"] >= 0.96 and "notes" not in right
    wrong = run(tmp_path, "trained_on_0_16", "raw_calibration.npz", CASES / "raw_test.npz", steps=16)
    assert any("from 0 to 16, of a range of 0 to 255" in note and "--input-range 0 16" in note for note in wrong["notes"])


def test_clamps_are_said_beside_the_accuracy(tmp_path: Path) -> None:
    """Few ticks in the conversion, many in the run: which layer, in how many samples, and what mends it."""
    np.savez(tmp_path / "few.npz", **{name: array[:20] for name, array in np.load(CASES / "digits_test.npz").items()})
    report = run(tmp_path, "wide_digits", "digits_calibration.npz", tmp_path / "few.npz", steps=4, weight_bits=8, ticks=256)
    readout = load_onnx(CASES / "wide_digits.onnx").layers[-1].name
    assert report["clamped_samples"][readout] > 10
    assert dict(run_rows(report))[f"samples in which {readout} was clamped"] == f"{report['clamped_samples'][readout]} of 20"
    (note,) = [note for note in report["notes"] if note.startswith(readout)]
    assert "was converted for 4 ticks; convert it with --ticks 256, or with more --state-bits (it has 16)" in note
    # Where the target counts clamps all together, the model says where they acted.
    network = load_network(tmp_path / "n.ranvier")
    with np.load(tmp_path / "few.npz") as saved:
        assert clamped_samples(network, as_inputs(network, saved["pictures"]), 256) == report["clamped_samples"]
    short = run_samples(tmp_path / "n.ranvier", "golden:", tmp_path / "few.npz", None, None, cores=1, lanes=4)
    assert "notes" not in short and not any("clamped" in name for name, _ in run_rows(short))


def test_labels_that_cannot_be_given(tmp_path: Path) -> None:
    with np.load(CASES / "raw_test.npz") as saved:
        np.savez(tmp_path / "high.npz", pictures=saved["pictures"], labels=saved["labels"] + 3)
    report = run(tmp_path, "trained_on_0_16", "raw_calibration.npz", tmp_path / "high.npz", steps=4, input_range=(0, 16))
    assert "accuracy" not in report and report["notes"] == ["labels: they go to 12, and the network gives 0 to 9; no accuracy can be given"]


def test_words_of_the_command_line() -> None:
    assert as_options("steps=16 weight_bits=8, input_range=(0, 16)") == "--ticks 16 --weight-bits 8, --input-range 0 16"
    assert as_options("give samples with calibration=, or train") == "give samples with --calibrate, or train"
    assert as_options("use more state_bits or fewer steps") == "use more --state-bits or fewer ticks"
    assert numbers("mean", "0.1,2") == (0.1, 2.0) and numbers("std", None) is None
    with pytest.raises(RanvierError, match="--std is 'x'"):
        numbers("std", "x")


def test_quick_steps_say_nothing(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ranvier.progress._QUICK", 0.2)
    with waiting("compile (kept for the next run)"):
        pass
    assert "kept" not in capsys.readouterr().err
    with waiting("compile (kept for the next run)"):
        time.sleep(1)
    assert "compile (kept for the next run) ..." in capsys.readouterr().err
