"""Serial ports of this machine, opened with pyserial."""

from __future__ import annotations

import contextlib
import errno
import re
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import TypeVar

import serial
from serial.tools import list_ports

from ..model.errors import RanvierError

__all__ = ["PortInfo", "SerialPort", "known_ports"]

T = TypeVar("T")


@dataclass(frozen=True)
class PortInfo:
    """A serial port that the system knows."""

    port: str
    description: str
    hardware: str

    def to_json(self) -> dict[str, str]:
        """The fields as plain JSON values."""
        return asdict(self)


def known_ports() -> list[PortInfo]:
    """Ports that exist, in the order of their names. Linux also lists ``ttyS`` numbers without hardware; those are left out."""
    found = [PortInfo(p.device, p.description or "", p.hwid or "") for p in list_ports.comports()]
    ghost = re.compile(r"/dev/ttyS\d+")
    return sorted((p for p in found if not (ghost.fullmatch(p.port) and p.hardware in ("", "n/a"))), key=lambda p: p.port)


class SerialPort:
    """A `Port` of this machine, for this program alone. Every failure is a `RanvierError` that says what to check."""

    def __init__(self, name: str, baudrate: int) -> None:
        self.name = name
        try:
            self._serial = serial.Serial(name, baudrate, timeout=1.0, exclusive=True)
        except (OSError, ValueError) as error:
            raise RanvierError(_opening(name, error)) from None
        # A USB adapter otherwise keeps bytes back for up to 16 ms. Not every driver can be told.
        with contextlib.suppress(OSError, ValueError, AttributeError, NotImplementedError):
            self._serial.set_low_latency_mode(True)

    @property
    def timeout(self) -> float | None:
        """Seconds that `read` waits."""
        return None if self._serial.timeout is None else float(self._serial.timeout)

    @timeout.setter
    def timeout(self, seconds: float | None) -> None:
        # pyserial sets up the whole port again for this.
        if seconds != self._serial.timeout:
            self._tried(lambda: setattr(self._serial, "timeout", seconds))

    @property
    def baudrate(self) -> int:
        """Bits a second."""
        return int(self._serial.baudrate)

    @baudrate.setter
    def baudrate(self, rate: int) -> None:
        try:
            self._serial.baudrate = rate
        except (OSError, ValueError, OverflowError):
            raise RanvierError(f"{self.name}: the adapter cannot do {rate} baud; ask for another rate") from None

    @property
    def in_waiting(self) -> int:
        """Bytes that have been received and not been read."""
        return self._tried(lambda: int(self._serial.in_waiting))

    def write(self, data: bytes, /) -> int | None:
        """Send ``data``."""
        return self._tried(lambda: int(self._serial.write(data)))

    def read(self, size: int = 1, /) -> bytes:
        """At most ``size`` bytes; fewer after the time-out."""
        return self._tried(lambda: bytes(self._serial.read(size)))

    def reset_input_buffer(self) -> None:
        """Forget what has been received."""
        self._tried(self._serial.reset_input_buffer)

    def send_break(self, duration: float = 0.25) -> None:
        """Hold the line low for ``duration`` seconds, after what is still to be sent. A port that cannot does nothing."""
        self._tried(self._serial.flush)
        with contextlib.suppress(OSError, ValueError):
            self._serial.send_break(duration)

    def close(self) -> None:
        """Give the port back."""
        with contextlib.suppress(OSError):
            self._serial.close()

    def _tried(self, action: Callable[[], T]) -> T:
        try:
            return action()
        except (OSError, TypeError) as error:    # pyserial's errors are OSErrors; a port that closes under it gives TypeErrors
            reason = " ".join(str(error).split())[:120]
            raise RanvierError(f"{self.name}: the port failed ({reason}); check the cable, and that the board has power") from None


def _opening(name: str, error: OSError | ValueError) -> str:
    """What to check when ``name`` cannot be opened."""
    number = error.errno if isinstance(error, OSError) else None
    if number == errno.EACCES:
        return (f"{name}: no permission; add yourself to the group that owns the port (often: sudo usermod -aG dialout $USER), "
                "and log in again")
    if number in (errno.EBUSY, errno.EWOULDBLOCK, errno.EAGAIN):
        return f"{name}: another program uses the port; close it (a terminal, an earlier run), then try again"
    there = ", ".join(port.port for port in known_ports()) or "none"
    if number in (errno.ENOENT, errno.ENODEV, errno.ENXIO):
        return f"{name}: there is no such port (there: {there}); check the cable and the name"
    reason = " ".join(str(error).split())[:120]
    return f"{name}: it cannot be opened as a serial port ({reason}); ports there: {there}"
