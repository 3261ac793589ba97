"""Evidence: a batch in the compiled RTL and in the model, compared; and what is kept when they differ."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..files.folder import result_folder
from ..files.reproducer import REPRODUCER_FILES, write_reproducer
from ..model.fabric.cycles import Cycles
from ..model.fabric.image import address, memory_image
from ..model.fabric.layout import Memory, memory_map
from ..model.fabric.placement import Placement
from ..model.fabric.run import run_model
from ..model.mismatch import Mismatch
from ..model.run.golden import GoldenRun
from ..sim.compare import compare_run
from ..sim.simulator import Recording, Simulator

__all__ = ["Check", "check_batch", "one_flipped_bit", "save_reproducer"]

Inputs = Mapping[str, npt.NDArray[Any]]
Writes = npt.NDArray[np.uint32]


@dataclass(frozen=True, eq=False)
class Check:
    """A batch on both sides; ``mismatch`` is None where every spike, membrane, counter and clock is equal."""

    golden: GoldenRun
    cycles: Cycles
    recording: Recording
    mismatch: Mismatch | None


def check_batch(placement: Placement, simulator: Simulator, inputs: Inputs, steps: int, *, endless: bool = False) -> Check:
    """Run a batch as one stream of windows on ``simulator``, which holds ``placement``, and compare with the model."""
    recording = simulator.run(inputs, steps, endless=endless)
    run = run_model(placement, inputs, steps, record=True, endless=endless)
    mismatch = compare_run(placement, run.golden, run.cycles, recording, steps, endless=endless)
    return Check(run.golden, run.cycles, recording, mismatch)


def one_flipped_bit(placement: Placement) -> Writes:
    """A configuration write that flips the lowest bit of a stored membrane: a fault to try the comparison with.

    It is the first membrane of the last row on core 0, which the first sweep of that row already shows.
    """
    row = placement.units[0][-1]
    step = memory_map(placement.config, "core")[Memory.STATE].chunk_step
    writes = memory_image(placement).writes
    chosen: Writes = writes[writes[:, 0] == address(0, Memory.STATE, row.state_base * step)].copy()
    chosen[:, 1] ^= 1
    return chosen


def save_reproducer(folder: Path, placement: Placement, inputs: Inputs, steps: int, mismatch: Mismatch, *,
                    endless: bool = False, seed: int | None = None, faults: Writes | None = None,
                    form: str = "simulation") -> list[Path]:
    """Keep everything that shows a mismatch again; the files written.

    ``network.ranvier``, ``input.npz``, ``fabric.json`` and ``mismatch.json`` (with steps and seed), and
    ``waveform.vcd`` from the tick before the first difference to the tick after it, if the batch alone shows it
    again. ``faults`` are configuration writes that were made after loading; ``form`` is one of `forms_to_draw`.
    """
    with result_folder(folder, REPRODUCER_FILES.issuperset) as work:
        names = write_reproducer(work, placement.network, inputs, placement.config, mismatch, steps=steps, endless=endless, seed=seed,
                                 form=form, faults=[] if faults is None else faults.tolist())
        if _draw(work / "waveform.vcd", placement, inputs, steps, endless, faults, form):
            names.append("waveform.vcd")
    return [folder / name for name in names]


def _draw(path: Path, placement: Placement, inputs: Inputs, steps: int, endless: bool, faults: Writes | None,
          form: str) -> Path | None:
    """Run the batch twice on fresh fabrics: once to find the clocks of the difference, once to draw them."""
    from .fabrics import technology_for  # Amaranth is slow to import, and few runs differ
    first = last = 0
    for drawing in (False, True):
        with Simulator(placement.config, waveform=True, technology=technology_for(form, placement.config)) as simulator:
            simulator.load(placement)
            if faults is not None:
                simulator.write(faults)
            if drawing:
                simulator.waveform(path, first, last)
            check = check_batch(placement, simulator, inputs, steps, endless=endless)
        if check.mismatch is None:
            return None
        ticks = check.recording.ticks.astype(np.int64) + check.recording.waits
        tick = max(check.mismatch.tick, 0) if check.mismatch.tick >= 0 else len(ticks) - 1
        first, last = int(ticks[max(tick - 1, 0)]), int(ticks[min(tick + 2, len(ticks) - 1)]) + 100
    return path
