"""Intervals of real numbers: what is known of a figure that nobody has measured exactly."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Interval", "exactly"]


@dataclass(frozen=True)
class Interval:
    """All numbers from ``low`` to ``high``."""

    low: float
    high: float

    def __post_init__(self) -> None:
        if not self.low <= self.high:
            raise ValueError(f"an interval goes up: {self.low} to {self.high}")

    def __add__(self, other: Interval) -> Interval:
        return Interval(self.low + other.low, self.high + other.high)

    def __contains__(self, value: float) -> bool:
        return self.low <= value <= self.high

    def times(self, factor: float) -> Interval:
        """Each number times ``factor``, which may be negative."""
        ends = self.low * factor, self.high * factor
        return Interval(min(ends), max(ends))

    def to_json(self) -> list[float]:
        """[low, high]."""
        return [self.low, self.high]


def exactly(value: float) -> Interval:
    """The interval of one number."""
    return Interval(value, value)
