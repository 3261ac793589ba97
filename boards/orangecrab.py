"""OrangeCrab r0.2 with an ECP5 25F: oscillator of 48 MHz. It has no UART bridge: connect an adapter for 3.3 V to the header,
its TXD to pin 0 (N17), its RXD to pin 1 (M18), and ground.

LEDs: heartbeat is the green part of the RGB LED, busy the blue, error the red one. Reset: the button BTN0.
"""

from __future__ import annotations

from typing import Any

from ._fabrics import ecp5_25f
from .board import Board, Pin
from .pll import ecp5_pll

__all__ = ["orangecrab"]


def _platform() -> Any:
    from amaranth.build import Attrs
    from amaranth_boards.orangecrab_r0_2 import OrangeCrabR0_2_25FPlatform
    from amaranth_boards.resources import LEDResources, UARTResource
    platform = OrangeCrabR0_2_25FPlatform()
    # Pulled up, so that an open header is an idle line.
    platform.add_resources([UARTResource(0, rx="0", tx="1", conn=("io", 0), attrs=Attrs(IO_TYPE="LVCMOS33", PULLMODE="UP"))])
    platform.add_resources(LEDResources(pins="M3 J3 K4", invert=True, attrs=Attrs(IO_TYPE="LVCMOS33")))
    return platform


orangecrab = Board(
    name="orangecrab", title="OrangeCrab r0.2 25F", family="ecp5", device="LFE5U-25F-8MG285C", platform=_platform,
    clock="clk", source_hz=48_000_000, pll=ecp5_pll, clock_hz=100_000_000, most_hz=200_000_000,
    fabric=ecp5_25f(),
    uart_note="no bridge on the board: an adapter for 3.3 V on header pins 0 (N17, to its TXD) and 1 (M18, to its RXD)",
    heartbeat=Pin("led", 0, "green of the RGB LED"), busy=Pin("led", 1, "blue of the RGB LED"),
    error=Pin("led", 2, "red of the RGB LED"), reset=Pin("button", 0, "BTN0"),
    packing=("--compress", "--freq", "38.8"), loader=("--board", "orangeCrab"), sram=None, flash=(),
    loader_note="hold BTN0 while plugging it in: the bootloader takes the file over USB and keeps it in the flash; --flash is implied")
