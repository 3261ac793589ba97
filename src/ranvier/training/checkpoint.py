"""Checkpoints: what a training run needs to go on, as an npz of plain arrays. Nothing in it can be a program."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..files.archive import Archive
from ..files.safe import parse_json, shown, write_atomic
from ..model.errors import RanvierError
from .network import Network

__all__ = ["Checkpoint", "copy_of", "load_checkpoint", "save_checkpoint"]

#: The state of a model by the names that torch gives its parameters.
Weights = dict[str, Tensor]


@dataclass
class Checkpoint:
    """Where a run stands after an epoch.

    weights, best
        The model's parameters, and those of the best epoch on validation samples (empty without such).
    optimizer
        The optimiser's tensors and numbers, by the number of the parameter.
    notes
        Plain JSON values: the epochs so far, and the seed.
    """

    weights: Weights
    best: Weights = field(default_factory=dict)
    optimizer: dict[int, dict[str, Any]] = field(default_factory=dict)
    notes: dict[str, Any] = field(default_factory=dict)

    def give(self, model: Network, best: bool = False) -> None:
        """Put the parameters into ``model``; raises `RanvierError` where it has others."""
        weights, own = self.best if best else self.weights, model.state_dict()
        for name in sorted(set(own) ^ set(weights)):
            where = "the model" if name in own else "the checkpoint"
            raise RanvierError(f"checkpoint: {name} is in {where} only; build the model as it was")
        for name, value in weights.items():
            if value.shape != own[name].shape:
                raise RanvierError(f"checkpoint: {name} is {tuple(value.shape)}, the model has {tuple(own[name].shape)}; build the model "
                                   "as it was")
        model.load_state_dict(weights)


def copy_of(model: Network) -> Weights:
    """The model's parameters of this moment."""
    return {name: value.detach().cpu().clone() for name, value in model.state_dict().items()}


def save_checkpoint(path: str | os.PathLike[str], checkpoint: Checkpoint) -> None:
    """Write it, all or nothing. Raises `RanvierError`."""
    arrays: dict[str, Any] = {f"weights-{name}": value.numpy() for name, value in checkpoint.weights.items()}
    arrays |= {f"best-{name}": value.numpy() for name, value in checkpoint.best.items()}
    for number, state in checkpoint.optimizer.items():
        for key, value in state.items():
            arrays[f"optimizer-{number}-{key}"] = value.detach().cpu().numpy() if isinstance(value, Tensor) else np.float64(value)
    arrays["notes"] = np.frombuffer(json.dumps(checkpoint.notes).encode(), np.uint8)
    file = io.BytesIO()
    np.savez(file, **arrays)
    write_atomic(path, file.getvalue())


def load_checkpoint(path: str | os.PathLike[str]) -> Checkpoint:
    """Read what `save_checkpoint` wrote. Raises `RanvierError` for any other file."""
    archive = Archive(path)
    found: dict[str, dict[str, Any]] = {"weights": {}, "best": {}, "optimizer": {}}
    notes: Any = None
    for entry in archive.names:
        name, array = entry.removesuffix(".npy"), archive.array(entry)
        room, _, rest = name.partition("-")
        if room in found and rest:
            found[room][rest] = torch.from_numpy(np.array(array))
        elif name == "notes" and array.dtype == np.uint8:
            notes = parse_json(array.tobytes(), shown(path))
    if not isinstance(notes, Mapping) or not found["weights"]:
        raise RanvierError(f"{shown(path)}: it is no checkpoint of a training; give the file that fit wrote")
    optimizer: dict[int, dict[str, Any]] = {}
    for name, value in found["optimizer"].items():
        number, _, key = name.partition("-")
        if number.isdecimal():
            optimizer.setdefault(int(number), {})[key] = value
    return Checkpoint(found["weights"], found["best"], optimizer, dict(notes))
