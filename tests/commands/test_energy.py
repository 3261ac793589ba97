"""`ranvier energy`: files in, counts, energies and verdicts out; bad input ends in one line."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import numpy as np
import pytest

from ranvier.convert.convert import convert
from ranvier.files.network import save_network
from ranvier.frontends.onnx import load_onnx
from ranvier.mapping.mapper import map_network
from ranvier.model.fabric.config import FabricConfig
from ranvier.model.fabric.layout import Counter
from ranvier.model.fabric.run import run_model
from ranvier.model.network.network import Network
from ranvier.model.network.population import Population
from ranvier.model.network.projection import Projection
from tests.command_line import Run, runner

DIGITS = Path(__file__).resolve().parents[2] / "examples" / "digits"
SAMPLES = 40


@pytest.fixture
def ranvier(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    return runner(monkeypatch, capsys, "energy")


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the digits' network for 4 ticks, and some test digits."""
    folder = tmp_path_factory.mktemp("energy")
    save_network(convert(load_onnx(DIGITS / "digits.onnx"), steps=4).network, folder / "digits.ranvier")
    with np.load(DIGITS / "mnist_test.npz") as file:
        np.savez(folder / "test.npz", pictures=file["pictures"][:SAMPLES], labels=file["labels"][:SAMPLES])
        np.savez(folder / "plain.npz", pictures=file["pictures"][:SAMPLES])
        np.savez(folder / "narrow.npz", pictures=file["pictures"][:SAMPLES, :700])
    return folder


def small(folder: Path, inputs: int = 9, **more: int) -> Path:
    rng = np.random.default_rng(0)
    path = folder / f"small{inputs}.ranvier"
    save_network(Network(
        (Population("pixels", inputs, "input", theta=255, **more), Population("hidden", 8, "if", theta=30), Population("out", 3, "li")),
        (Projection.dense("pixels", "hidden", rng.integers(-7, 8, (inputs, 8))),
         Projection.dense("hidden", "out", rng.integers(-7, 8, (8, 3))))), path)
    return path


def test_digits_and_their_twins(ranvier: Run, digits: Path, tmp_path: Path) -> None:
    """Every twin has a row; totals are those of the cycle model; the dense digits lose; JSON, page and picture are written."""
    done = ranvier(digits / "digits.ranvier", "--input", digits / "test.npz", "--twin", DIGITS / "digits.onnx", "--rate", 1000, "-o",
                   tmp_path / "out", "--json")
    assert done.code == 0, done.err
    report = done.json
    rows = {row["name"]: row for row in report["rows"]}
    assert list(rows) == ["T = 1", "T = 2", "T = 4", "graded, 2 bits, T = 1", "graded, 3 bits, T = 1", "float"]
    assert rows["T = 4"]["verdict"] == "loses" and rows["T = 4"]["against"] == "graded, 3 bits, T = 1"
    low, high = rows["T = 4"]["break_even_spike_rate"]
    assert low <= high < rows["T = 4"]["spike_rate"] < 0.2
    assert rows["float"]["macs"] == 784 * 128 + 128 * 10
    for row in rows.values():
        assert row["accuracy"] > 0.85 and row["accuracy_95"][0] < row["accuracy"] < row["accuracy_95"][1] + 1e-12
    network, four = convert(load_onnx(DIGITS / "digits.onnx"), steps=4).network, rows["T = 4"]
    with np.load(digits / "test.npz") as file:
        run = run_model(map_network(network, FabricConfig.from_json(four["fabric"])), {network.inputs[0].name: file["pictures"]}, 4)
    assert four["totals"]["synaptic_operations"] == {"4-bit weight into 16-bit sum": int(run.cycles.counters[:, Counter.SYNOPS].sum())}
    assert four["totals"]["clocks"] == int(run.cycles.clocks.sum()) == round(four["clocks_per_sample"] * SAMPLES)
    assert sum(four["totals"]["spikes"].values()) == int(run.cycles.counters[:, Counter.SPIKES].sum())
    assert four["at_rate"]["watts"]["total"] == pytest.approx([1000 * end for end in four["joules"]["total"]])
    for row in report["rows"]:
        ends = [sum(term["joules"][end] for term in row["terms"]) for end in (0, 1)]
        assert row["joules"]["total"] == pytest.approx(ends)
    assert json.loads((tmp_path / "out" / "energy.json").read_text()) == report
    page = (tmp_path / "out" / "energy.md").read_text()
    assert "| loses |" in page and "5.7 %" in page and "| encoder | inputs |" in page
    assert (tmp_path / "out" / "energy.png").read_bytes().startswith(b"\x89PNG")


def test_without_labels_there_is_no_accuracy(ranvier: Run, digits: Path, tmp_path: Path) -> None:
    """And a line says so; the picture needs none."""
    done = ranvier(digits / "digits.ranvier", "--input", digits / "plain.npz", "--ticks", 2, "-o", tmp_path / "out")
    assert done.code == 0 and "there are no labels, so the accuracy is left out" in done.out
    assert "there is no graded twin" in done.out
    report = json.loads((tmp_path / "out" / "energy.json").read_text())
    assert [row["accuracy"] for row in report["rows"]] == [None, None] and "accuracy_95" not in report["rows"][0]


