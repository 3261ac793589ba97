"""The main job, end to end on the real digits, with fewer pictures in the RTL."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib import image

from ranvier.commands.demo import TICKS, find_digits, run_demo
from ranvier.commands.run import run_samples
from ranvier.files.network import load_network
from ranvier.model.errors import RanvierError
from ranvier.reports.tables import demo_rows, load_report

PICTURES = 200


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the demo wrote, on the default fabric."""
    found = tmp_path_factory.mktemp("demo")
    run_demo(found, pictures=PICTURES)
    return found


@pytest.fixture(scope="module")
def report(folder: Path) -> dict[str, Any]:
    """Its report, as it is in the file."""
    found: dict[str, Any] = json.loads((folder / "report.json").read_text())
    return found


def test_accuracy(report: dict[str, Any]) -> None:
    assert list(report["snn_accuracy"]) == [str(ticks) for ticks in TICKS] == ["1", "2", "4", "8", "16"]
    assert report["ann_accuracy"] >= 0.98 and report["samples"] == 10_000
    assert abs(report["ann_accuracy"] - report["snn_accuracy"]["4"]) <= 0.003
    assert report["weight_bits"] == 4 and report["ticks"] == 4


def test_rtl_equals_the_model(report: dict[str, Any]) -> None:
    assert report["rtl_samples"] == PICTURES and report["rtl_mismatches"] == 0 and "mismatch" not in report
    assert report["rtl_clocks"]["samples_alone"] == 20


def test_trained_digits_are_equal_on_the_same_fabric(folder: Path) -> None:
    """Those that `ranvier train` made, of which tests/examples has the accuracy."""
    network = Path(__file__).resolve().parents[2] / "examples" / "digits" / "trained_1.ranvier"
    found = run_samples(network, "fabric:", network.parent / "mnist_test.npz", None, 20, compare=True)
    assert (found["ticks"], found["rtl_samples"], found["rtl_mismatches"]) == (1, 20, 0) and "mismatch" not in found


def test_clocks(report: dict[str, Any]) -> None:
    assert report["fabric"]["cores"] == 2 and report["fabric"]["core"]["lanes"] == 64
    limit = report["weight_words_on_busiest_core"]
    assert limit < report["clocks_per_sample_stream"] <= 700 and limit < report["clocks_per_sample"] <= 900
    assert 0.95 <= report["weight_limit_share"] <= 1
    assert report["clocks_per_tick"] == pytest.approx(report["clocks_per_sample_stream"] / 4, rel=0.01)
    # Measured clocks of the first pictures beside predicted ones of all pictures: their mean is near, not equal.
    measured = report["rtl_clocks"]
    assert measured["stream"] / PICTURES == pytest.approx(report["clocks_per_sample_stream"], rel=0.2)
    assert measured["alone"] / measured["samples_alone"] == pytest.approx(report["clocks_per_sample"], rel=0.3)


def test_work(report: dict[str, Any]) -> None:
    spikes = report["spikes_per_sample"]
    assert spikes["input"] == pytest.approx(417, abs=1) and 0 < spikes["hidden"] < 4 * 128
    assert report["synaptic_operations_per_sample"] == pytest.approx(128 * spikes["input"] + 10 * spikes["hidden"], rel=1e-6)


def test_semantics_are_reported(report: dict[str, Any]) -> None:
    assert all(record["reset"] == "subtract" and record["strict"] is False for record in report["semantics"].values())
    assert len(report["semantics"]) == 2     # the readout never spikes


@pytest.mark.parametrize("name", ["raster.png", "membranes.png"])
def test_pictures_show_something(folder: Path, name: str) -> None:
    pixels = image.imread(folder / name)
    assert min(pixels.shape[:2]) >= 300
    ink = float(np.mean(pixels[..., :3].min(axis=2) < 0.9))
    assert 0.005 < ink < 0.5


def test_table_and_network(folder: Path, report: dict[str, Any]) -> None:
    assert load_report(folder) == report
    rows = dict(demo_rows(report))
    assert rows["pictures compared in RTL"] == "200" and rows["mismatches (spikes, membranes, counters, clocks)"] == "0"
    assert rows["SNN accuracy, 4 ticks, 4-bit weights"] == f"{100 * report['snn_accuracy']['4']:.2f} %"
    assert [p.size for p in load_network(folder / "digits.ranvier").populations] == [784, 128, 10]
    assert {path.name for path in folder.iterdir()} == {"digits.ranvier", "report.json", "raster.png", "membranes.png"}


def test_the_digits_are_in_the_checkout(tmp_path: Path) -> None:
    assert (find_digits() / "mnist_test.npz").is_file()
    with pytest.raises(RanvierError, match="digits.onnx"):
        run_demo(tmp_path / "out", digits=tmp_path)
    assert not (tmp_path / "out").exists()
