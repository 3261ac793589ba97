"""The training loop. A plain loop of one's own works as well: a `Network` is a module like any other."""

from __future__ import annotations

import csv
import io
import math
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from ..files.safe import shown, write_atomic
from ..model.errors import RanvierError
from ..progress import bar
from .augment import Augment
from .check import check
from .checkpoint import Checkpoint, copy_of, load_checkpoint, save_checkpoint
from .network import Network
from .output import Output
from .tensorboard import event_writer, write_epoch

__all__ = ["CHECKED", "Epoch", "cross_entropy", "evaluate", "fit"]

#: Of the samples, how many the check at the end of a run compares.
CHECKED = 32
#: Samples of a batch in `evaluate`, where no gradients are kept.
EVALUATED = 512

#: What an answer costs: the output of a batch and its labels to one number.
Loss = Callable[[Output, Tensor], Tensor]


@dataclass(frozen=True)
class Epoch:
    """Means over the samples of an epoch. ``accuracy`` is NaN where labels are no classes, what needs validation samples without such.

    rate
        Spikes of a neuron in a step, over all that spike and are not inputs.
    operations
        Synaptic operations of a sample.
    seconds
        Wall clock, validation included.
    """

    epoch: int
    loss: float
    accuracy: float
    rate: float
    operations: float
    validation_loss: float
    validation_accuracy: float
    seconds: float


def cross_entropy(output: Output, labels: Tensor) -> Tensor:
    """Of the only readout's last membranes, in the units of the weights."""
    return functional.cross_entropy(output.logits(), labels)


def fit(model: Network, data: tuple[Any, Any], *, steps: int, epochs: int, validation: tuple[Any, Any] | None = None,
        loss: Loss = cross_entropy, batch: int = 128, rate: float = 2e-3, optimizer: torch.optim.Optimizer | None = None, seed: int = 0,
        patience: int | None = None, clip_norm: float = 1.0, truncate: int | None = None, rate_penalty: float = 0.0,
        operation_penalty: float = 0.0, augment: Augment | None = None, checkpoint: str | os.PathLike[str] | None = None,
        resume: bool = False, log: str | os.PathLike[str] | None = None, tensorboard: str | os.PathLike[str] | None = None,
        progress: bool = True) -> list[Epoch]:
    """Train ``model`` in place, then compare it with the model of the hardware (`check`). Gives what each epoch brought.

    data, validation
        Samples and labels. Samples as in `Network.forward`; labels an array with an entry for each, classes for the usual loss.
    loss
        Instead of the cross entropy of the only readout.
    rate, optimizer
        Adam's learning rate, which falls to 0 along a cosine, batch by batch; an optimiser of one's own keeps its rates.
    seed
        Of the order of samples. Equal seeds, models and data give equal results on one machine.
    patience
        Epochs without a better validation loss after which the run ends.
    clip_norm
        Largest norm of a batch's gradients.
    rate_penalty, operation_penalty
        What a spike of a neuron in a step costs on the average, and what each synaptic operation of a sample costs; added to the loss.
    augment
        Changes the samples of every batch, as `random_affine` does; validation samples stay as they are.
    checkpoint, resume
        File that is written after every epoch, and whether to go on from it where it is there.
    log
        CSV file with a line for each epoch.
    tensorboard
        Folder for an event file with the same figures, which needs the extra ``tensorboard``.

    With ``validation`` the model ends as it was in the epoch of the least validation loss. Raises `RanvierError` for data that do not fit,
    for a loss or gradients that are no numbers (the model is then as after the last good epoch, and so is the checkpoint), and where
    training and model differ.
    """
    if epochs < 1 or batch < 1 or patience is not None and patience < 1:
        raise RanvierError(f"fit: epochs {epochs}, batch {batch} and patience {patience} must be positive integers")
    if patience is not None and validation is None:
        raise RanvierError("fit: patience needs validation samples; give validation=(samples, labels)")
    samples = _Samples.of(data, "data")
    if validation is not None:
        _Samples.of(validation, "validation")
    trained = [value for value in model.parameters() if value.requires_grad]
    given = optimizer is not None
    if optimizer is None:
        optimizer = torch.optim.Adam(trained, lr=rate)
    state, history = Checkpoint(copy_of(model), notes={"seed": seed}), list[Epoch]()
    if resume and checkpoint is not None and Path(checkpoint).exists():
        state, history = _resumed(checkpoint, model, optimizer, seed)
    best = min((e.validation_loss for e in history if not math.isnan(e.validation_loss)), default=math.inf)
    batches = math.ceil(samples.count / batch)
    writer = None if tensorboard is None else event_writer(tensorboard, history)
    learner = _Learner(model, optimizer, trained, loss, steps, clip_norm, truncate, rate_penalty, operation_penalty)
    with bar("Training", epochs * batches) if progress else nullcontext(lambda done: None) as update:
        for epoch in range(len(history), epochs):
            if patience is not None and _waited(history) >= patience:
                break
            model.anneal(epoch / max(1, epochs - 1))
            begun, means = time.monotonic(), _Means()
            generator = torch.Generator().manual_seed(seed * 1_000_003 + epoch)
            for number, (inputs, labels) in enumerate(samples.batches(batch, np.random.default_rng([seed, epoch]))):
                if not given:
                    done = (epoch * batches + number) / (epochs * batches)
                    for group in optimizer.param_groups:
                        group["lr"] = rate * (1 + math.cos(math.pi * done)) / 2
                inputs = inputs if augment is None else augment(inputs, generator)
                wrong = learner.learn(inputs, labels, means)
                if wrong:
                    state.give(model)
                    raise RanvierError(
                        f"fit: the {wrong} is no number in epoch {epoch}, batch {number}; "
                        f"the model is as after {len(history)} epochs" + (f", as is {shown(checkpoint)}" if checkpoint and history else "")
                        + "; use a smaller rate")
                update(epoch * batches + number + 1)
            found = means.means()
            checked = evaluate(model, validation, steps=steps, loss=loss) if validation is not None else {}
            history.append(Epoch(epoch, **found, validation_loss=checked.get("loss", math.nan),
                                 validation_accuracy=checked.get("accuracy", math.nan), seconds=time.monotonic() - begun))
            state.weights = copy_of(model)
            if validation is not None and (history[-1].validation_loss < best or not state.best):
                best, state.best = history[-1].validation_loss, state.weights
            state.optimizer = optimizer.state_dict()["state"]
            state.notes = {"seed": seed, "epochs": [_plain(e) for e in history]}
            if checkpoint is not None:
                save_checkpoint(checkpoint, state)
            if log is not None:
                write_atomic(log, _csv(history))
            if writer is not None:
                write_epoch(writer, history[-1])
    if state.best:
        state.give(model, best=True)
    check(model, samples.some(slice(CHECKED))[0], steps)
    return history


