"""`ranvier train`: a configuration in, a trained network and what is known of it out."""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..convert.samples import input_values
from ..files.input_mapping import input_mapping_of
from ..files.network import save_network
from ..files.safe import shown, write_json
from ..files.samples import load_samples
from ..model.errors import RanvierError
from ..model.network.network import Network
from ..progress import bar
from ..simulation import simulate

if TYPE_CHECKING:
    from ..training.config import Config

__all__ = ["TrainOptions", "train_file", "train_rows"]

#: Names in the output folder.
NETWORK, CHECKPOINT, LOG, REPORT, EVENTS = "network.ranvier", "checkpoint.npz", "log.csv", "report.json", "tensorboard"
#: Samples in the model at once.
_BATCH = 500


@dataclass(frozen=True)
class TrainOptions:
    """What the command line says."""

    config: Path
    output: Path
    resume: bool = False
    tensorboard: bool = False


def train_file(options: TrainOptions) -> dict[str, Any]:
    """Train as the file says, compare with the model, and write network and figures; the figures, as JSON. Raises `RanvierError`."""
    if importlib.util.find_spec("torch") is None:
        raise RanvierError("ranvier train needs torch; install it with: pip install 'ranvier[train]'")
    import torch

    from .. import training
    from ..training.config import read_config
    config, output = read_config(options.config), options.output
    model, plain = config.model, training.to_network(config.model)
    data = {name: _data(path, plain, config) for name, path in config.data.items()}
    if output.exists() and not output.is_dir():
        raise RanvierError(f"{shown(output)}: it is no folder; name another with --output")
    if (output / CHECKPOINT).exists() and not options.resume:
        raise RanvierError(f"{shown(output)}: it has the checkpoint of a run; go on with --resume, or name another folder")
    output.mkdir(parents=True, exist_ok=True)
    threads = torch.get_num_threads()
    torch.set_num_threads(config.threads)
    try:
        history = training.fit(model, data["training"], validation=data.get("validation"), checkpoint=output / CHECKPOINT,
                               resume=options.resume, log=output / LOG,
                               tensorboard=output / EVENTS if options.tensorboard else None, **config.options)
        network = _described(training.to_network(model), config)
        # fit ends with the comparison of spikes and membranes; here come the figures that a user compares.
        found = {name: training.evaluate(model, samples, steps=config.steps) for name, samples in data.items() if name != "training"}
    finally:
        torch.set_num_threads(threads)
    report: dict[str, Any] = {
        "config": str(options.config), "network": str(output / NETWORK), "steps": config.steps, "seed": config.seed,
        "epochs": [{k: None if math.isnan(v) else v for k, v in asdict(epoch).items()} for epoch in history],
        "compared": min(training.CHECKED, len(data["training"][1])),
        **{name: {k: None if math.isnan(v) else v for k, v in values.items()} for name, values in found.items()}}
    if found.get("test", {}).get("accuracy") is not None and not math.isnan(found["test"]["accuracy"]):
        report["test"]["accuracy_in_model"] = accuracy = _accuracy(network, *data["test"], config.steps)
        if abs(accuracy - found["test"]["accuracy"]) * len(data["test"][1]) >= 0.5:
            raise RanvierError(f"{shown(options.config)}: accuracy is {found['test']['accuracy']:.4%} in training and {accuracy:.4%} in "
                               "the model; this is a defect of Ranvier")
    save_network(network, output / NETWORK)
    write_json(output / REPORT, report)
    return report


def _described(network: Network, config: Config) -> Network:
    """``network`` with what is true of it now; of what a conversion noted, the scales and errors of its layers are gone."""
    info = {key: value for key, value in network.info.items() if key in ("source", "input", "answer")} | {"steps": config.steps}
    if len(network.readouts) == 1:
        scale = config.model.by_name[network.readouts[0].name].scale
        if len(scale) == 1:
            info["readout_scale"] = float(scale.detach())
    return replace(network, info=info)


def _data(path: Path, network: Network, config: Config) -> tuple[Any, Any]:
    """Samples as integers for the one input population, and their labels."""
    if len(network.inputs) != 1:
        raise RanvierError(f"network: it has {len(network.inputs)} input populations; samples can drive exactly one")
    loaded = load_samples(path, network.inputs[0].size)
    if loaded.labels is None:
        raise RanvierError(f"{shown(path)}: it has no labels; training needs one for each sample")
    classes = network.readouts[0].size if len(network.readouts) == 1 else 0
    if loaded.labels.dtype.kind == "f" or loaded.labels.min() < 0 or loaded.labels.max() >= classes:
        raise RanvierError(f"{loaded.labels_source}: labels are not all classes from 0 to {classes - 1}, which the network's readout has")
    return input_values(loaded, input_mapping_of(network), network.input_bits), loaded.labels


def _accuracy(network: Network, samples: Any, labels: Any, steps: int) -> float:
    """Share that the golden model names right."""
    right, name = 0, network.readouts[0].name
    with bar("golden model", len(labels)) as update:
        for first in range(0, len(labels), _BATCH):
            rows = slice(first, first + _BATCH)
            answers = simulate(network, samples[rows], steps).readouts[name][:, -1]
            right += int(np.count_nonzero(answers.argmax(1) == labels[rows]))
            update(min(first + _BATCH, len(labels)))
    return right / len(labels)


def train_rows(report: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The report as a table."""
    last = report["epochs"][-1]
    rows = [("epochs", str(len(report["epochs"]))), ("loss of the last", f"{last['loss']:.4f}")]
    for name in ("validation", "test"):
        if name in report and report[name]["accuracy"] is not None:
            rows.append((f"{name} accuracy in training", f"{report[name]['accuracy']:.2%}"))
            if "accuracy_in_model" in report[name]:
                rows.append((f"{name} accuracy in the model", f"{report[name]['accuracy_in_model']:.2%}"))
            rows.append((f"synaptic operations of a {name} sample", f"{report[name]['operations']:,.0f}"))
    return [*rows, ("samples compared with the model, every spike and membrane", str(report["compared"])), ("written", report["network"])]