def test_the_up5k_has_static_and_clock(ranvier: Run, tmp_path: Path) -> None:
    """Spikes of `encode`, new in each step; a twin that is a network; the check by SYNtzulu; cells that a build counted."""
    network = small(tmp_path)
    rng = np.random.default_rng(2)
    np.savez(tmp_path / "spikes.npz", spikes=rng.integers(0, 2, (5, 6, 3, 3)).astype(bool) * np.uint8(255))
    twin = tmp_path / "twin.ranvier"
    twin.write_bytes(network.read_bytes())
    done = ranvier(network, "--input", tmp_path / "spikes.npz", "--table", "ice40up5k", "--cells", 3000, "--rate", 50, "--twin", twin,
                   "--json")
    assert done.code == 0, done.err
    first = done.json["rows"][0]
    assert first["ticks"] == 5 and first["totals"]["neuron_updates"] == {"core": 6 * 5 * 11, "input": 6 * 5 * 9}
    assert first["verdict"] == "equal"
    watts = first["at_rate"]["watts"]
    assert watts["static"] == pytest.approx([85.6e-6 * 1.219, 92.1e-6 * 1.219]) and watts["clock"][0] > 36e6 * 52e-12
    assert done.json["syntzulu"]["inside"] is True


@pytest.mark.parametrize(("arguments", "said"), [
    (["--table", "ice40"], r"--table 'ice40' is not known; it must be one of horowitz-45nm, ice40up5k"),
    (["--board", "nexys"], r"board: 'nexys' is not known"),
    (["--table", "ice40up5k", "--board", "ulx3s"], r"for an iCE40UP5K; ulx3s has"),
    (["--input", "narrow.npz"], r"narrow\.npz: pictures: shape \(40, 700\); the network needs \(n, 784\)"),
    (["--twin", "small9.ranvier"], r"small9\.ranvier: it has 9 inputs, .*digits\.ranvier has 784: a twin takes the same samples"),
    (["--rate", "1e7"], r"--rate is 1e\+07 samples a second; T = 1 takes .* us for one"),
    (["--twin", "digits.onnx", "--twin", "digits.onnx"], r"there is a conventional twin already"),
    (["--twin", "nothing.ranvier"], r"nothing\.ranvier"),
])
def test_bad_input_ends_in_one_line(ranvier: Run, digits: Path, tmp_path: Path, arguments: list[str], said: str) -> None:
    small(digits)
    files = {"narrow.npz": digits / "narrow.npz", "small9.ranvier": digits / "small9.ranvier", "digits.onnx": DIGITS / "digits.onnx"}
    found = ranvier(digits / "digits.ranvier", "--input", digits / "test.npz", *(files.get(word, word) for word in arguments), "--ticks", 1,
                    "-o", tmp_path / "out")
    assert (found.code, found.out) == (2, "")
    (line,) = found.err.strip().splitlines()[-1:]
    assert line.startswith("error: ")
    assert re.search(said, line), line
    assert not (tmp_path / "out").exists()


def test_a_network_that_does_not_fit_is_named(ranvier: Run, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    wide = tmp_path / "wide.ranvier"
    save_network(Network(
        (Population("pixels", 1500, "input", theta=255), Population("out", 1500, "li")),
        (Projection.dense("pixels", "out", rng.integers(-7, 8, (1500, 1500))),), state_bits=20), wide)
    np.savez(tmp_path / "x.npz", samples=np.zeros((2, 1500), np.uint8))
    found = ranvier(wide, "--input", tmp_path / "x.npz", "--table", "ice40up5k")
    assert found.code == 2 and len(found.err.splitlines()) == 1
    assert "wide.ranvier: 9.0 Mbit of weights; the chip has 1.0 (iCE40UP5K, 4 SPRAMs): use a smaller network" in found.err
    found = ranvier(small(tmp_path, 4500), "--input", tmp_path / "x.npz", "--table", "ice40up5k")
    assert found.code == 2 and "4500" in found.err
    many = tmp_path / "many.npz"
    np.savez(many, samples=np.zeros((2, 4500), np.uint8))
    found = ranvier(small(tmp_path, 4500), "--input", many, "--table", "ice40up5k")
    assert found.code == 2 and "small4500.ranvier: the fabric of 1 core x 16 lanes does not fit: its memories need at least" in found.err


def test_spikes_of_another_shape_are_refused(ranvier: Run, tmp_path: Path) -> None:
    np.savez(tmp_path / "spikes.npz", spikes=np.zeros((5, 6, 10), bool))
    found = ranvier(small(tmp_path), "--input", tmp_path / "spikes.npz")
    assert found.code == 2 and "spikes: bool of shape (5, 6, 10)" in found.err and "9 values in a step" in found.err
    np.savez(tmp_path / "spikes.npz", spikes=np.zeros((5, 6, 9), bool))
    found = ranvier(small(tmp_path), "--input", tmp_path / "spikes.npz", "--ticks", 4)
    assert found.code == 2 and "its samples have 5 steps each; leave --ticks out" in found.err


def test_examples_name_networks_that_ship_and_tables_that_there_are() -> None:
    folder = DIGITS.parent
    found = tomllib.loads((folder / "energy.toml").read_text())["example"]
    assert {"digits", "speech", "language"} <= {example["name"] for example in found}
    for example in found:
        assert (folder / example.get("network", example.get("onnx"))).is_file(), example
        assert set(example["tables"]) <= {"horowitz-45nm", "ice40up5k"}, example
