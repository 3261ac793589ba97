"""How good a spiking network is on calibration samples: by labels where there are any, else beside the conventional network."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..frontends.conventional import Answer, Conventional, Floats
from ..model.limits import Ints
from .answer import choose, judge

__all__ = ["Measured", "Yardstick", "reported_ticks"]

#: The table goes to twice the steps of the conversion, unless those are more than this.
_MOST_DOUBLED = 4096


def reported_ticks(steps: int) -> list[int]:
    """1, 2, 4 ... and ``steps`` and twice ``steps``."""
    last = 2 * steps if steps <= _MOST_DOUBLED else steps
    return sorted({1 << n for n in range(last.bit_length()) if 1 << n <= last} | {steps, last})


@dataclass(frozen=True, eq=False)
class Measured:
    """Calibration samples as the input neurons take them, and their labels."""

    samples: Ints
    labels: npt.NDArray[np.int64] | npt.NDArray[np.float64] | None
    top: int

    @property
    def rates(self) -> Floats:
        """The samples as the folded network takes them, 0 to 1."""
        return self.samples / self.top

    def first(self, count: int) -> Measured:
        """The first samples."""
        return Measured(self.samples[:count], None if self.labels is None else self.labels[:count], self.top)


@dataclass(frozen=True, eq=False)
class Yardstick:
    """What the spiking network's values (n, outputs), in the conventional network's units, are measured by.

    ``labels`` are left out where the network cannot give them; ``notes`` then say so.
    """

    answer: Answer
    reference: Floats
    labels: npt.NDArray[np.int64] | npt.NDArray[np.float64] | None
    notes: tuple[str, ...] = ()

    @classmethod
    def of(cls, answer: Answer | None, conventional: Conventional, measured: Measured) -> Yardstick:
        """The yardstick for ``measured``; an answer that is left open is measured as a value."""
        answer = answer or Answer("value")
        reference = conventional.forward(measured.rates)
        figures, notes = judge(answer, reference, measured.labels)
        return cls(answer, reference, measured.labels if figures else None, notes)

    def first(self, count: int) -> Yardstick:
        """The yardstick of the first samples."""
        return Yardstick(self.answer, self.reference[:count], None if self.labels is None else self.labels[:count])

    @property
    def measure(self) -> str:
        """Its name; see `AccuracyReport`."""
        if self.answer.kind == "value":
            return "rms difference" if self.labels is None else "rms error"
        return "agreement" if self.labels is None else "accuracy"

    @property
    def conventional(self) -> float | None:
        """The conventional network's own figure."""
        return None if self.labels is None else self.figure(self.reference)

    def figure(self, values: Floats) -> float:
        """The figure of ``values``."""
        if self.answer.kind == "value":
            values, reference = (np.maximum(part, 0) if self.answer.final == "relu" else part for part in (values, self.reference))
            if self.labels is None:
                return float(np.sqrt(np.square(values - reference).mean()))
            return judge(self.answer, values, self.labels)[0]["rms_error"]
        if self.labels is None:
            return float(np.mean(choose(self.answer, values) == choose(self.answer, self.reference)))
        return judge(self.answer, values, self.labels)[0]["accuracy"]

    def loss(self, values: Floats) -> float:
        """What is lost, 0 for nothing and about 1 for all, whatever the measure."""
        if self.answer.kind == "value":
            spread = float(self.reference.std()) or 1.0
            return float(np.sqrt(np.square(values - self.reference).mean())) / spread
        best = 1.0 if self.labels is None else self.figure(self.reference)
        return max(0.0, best - self.figure(values))

    @property
    def bearable(self) -> float:
        """A loss that needs no advice."""
        return 0.1 if self.answer.kind == "value" else 0.01 if self.labels is not None else 0.02
