"""What the driver needs of a serial port: the part of pyserial's interface that it uses."""

from __future__ import annotations

from typing import Protocol

__all__ = ["Port"]


class Port(Protocol):
    """A line to a device. `serial.Serial` is one, and so is `ranvier.sim.device.SimulatedPort`.

    ``timeout`` is in seconds; `read` returns fewer bytes than asked for, perhaps none, when it has passed. Raises `RanvierError` or
    `OSError` (of which pyserial's errors are a kind) where the port fails.
    """

    timeout: float | None
    baudrate: int

    @property
    def in_waiting(self) -> int:
        """Bytes that have been received and not been read."""

    def write(self, data: bytes, /) -> int | None:
        """Send ``data``."""

    def read(self, size: int = 1, /) -> bytes:
        """At most ``size`` bytes."""

    def reset_input_buffer(self) -> None:
        """Forget what has been received."""

    def send_break(self, duration: float = 0.25) -> None:
        """Hold the line low for ``duration`` seconds."""

    def close(self) -> None:
        """Give the port back."""
