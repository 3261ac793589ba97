"""What `ranvier encode` wrote, into `ranvier run`; and tables into `ranvier encode`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ranvier
from ranvier.model.network.network import Network
from ranvier.model.network.population import Population
from ranvier.model.network.projection import Projection
from tests.command_line import Run, runner

SIZE, STEPS = 6, 8


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """The command `ranvier` in this process."""
    return runner(monkeypatch, capsys)


@pytest.fixture
def network(tmp_path: Path) -> Path:
    return save(tmp_path / "events.ranvier")


def save(path: Path, theta: int = 1) -> Path:
    rng = np.random.default_rng(4)
    made = Network(
        (Population("in", SIZE, "input", theta=theta), Population("hidden", 5, "lif", theta=9, k=50000), Population("out", 3, "li")),
        (Projection.dense("in", "hidden", rng.integers(-7, 8, (SIZE, 5))), Projection.dense("hidden", "out", rng.integers(-7, 8, (5, 3)))))
    ranvier.save_network(made, path)
    return path


def table(path: Path) -> tuple[Any, Any]:
    """A csv of values with labels, and both."""
    rng = np.random.default_rng(5)
    values, labels = rng.integers(0, 256, (7, SIZE)), rng.integers(0, 3, 7)
    lines = [",".join([*(f"x{n}" for n in range(SIZE)), "label"])] + [",".join(map(str, [*row, label])) for row, label in
                                                                      zip(values, labels, strict=True)]
    path.write_text("\n".join(lines) + "\n")
    return values, labels


def test_a_table_is_encoded_and_its_spikes_run_step_by_step(command: Run, network: Path, tmp_path: Path) -> None:
    values, labels = table(tmp_path / "values.csv")
    done = command("encode", "rate", tmp_path / "values.csv", "--steps", STEPS, "-o", tmp_path / "spikes.npz")
    assert done.code == 0, done.err
    with np.load(tmp_path / "spikes.npz") as file:
        spikes = file["spikes"]
        np.testing.assert_array_equal(spikes, ranvier.encoders.rate(values / 255, STEPS))
        np.testing.assert_array_equal(file["labels"], labels)
    report = command("run", network, "--input", tmp_path / "spikes.npz", "-o", tmp_path / "out", "--json").json
    assert (report["ticks"], report["samples"]) == (STEPS, 7)
    simulation = ranvier.simulate(ranvier.load_network(network), spikes.swapaxes(0, 1).astype(int), STEPS)
    with np.load(tmp_path / "out" / "readouts.npz") as file:
        np.testing.assert_array_equal(file["readouts"], simulation.readouts["out"][:, -1])
    assert report["accuracy"] == (simulation.readouts["out"][:, -1].argmax(1) == labels).mean()
    fewer = command("run", network, "--input", tmp_path / "spikes.npz", "--limit", 2, "--json").json
    assert fewer["samples"] == 2


def test_a_single_train_of_events_runs_as_one_sample(command: Run, network: Path, tmp_path: Path) -> None:
    np.savez(tmp_path / "spikes.npz", spikes=np.random.default_rng(6).integers(0, 2, (11, 2, 3, 1)))
    report = command("run", network, "--input", tmp_path / "spikes.npz", "--json").json
    assert (report["ticks"], report["samples"]) == (11, 1)


@pytest.mark.parametrize(("spikes", "options", "message"), [
    (np.zeros((4, 2, 5), np.int8), (), "has the shape (4, 2, 5); the network's 6 inputs need [steps, 6] or [steps, samples, 6]"),
    (np.full((4, 6), -1, np.int8), (), "reach from -1 to -1; a spike of this network counts 0 to 1"),
    (np.full((4, 6), 2, np.int8), (), "reach from 2 to 2; a spike of this network counts 0 to 1"),
    (np.full((4, 6), 0.5), (), "float64 of shape (4, 1, 6); spikes are whole numbers"),
    (np.zeros((0, 6), np.int8), (), "there must be some steps"),
    (np.zeros((4, 6), np.int8), ("--ticks", 5), "its spikes have 4 steps, --ticks is 5"),
    (np.zeros((4, 6), np.int8), ("--pixel-bits", 4), "leave --labels and --pixel-bits out"),
])
def test_spikes_that_do_not_fit_are_one_line(command: Run, network: Path, tmp_path: Path, spikes: Any, options: tuple[Any, ...],
                                             message: str) -> None:
    np.savez(tmp_path / "spikes.npz", spikes=spikes)
    done = command("run", network, "--input", tmp_path / "spikes.npz", *options, "-o", tmp_path / "out")
    assert done.code == 2 and message in done.err and done.err.count("\n") == 1, done.err
    assert not (tmp_path / "out").exists()


def test_inputs_that_make_spikes_themselves_refuse_them(command: Run, tmp_path: Path) -> None:
    np.savez(tmp_path / "spikes.npz", spikes=np.ones((4, SIZE), np.int8))
    done = command("run", save(tmp_path / "held.ranvier", theta=255), "--input", tmp_path / "spikes.npz")
    assert done.code == 2 and "make spikes of values themselves (theta 255)" in done.err


@pytest.mark.parametrize(("text", "message"), [(b"a;b\n1;2;3\n", "columns"), (b"\xff\xfe\x00", "UTF-8"), (b"", "no table")])
def test_tables_that_are_none_are_one_line(command: Run, tmp_path: Path, text: bytes, message: str) -> None:
    (tmp_path / "bad.csv").write_bytes(text)
    done = command("encode", "rate", tmp_path / "bad.csv", "--steps", 4, "-o", tmp_path / "out.npz")
    assert done.code == 2 and message in done.err and done.err.count("\n") == 1, done.err
    assert not (tmp_path / "out.npz").exists()
