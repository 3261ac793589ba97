"""What the readouts of a run say: accuracy or error, in which samples a clamp acted, and ``readouts.npz``."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..convert.answer import answer_of, choose, class_labels, judge, values_of
from ..files.safe import write_atomic
from ..frontends.conventional import Answer
from ..model.network.network import Network
from ..model.run.golden import run_golden
from ..progress import bar
from ..runs import inputs_of

__all__ = ["Answers", "clamp_notes", "clamped_samples", "save_answers"]

Array = npt.NDArray[Any]


@dataclass(frozen=True, eq=False)
class Answers:
    """Readouts (n, outputs) of a run of ``steps`` steps, or spike counts where the network has no readout, with what they mean."""

    network: Network
    readouts: Array
    steps: int
    labels: Array | None

    @property
    def answer(self) -> Answer:
        """What they mean."""
        return answer_of(self.network, self.labels)

    def figures(self) -> tuple[dict[str, Any], tuple[str, ...]]:
        """For the report: what the answer is, accuracy or errors beside the labels; and notes."""
        answer = self.answer
        if not len(self.readouts):
            return {}, ()
        values, _ = values_of(self.network, self.readouts, self.steps, answer)
        found, notes = judge(answer, values, self.labels if self.labels is not None and len(self.labels) == len(values) else None)
        if self._open:
            read = "and the labels are 0 and 1: class 1 is where it is above 0" if answer.kind == "binary" else "which is read as a value"
            notes += (f"there is one output, {read}; convert with --answer to say what it is",)
        return {"answer": answer.kind, **found}, notes

    @property
    def _open(self) -> bool:
        return "answer" not in self.network.info and self.readouts.shape[1] == 1


def save_answers(folder: Path, answers: Answers) -> None:
    """``readouts.npz``: the ``readouts``, and what they mean.

    ``classes`` are the labels that were chosen, where the answer is a class; ``values`` are the readouts in the conventional network's own
    units, and ``scale`` the factor between both, where the conversion has left it.
    """
    arrays: dict[str, Any] = {"readouts": answers.readouts}
    answer = answers.answer
    values, scale = values_of(answers.network, answers.readouts, answers.steps, answer)
    if scale is not None:
        arrays |= {"values": values, "scale": np.float64(scale)}
    if answer.kind != "value":
        arrays["classes"] = class_labels(answer, choose(answer, values)) if len(values) else np.zeros(0, np.int64)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    write_atomic(folder / "readouts.npz", buffer.getvalue())


def clamped_samples(network: Network, samples: Array, steps: int, clamps: Mapping[str, Array] | None = None) -> dict[str, int]:
    """For each population in which a clamp changed a membrane, the number of samples in which it did.

    ``clamps`` are those of a run of the golden model, (n, steps, blocks) each. Without them the model runs: a device counts its clamps
    all together, and the model's are the same ones.
    """
    if clamps is None:
        with bar("golden model, for the clamps", len(samples)) as update:
            clamps = run_golden(network, inputs_of(network, samples), steps, progress=update).clamps
    found = {name: int(np.any(counts, axis=(1, 2)).sum()) for name, counts in clamps.items()}
    return {name: count for name, count in found.items() if count}


def clamp_notes(network: Network, clamped: Mapping[str, int], samples: int, steps: int) -> tuple[str, ...]:
    """Sentences on clamps that acted: what they mean, and what would help."""
    readouts, notes = {p.name for p in network.readouts}, []
    made_for = network.info.get("steps")
    longer = isinstance(made_for, int) and steps > made_for
    wider = f"with more --state-bits (it has {network.state_bits})"
    for name, count in clamped.items():
        where = f"{name}: a clamp changed membranes in {count} of {samples} samples"
        if name not in readouts:
            notes.append(f"{where}; in a hidden layer this seldom changes an answer, and more --state-bits end it")
        elif longer:
            notes.append(f"{where}, so answers are wrong that more room would give right: the network was converted for {made_for} "
                         f"ticks; convert it with --ticks {steps}, or {wider}")
        else:
            notes.append(f"{where}, so answers may be wrong that more room would give right: convert it {wider}, or run fewer ticks")
    return tuple(notes)
