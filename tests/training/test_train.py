"""`ranvier train`: a configuration to a network, equal in training and model; what is wrong in it is named."""

from __future__ import annotations

import csv
import json
import tomllib
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import ranvier
from ranvier import training
from ranvier.commands.train import TrainOptions, train_file
from ranvier.model.errors import RanvierError
from ranvier.training.config import read_config
from tests.command_line import runner

ROOT = Path(__file__).resolve().parents[2]

CONFIG = """
seed = 3

[data]
training = "training.npz"
validation = "validation.npz"
test = "validation.npz"

[network]
weight_bits = 4
surrogate = "fast_sigmoid"

[[populations]]
name = "in"
kind = "input"
shape = [3, 4, 1]
theta = 255
v_init = 127

[[populations]]
name = "hidden"
kind = "lif"
shape = 16
beta = 0.9
learn_beta = true
semantics = {reset = "value", strict = true}

[[populations]]
name = "out"
kind = "li"
shape = 4

[[projections]]
source = "in"
destination = "hidden"
delay = {most = 2, each = "source"}

[[projections]]
source = "hidden"
destination = "hidden"
delay = 1

[[projections]]
source = "hidden"
destination = "out"

[training]
steps = 4
epochs = 6
batch = 64
rate = 2e-2
"""


@pytest.fixture
def config(tmp_path: Path) -> Callable[..., Path]:
    """The configuration beside its data, with a part of it changed."""
    patterns = np.random.default_rng(7).integers(0, 256, (4, 12))
    for name, count, seed in (("training", 256, 1), ("validation", 128, 2)):
        rng = np.random.default_rng(seed)
        labels = rng.integers(0, 4, count)
        samples = np.clip(patterns[labels] + rng.normal(0, 30, (count, 12)), 0, 255).astype(np.uint8)
        np.savez(tmp_path / f"{name}.npz", samples=samples, labels=labels)

    def write(old: str = "", new: str = "") -> Path:
        assert old in CONFIG
        (tmp_path / "run.toml").write_text(CONFIG.replace(old, new, 1) if old else CONFIG)
        return tmp_path / "run.toml"

    return write


def test_a_run_writes_a_network_with_the_accuracy_of_training(config: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                                             capsys: pytest.CaptureFixture[str]) -> None:
    found = runner(monkeypatch, capsys)("train", config(), "-o", tmp_path / "out", "--json", "--tensorboard")
    assert found.code == 0, found.err
    report = found.json
    network = ranvier.load_network(tmp_path / "out" / "network.ranvier")
    assert network.info["steps"] == 4
    kept = training.load_checkpoint(tmp_path / "out" / "checkpoint.npz").best
    assert network.info["readout_scale"] == pytest.approx(float(kept["populations.2.log_scale"].exp()), rel=1e-12)
    with np.load(tmp_path / "validation.npz") as data:
        answers = ranvier.simulate(network, data["samples"], 4).readouts["out"][:, -1].argmax(1)
        accuracy = float((answers == data["labels"]).mean())
    assert accuracy == report["test"]["accuracy_in_model"] == pytest.approx(report["test"]["accuracy"], abs=1e-12)
    assert accuracy > 0.8
    assert report == json.loads((tmp_path / "out" / "report.json").read_text())
    rows = list(csv.DictReader((tmp_path / "out" / "log.csv").open()))
    assert [float(row["loss"]) for row in rows] == [epoch["loss"] for epoch in report["epochs"]]
    events = EventAccumulator(str(tmp_path / "out" / "tensorboard"))
    events.Reload()
    assert [event.value for event in events.Scalars("loss")] == pytest.approx([float(row["loss"]) for row in rows])
    # As the description says, and as plain Python makes it.
    populations = {p.name: p for p in network.populations}
    assert populations["hidden"].semantics.reset == "value" and populations["hidden"].semantics.strict
    assert {p.delay for p in network.projections if p.source == "in"} <= {0, 1, 2}


def test_a_stopped_run_goes_on_to_the_same_network(config: Callable[..., Path], tmp_path: Path,
                                                  monkeypatch: pytest.MonkeyPatch) -> None:
    class Stopped(Exception):
        pass

    module = import_module("ranvier.training.fit")
    save, saved = module.save_checkpoint, []

    def stop(path: Path, checkpoint: training.Checkpoint) -> None:
        save(path, checkpoint)
        saved.append(path)
        if len(saved) == 2:
            raise Stopped

    train_file(TrainOptions(config(), tmp_path / "whole"))
    with monkeypatch.context() as patch:
        patch.setattr(module, "save_checkpoint", stop)
        with pytest.raises(Stopped):
            train_file(TrainOptions(config(), tmp_path / "part"))
    with pytest.raises(RanvierError, match="it has the checkpoint of a run; go on with --resume"):
        train_file(TrainOptions(config(), tmp_path / "part"))
    train_file(TrainOptions(config(), tmp_path / "part", resume=True))
    assert (tmp_path / "part" / "network.ranvier").read_bytes() == (tmp_path / "whole" / "network.ranvier").read_bytes()


