"""The configuration of a whole device: a fabric, the host link in front of it, and the clock that both run at."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import Any

from ..errors import RanvierError
from .config import FabricConfig, check_range, from_fields, power_of_two

__all__ = ["BOARD_NAME_BYTES", "DIVISOR_BITS", "LEAST_DIVISOR", "DeviceConfig", "LinkConfig"]

#: Width of the number of clocks that a bit of the link lasts.
DIVISOR_BITS = 12
#: Fewer clocks of a bit cannot be sampled in its middle.
LEAST_DIVISOR = 4

#: Longest name of a board, in ASCII characters.
BOARD_NAME_BYTES = 16


@dataclass(frozen=True)
class LinkConfig:
    """The host link.

    buffer_bytes
        Bytes of received frames that wait to be executed; the host keeps no more than these unanswered. A power of two.
    record_depth
        Spike words that the recorder keeps for the host. A power of two.
    patience_log2
        A command that must wait for the fabric is refused as busy after 2 to this many clocks.
    """

    buffer_bytes: int = 2048
    record_depth: int = 256
    patience_log2: int = 24

    def __post_init__(self) -> None:
        check_range("link", asdict(self), {"buffer_bytes": (1024, 1 << 15), "record_depth": (16, 1 << 14), "patience_log2": (8, 30)})
        for name in ("buffer_bytes", "record_depth"):
            if not power_of_two(getattr(self, name)):
                raise RanvierError(f"link: {name} is {getattr(self, name)}; it must be a power of two")


@dataclass(frozen=True)
class DeviceConfig:
    """What is built into one bitstream.

    clock_hz
        Clock of fabric and link.
    baud
        Rate of the link after reset and after a break on the line; the host may raise it.
    board
        Name that the device gives of itself, at most `BOARD_NAME_BYTES` ASCII characters.
    """

    fabric: FabricConfig
    link: LinkConfig = field(default_factory=LinkConfig)
    clock_hz: int = 100_000_000
    baud: int = 1_000_000
    board: str = "simulation"

    def __post_init__(self) -> None:
        check_range("device", {"clock_hz": self.clock_hz, "baud": self.baud},
                    {"clock_hz": (1_000_000, 1_000_000_000), "baud": (9600, 12_000_000)})
        if not LEAST_DIVISOR <= self.divisor < 1 << DIVISOR_BITS:
            raise RanvierError(f"device: baud is {self.baud} at {self.clock_hz} Hz; a bit must last {LEAST_DIVISOR} to "
                               f"{(1 << DIVISOR_BITS) - 1} clocks")
        if not (self.board.isascii() and self.board.isprintable() and 1 <= len(self.board) <= BOARD_NAME_BYTES):
            raise RanvierError(f"device: board is {self.board!r}; it must be 1 to {BOARD_NAME_BYTES} ASCII characters")

    @property
    def divisor(self) -> int:
        """Clocks of a bit at the rate after reset."""
        return round(self.clock_hz / self.baud)

    def replace(self, **changes: Any) -> DeviceConfig:
        """A copy with fields changed."""
        return replace(self, **changes)

    def to_json(self) -> dict[str, Any]:
        """All fields as plain JSON values."""
        return {**asdict(self), "fabric": self.fabric.to_json()}

    @classmethod
    def from_json(cls, value: Any) -> DeviceConfig:
        """The configuration that `to_json` gave; unknown or missing fields are errors."""
        if not isinstance(value, dict):
            raise RanvierError("device: the configuration must be an object")
        parts = {"fabric": FabricConfig.from_json(value.get("fabric")), "link": from_fields(LinkConfig, value.get("link"), "link")}
        return from_fields(cls, {**value, **parts}, "device")
