"""Figures of a run as TensorBoard's event files, by torch."""

from __future__ import annotations

import importlib.util
import math
import os
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from ..model.errors import RanvierError

__all__ = ["event_writer", "write_epoch"]


def event_writer(folder: str | os.PathLike[str], history: Sequence[Any]) -> Any:
    """A writer into ``folder``; what is of ``history`` stands there already. Raises `RanvierError` where TensorBoard is not installed."""
    if importlib.util.find_spec("tensorboard") is None:
        raise RanvierError("a log for TensorBoard needs tensorboard; install it with: pip install 'ranvier[tensorboard]'")
    from torch.utils.tensorboard import SummaryWriter
    return SummaryWriter(str(folder), purge_step=len(history))  # type: ignore[no-untyped-call]


def write_epoch(writer: Any, epoch: Any) -> None:
    """The figures of an `Epoch` that are numbers, each under its name."""
    for name, value in asdict(epoch).items():
        if name != "epoch" and not math.isnan(value):
            writer.add_scalar(name, value, epoch.epoch)
    writer.flush()
