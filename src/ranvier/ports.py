"""Serial ports of this machine, and whether they may be used."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Port", "serial_ports"]

_PATTERNS = ("ttyUSB*", "ttyACM*", "tty.usb*", "cu.usb*")


@dataclass(frozen=True)
class Port:
    """A serial port: its device file, what is behind it if that is known, and whether it may be read and written."""

    path: str
    about: str
    usable: bool


def serial_ports(devices: Path = Path("/dev"), classes: Path = Path("/sys/class/tty")) -> list[Port]:
    """USB serial ports, by name. What is behind them comes from Linux' /sys; elsewhere that is empty."""
    found = sorted({path for pattern in _PATTERNS for path in devices.glob(pattern)})
    return [Port(str(path), _about(classes / path.name), os.access(path, os.R_OK | os.W_OK)) for path in found]


def _about(node: Path) -> str:
    """Product and interface from the USB device that the port hangs on."""
    try:
        folder = (node / "device").resolve(strict=True)
    except OSError:
        return ""
    words = []
    for parent in (folder, *folder.parents[:4]):
        for name in ("interface", "product"):
            try:
                words.append((parent / name).read_text(errors="replace").strip())
            except OSError:
                continue
        if (parent / "idVendor").is_file():
            break
    return ", ".join(reversed([word for word in words if word]))