def test_from_a_network_with_other_parameters(config: Callable[..., Path], tmp_path: Path) -> None:
    train_file(TrainOptions(config(), tmp_path / "first"))
    text = config().read_text()
    network = '[network]\nstart = "first/network.ranvier"\nopen_bounds = true\n[replace.in]\nv_init = 100\n'
    rest = text[text.index("[training]"):].replace("epochs = 6", "epochs = 1") + "[augment]\nshape = [3, 4, 1]\ntranslate = 0.5\n"
    start = text[:text.index("[network]")] + network + rest
    (tmp_path / "again.toml").write_text(start)
    train_file(TrainOptions(tmp_path / "again.toml", tmp_path / "second"))
    found = ranvier.load_network(tmp_path / "second" / "network.ranvier")
    assert found.parameter(found.populations[0], "v_init")[0] == 100


@pytest.mark.parametrize(("old", "new", "message"), [
    ("seed = 3", "sede = 3", "run.toml.sede: there is no such field"),
    ("epochs = 6", "epochs = 0", "training.epochs is 0; it must be a whole number from 1"),
    ("epochs = 6", "", "training.epochs is missing"),
    ("rate = 2e-2", "rate = nan", "training.rate is nan; it must be a number above 0"),
    ("rate = 2e-2", "rate = '1'", "training.rate is '1'; it must be a number"),
    ("batch = 64", "patience = true", "training.patience is True; it must be a whole number"),
    ("weight_bits = 4", "weight_bits = 3", "network.weight_bits is 3; it must be one of 2, 4, 8, 16"),
    ('surrogate = "fast_sigmoid"', 'surrogate = "relu"', "network.surrogate is 'relu'; it must be one of fast_sigmoid"),
    ('kind = "lif"', 'kind = "lizard"', r"populations\[1\].kind is 'lizard'; it must be one of input, if"),
    ("learn_beta = true", "learn_alpha = true", r"populations\[1\].learn_alpha: there is no such field"),
    ("beta = 0.9", "beta = 'high'", r"populations\[1\].beta is 'high'; it must be a number"),
    ("beta = 0.9", "beta = [0.9, 0.8]", r"populations\[1\]: population hidden: beta has 2 entries"),
    ('reset = "value"', 'reset = "never"', r"populations\[1\].semantics.reset is 'never'"),
    ("delay = 1", "delay = 16", r"projections\[1\].delay is 16; it must be a whole number from 0 to 15"),
    ("delay = 1", "delay = 0", "cycle without delay"),
    ("most = 2", "most = 0", r"projections\[0\].delay: delays: least is 0 and most 0"),
    ('destination = "out"', 'destination = "nowhere"', "there is no population 'nowhere'"),
    ('training = "training.npz"', 'training = "gone.npz"', "gone.npz"),
    ("shape = [3, 4, 1]", "shape = 13", "13"),
    ("shape = 4\n", "shape = 3\n", "labels are not all classes from 0 to 2"),
    ("[training]", "[training", "it is no TOML"),
])
def test_a_field_that_is_wrong_is_named_and_nothing_is_written(config: Callable[..., Path], tmp_path: Path, old: str, new: str,
                                                               message: str) -> None:
    with pytest.raises(RanvierError, match=message) as found:
        train_file(TrainOptions(config(old, new), tmp_path / "out"))
    assert "\n" not in str(found.value)
    assert not (tmp_path / "out").exists()


def test_a_configuration_in_another_encoding_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "run.toml").write_bytes("# größer".encode("latin1"))
    with pytest.raises(RanvierError, match="no UTF-8"):
        read_config(tmp_path / "run.toml")


def test_without_tensorboard_it_says_what_to_install(config: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = import_module("ranvier.training.tensorboard")
    monkeypatch.setattr(module.importlib.util, "find_spec", lambda name: None if name == "tensorboard" else object())
    with pytest.raises(RanvierError, match=r"pip install 'ranvier\[tensorboard\]'"):
        train_file(TrainOptions(config(), tmp_path / "out", tensorboard=True))


@pytest.mark.parametrize("path", sorted((ROOT / "examples" / "digits").glob("train_*.toml")), ids=lambda path: path.stem)
def test_the_examples_are_read(path: Path, tmp_path: Path) -> None:
    """With a start as conversion makes it, where the file asks for one."""
    values = tomllib.loads(path.read_text())
    folder = tmp_path / "examples" / "digits"
    folder.mkdir(parents=True)
    (folder / path.name).write_text(path.read_text())
    if "start" in values["network"]:
        start = folder / values["network"]["start"]
        start.resolve().parent.mkdir(parents=True)
        ranvier.save_network(ranvier.convert(ROOT / "examples" / "digits" / "digits.onnx", steps=4).network, start.resolve())
    config = read_config(folder / path.name)
    assert [p.size for p in config.model.to_network().populations] == [784, 128, 10]
    assert config.options["epochs"] == values["training"]["epochs"]
    assert ("augment" in config.options) == ("augment" in values)


def test_moved_pictures_stay_pictures() -> None:
    change = training.random_affine((6, 5, 2), degrees=0, translate=0, scale=0, shear=0)
    pictures = np.random.default_rng(1).integers(0, 256, (3, 60))
    assert torch.equal(change(pictures, torch.Generator()).long(), torch.from_numpy(pictures))
    moved = training.random_affine((6, 5, 2), translate=1.0)(pictures, torch.Generator().manual_seed(1))
    assert moved.shape == (3, 60) and moved.min() >= 0 and moved.max() <= 255 and torch.equal(moved, moved.round())
    assert not torch.equal(moved.long(), torch.from_numpy(pictures))
    with pytest.raises(RanvierError, match="pictures without steps"):
        change(np.zeros((3, 4, 60)), torch.Generator())
