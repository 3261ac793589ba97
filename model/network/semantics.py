"""What a source file leaves unsaid about its neurons, said."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from ..errors import RanvierError

__all__ = ["CURRENTS", "MOMENTS", "RESETS", "Semantics"]

#: Kinds of reset, in the order of their code in the row descriptor.
RESETS = ("none", "subtract", "value")
#: When a reset acts.
MOMENTS = ("same_tick", "next_tick", "old_v")
#: Which synaptic current the membrane takes.
CURRENTS = ("after", "before")


@dataclass(frozen=True)
class Semantics:
    """How one population steps. Chosen on import, carried into the row descriptors, printed in reports.

    strict
        A neuron spikes at ``u > theta`` (True) or at ``u >= theta`` (False).
    reset
        ``none``, ``subtract`` (theta off the membrane for each spike) or ``value`` (to ``v_reset``).
    reset_moment
        When the reset acts. ``same_tick``: on the membrane that is stored. ``next_tick``: in the step after; *subtract* then takes
        theta off the stored membrane after its decay, and *value* makes the whole next membrane ``v_reset``. ``old_v``: for *value*
        only, a reset that the source applies to the membrane of before the step, which gives the spikes of ``same_tick``.
    current
        Whether the membrane takes the synaptic current of ``after`` the step's spikes or of ``before``; only for kinds that have one.
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
    current: str = "after"

    def __post_init__(self) -> None:
        if not isinstance(self.strict, bool):
            raise RanvierError(f"semantics: strict is {self.strict!r}; it must be true or false")
        if self.reset not in RESETS:
            raise RanvierError(f"semantics: reset is {self.reset!r}; it must be one of {', '.join(RESETS)}")
        if self.reset_moment not in MOMENTS:
            raise RanvierError(f"semantics: reset_moment is {self.reset_moment!r}; it must be one of {', '.join(MOMENTS)}")
        if self.reset_moment == "next_tick" and self.reset == "none":
            raise RanvierError("semantics: reset_moment is 'next_tick' where reset is 'none'; use 'same_tick'")
        if self.reset_moment == "old_v" and self.reset != "value":
            raise RanvierError(f"semantics: reset_moment is 'old_v' where reset is {self.reset!r}; it is for 'value' only")
        if self.current not in CURRENTS:
            raise RanvierError(f"semantics: current is {self.current!r}; it must be one of {', '.join(CURRENTS)}")
        if self.integrator != "discrete":
            raise RanvierError(f"semantics: integrator is {self.integrator!r}; it must be 'discrete'")
        if self.dt is not None and not (isinstance(self.dt, (int, float)) and 0 < self.dt < 1e6):
            raise RanvierError(f"semantics: dt is {self.dt!r}; it must be a positive number of seconds or null")

    def to_json(self) -> dict[str, Any]:
        """The record as plain JSON values; ``current`` only where it is not ``after``, which most kinds have no use for."""
        return {name: value for name, value in asdict(self).items() if name != "current" or value != "after"}