@dataclass(frozen=True, eq=False)
class _Learner:
    """What a batch does to the model."""

    model: Network
    optimizer: torch.optim.Optimizer
    trained: list[nn.Parameter]
    loss: Loss
    steps: int
    clip_norm: float
    truncate: int | None
    rate_penalty: float
    operation_penalty: float

    def learn(self, inputs: Any, labels: Tensor, means: _Means) -> str:
        """One step of the optimiser, unless the loss or the gradient is no number: then nothing but its name."""
        output = self.model(inputs, self.steps, truncate=self.truncate)
        cost = self.loss(output, labels)
        whole = cost + (self.rate_penalty * output.rate() if self.rate_penalty else 0) + (
            self.operation_penalty * output.operations() if self.operation_penalty else 0)
        self.optimizer.zero_grad()
        whole.backward()  # type: ignore[no-untyped-call]
        norm = nn.utils.clip_grad_norm_(self.trained, self.clip_norm)
        if not torch.isfinite(whole):
            return "loss"
        if not torch.isfinite(norm):
            return "gradient"
        self.optimizer.step()
        means.add(output, labels, float(cost.detach()))
        return ""


def evaluate(model: Network, data: tuple[Any, Any], *, steps: int, loss: Loss = cross_entropy) -> dict[str, float]:
    """``loss``, ``accuracy``, ``rate`` and ``operations`` on samples and labels, without training. Raises `RanvierError`."""
    samples, means = _Samples.of(data, "data"), _Means()
    with torch.no_grad():
        for first in range(0, samples.count, EVALUATED):
            inputs, labels = samples.some(slice(first, first + EVALUATED))
            output = model(inputs, steps)
            means.add(output, labels, float(loss(output, labels)))
    return means.means()


