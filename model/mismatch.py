"""The first difference between two runs that must be equal."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

__all__ = ["Mismatch"]


@dataclass(frozen=True)
class Mismatch:
    """The first value that differs; ``total`` counts all that do. Fields that do not apply are -1 or empty.

    what
        ``spike``, ``membrane``, ``state`` (another word), ``readout``, ``clocks``, ``counter``, or ``count``: of the things there are.
    tick
        Of the fabric, from 0.
    window, step
        Number of the sample, and step of its window.
    population, neuron
        Whose value it is.
    detail
        Which counter, which state word, or which things.
    """

    what: str
    tick: int = -1
    window: int = -1
    step: int = -1
    population: str = ""
    neuron: int = -1
    expected: int = 0
    found: int = 0
    total: int = 1
    detail: str = ""

    def __str__(self) -> str:
        sample = ", ".join(f"{name} {number}" for name, number in (("sample", self.window), ("step", self.step)) if number >= 0)
        where = f"tick {self.tick}" + (f" ({sample})" if sample else "") if self.tick >= 0 else sample or "the end of the run"
        if self.population:
            where += f", population {self.population}"
        if self.neuron >= 0:
            where += f", neuron {self.neuron}"
        what = f"{self.what} of {self.detail}" if self.detail else self.what
        return f"{what} at {where}: expected {self.expected}, found {self.found}; {self.total} differ in all"

    def to_json(self) -> dict[str, Any]:
        """The fields as plain JSON values, and all of them in words."""
        return {**asdict(self), "message": str(self)}
