"""What a source file leaves unsaid about its neurons, said."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from ..errors import RanvierError

__all__ = ["RESETS", "Semantics"]

#: Kinds of reset, in the order of their code in the row descriptor.
RESETS = ("none", "subtract", "value")


@dataclass(frozen=True)
class Semantics:
    """How one population steps. Chosen on import, carried into the row descriptors, printed in reports.

    strict
        A neuron spikes at ``u > theta`` (True) or at ``u >= theta`` (False).
    reset
        ``none``, ``subtract`` (theta off the membrane for each spike) or ``value`` (to ``v_reset``).
    reset_moment
        When the reset acts. The fabric knows ``same_tick``.
    integrator
        How the source's differential equation became a step; ``discrete`` for sources that are discrete.
    dt
        Seconds that one step stands for in the source, or None where the source has no time.
    """

    strict: bool = False
    reset: str = "subtract"
    reset_moment: str = "same_tick"
    integrator: str = "discrete"
    dt: float | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.strict, bool):
            raise RanvierError(f"semantics: strict is {self.strict!r}; it must be true or false")
        if self.reset not in RESETS:
            raise RanvierError(f"semantics: reset is {self.reset!r}; it must be one of {', '.join(RESETS)}")
        if self.reset_moment != "same_tick":
            raise RanvierError(
                f"semantics: reset_moment is {self.reset_moment!r}; this fabric resets in the same tick only")
        if self.integrator != "discrete":
            raise RanvierError(f"semantics: integrator is {self.integrator!r}; it must be 'discrete'")
        if self.dt is not None and not (isinstance(self.dt, (int, float)) and 0 < self.dt < 1e6):
            raise RanvierError(f"semantics: dt is {self.dt!r}; it must be a positive number of seconds or null")

    def to_json(self) -> dict[str, Any]:
        """The record as plain JSON values."""
        return asdict(self)