class _Means:
    """Means over samples, batch by batch."""

    def __init__(self) -> None:
        self._count, self._sums = 0, dict.fromkeys(("loss", "accuracy", "rate", "operations"), 0.0)

    def add(self, output: Output, labels: Tensor, loss: float) -> None:
        n = output.samples
        self._count += n
        with torch.no_grad():
            for name, value in (("loss", loss), ("accuracy", _accuracy(output, labels)), ("rate", float(output.rate().detach())),
                                ("operations", float(output.operations().detach()))):
                self._sums[name] += n * value

    def means(self) -> dict[str, float]:
        return {name: value / self._count for name, value in self._sums.items()}


def _accuracy(output: Output, labels: Tensor) -> float:
    """Share of samples whose class has the largest logit; NaN where labels are no classes or there is not one readout."""
    if labels.is_floating_point() or labels.ndim != 1 or len(output.network.readouts) != 1:
        return math.nan
    return float((output.logits().argmax(1) == labels).double().mean())


@dataclass(frozen=True)
class _Samples:
    """Samples, one array or one for each input population, and their labels."""

    inputs: Any
    labels: Tensor
    count: int

    @classmethod
    def of(cls, data: tuple[Any, Any], what: str) -> _Samples:
        if not isinstance(data, (tuple, list)) or len(data) != 2:
            raise RanvierError(f"fit: {what} must be a pair of samples and labels")
        inputs, labels = data
        labels = labels if isinstance(labels, Tensor) else torch.from_numpy(np.array(labels))
        labels = labels if labels.is_floating_point() else labels.long()
        inputs = {name: _array(v) for name, v in inputs.items()} if isinstance(inputs, Mapping) else _array(inputs)
        counts = {len(v) for v in (inputs.values() if isinstance(inputs, dict) else [inputs])} | {len(labels)}
        if len(counts) != 1 or 0 in counts:
            raise RanvierError(f"fit: {what} has {len(labels)} labels, its samples are {', '.join(map(str, sorted(counts)))}; each sample "
                               "needs one label, and there must be one at least")
        return cls(inputs, labels, len(labels))

    def some(self, rows: Any) -> tuple[Any, Tensor]:
        inputs = {name: v[rows] for name, v in self.inputs.items()} if isinstance(self.inputs, dict) else self.inputs[rows]
        return inputs, self.labels[rows]

    def batches(self, size: int, rng: np.random.Generator) -> Iterator[tuple[Any, Tensor]]:
        order = rng.permutation(self.count)
        for first in range(0, self.count, size):
            yield self.some(order[first:first + size])


def _array(values: Any) -> Any:
    return values.cpu().numpy() if isinstance(values, Tensor) else np.asarray(values)


def _waited(history: list[Epoch]) -> int:
    """Epochs since the least validation loss."""
    losses = [e.validation_loss for e in history]
    return len(losses) - 1 - losses.index(min(losses)) if losses else 0


def _resumed(path: str | os.PathLike[str], model: Network, optimizer: torch.optim.Optimizer, seed: int) -> tuple[Checkpoint, list[Epoch]]:
    """Model and optimiser as they were, and the epochs so far."""
    state = load_checkpoint(path)
    names = {f.name for f in fields(Epoch)}
    rows = state.notes.get("epochs")
    if state.notes.get("seed") != seed or not isinstance(rows, list) or any(not isinstance(r, dict) or set(r) != names for r in rows):
        raise RanvierError(f"{shown(path)}: it is of another run (seed {state.notes.get('seed')}, not {seed}); give its seed "
                           "or another file")
    state.give(model)
    whole = optimizer.state_dict()
    try:
        optimizer.load_state_dict({**whole, "state": state.optimizer})
    except (ValueError, KeyError, TypeError) as error:
        raise RanvierError(f"{shown(path)}: its optimiser is another one ({error}); give the one of that run") from None
    return state, [_epoch(row) for row in rows]


def _epoch(row: dict[str, Any]) -> Epoch:
    values: dict[str, Any] = {name: math.nan if value is None else value for name, value in row.items()}
    return Epoch(**values)


def _plain(epoch: Epoch) -> dict[str, float | None]:
    """For JSON, which has no NaN."""
    return {name: None if math.isnan(value) else value for name, value in asdict(epoch).items()}


def _csv(history: list[Epoch]) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, [f.name for f in fields(Epoch)], lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(epoch) for epoch in history)
    return text.getvalue().encode()
