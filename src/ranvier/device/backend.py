"""What a backend does for `Device`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from ..model.fabric.placement import Placement
from ..model.link.identity import Identity
from .result import Job, Result

__all__ = ["Backend", "Progress"]

#: Called with the parts done so far, and the parts there are.
Progress = Callable[[int, int], None]


class Backend(Protocol):
    """Golden model, simulated device, or board. All methods raise `RanvierError`."""

    @property
    def identity(self) -> Identity:
        """What the device says of itself."""

    def load(self, placement: Placement, progress: Progress | None) -> None:
        """Write a network's memory image."""

    def read_back(self, progress: Progress | None) -> int:
        """Compare the device's memories with the image; the number of words compared."""

    def run(self, job: Job, progress: Progress | None) -> Result:
        """Run every sample."""

    def reset(self) -> None:
        """Stop whatever runs; every membrane is at the beginning again."""

    def clear(self) -> None:
        """All counters are 0."""

    def link_info(self) -> dict[str, Any]:
        """Counts of the link, as plain JSON values; empty without a link."""

    def close(self) -> None:
        """Give everything back; a second call does nothing."""
