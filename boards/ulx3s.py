"""Radiona ULX3S with an ECP5 85F: oscillator of 25 MHz, UART on the FT231X behind the connector US1.

LEDs: heartbeat is D0, busy D1, error D2 of the row of eight. Reset: button FIRE1 (B1).
"""

from __future__ import annotations

from typing import Any

from ._fabrics import ecp5_85f
from .board import Board, Pin
from .pll import ecp5_pll

__all__ = ["ulx3s"]


def _platform() -> Any:
    from amaranth.build import Attrs, Pins, Resource
    from amaranth_boards.ulx3s import ULX3S_85F_Platform
    platform = ULX3S_85F_Platform()
    # GPIO 0 of the ESP32 next to the FPGA; low, it would let the ESP32 load another bitstream.
    platform.add_resources([Resource("wifi_gpio0", 0, Pins("L2", dir="o"), Attrs(IO_TYPE="LVCMOS33", PULLMODE="UP", DRIVE="4"))])
    return platform


ulx3s = Board(
    name="ulx3s", title="ULX3S 85F", family="ecp5", device="LFE5U-85F-6BG381C", platform=_platform,
    clock="clk25", source_hz=25_000_000, pll=ecp5_pll, clock_hz=110_000_000, most_hz=200_000_000, overlay_hz=100_000_000,
    held_high=("wifi_gpio0",),
    fabric=ecp5_85f(), uart_note="FT231X, connector US1; up to 3 Mbaud",
    heartbeat=Pin("led", 0, "D0"), busy=Pin("led", 1, "D1"), error=Pin("led", 2, "D2"), reset=Pin("button_fire", 0, "FIRE1 (B1)"),
    packing=("--compress",), loader=("--board", "ulx3s"))
