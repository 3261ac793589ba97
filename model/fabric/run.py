"""A run of a network on a fabric as the model has it: what it gives, and the clocks and counters that it takes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy.typing as npt

from ..run.golden import GoldenRun, run_golden
from .cycles import Cycles, predict_cycles
from .placement import Placement

__all__ = ["ModelRun", "run_model"]


@dataclass(frozen=True, eq=False)
class ModelRun:
    """A batch in the golden model, and what the fabric must take for it."""

    golden: GoldenRun
    cycles: Cycles


def run_model(placement: Placement, inputs: Mapping[str, npt.NDArray[Any]], steps: int, *, record: bool = False, stream: bool = True,
              endless: bool = False, progress: Callable[[int], None] | None = None) -> ModelRun:
    """Run a batch as one stream of windows, or each window in a run of its own without ``stream``.

    Arguments are those of `run_golden` and `predict_cycles`; raises `RanvierError` as they do.
    """
    golden = run_golden(placement.network, inputs, steps, blocks=placement.blocks, record=record, endless=endless, progress=progress)
    return ModelRun(golden, predict_cycles(placement, golden.popcounts, golden.clamps, steps, stream=stream))
