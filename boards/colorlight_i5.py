"""Colorlight i5 (v7.0) with an ECP5 25F on MuseLab's extension board: oscillator of 25 MHz, UART through its DAPLink.

LEDs: heartbeat is the one LED on the module; for busy and error wire LEDs to pins 1 and 2 of the PMOD P2 (C17, B18).
Reset: the button on the module's pin K18.

Pins as documented by https://github.com/wuxx/Colorlight-FPGA-Projects; amaranth-boards has no platform for it.
"""

from __future__ import annotations

from typing import Any

from ._fabrics import ecp5_25f
from .board import CMSIS_DAP_NOTE, Board, Pin
from .pll import ecp5_pll

__all__ = ["colorlight_i5"]


def _platform() -> Any:
    from amaranth.build import Attrs, Clock, Pins, PinsN, Resource
    from amaranth.vendor import LatticeECP5Platform
    from amaranth_boards.resources import LEDResources, UARTResource
    lvcmos = Attrs(IO_TYPE="LVCMOS33")

    class ColorlightI5Platform(LatticeECP5Platform):
        device: Any = "LFE5U-25F"
        package: Any = "BG381"
        speed: Any = "6"
        default_clk: Any = "clk25"
        resources: Any = [
            Resource("clk25", 0, Pins("P3", dir="i"), Clock(25e6), lvcmos),
            *LEDResources(pins={0: "U16"}, invert=True, attrs=lvcmos),
            *LEDResources(pins={1: "C17", 2: "B18"}, attrs=lvcmos),
            Resource("button", 0, PinsN("K18", dir="i"), Attrs(IO_TYPE="LVCMOS33", PULLMODE="UP")),
            UARTResource(0, rx="H18", tx="J17", attrs=Attrs(IO_TYPE="LVCMOS33", PULLMODE="UP")),
        ]
        connectors: Any = []

    return ColorlightI5Platform()


colorlight_i5 = Board(
    name="colorlight-i5", title="Colorlight i5", family="ecp5", device="LFE5U-25F-6BG381C", platform=_platform,
    clock="clk25", source_hz=25_000_000, pll=ecp5_pll, clock_hz=100_000_000, most_hz=200_000_000,
    fabric=ecp5_25f(),
    uart_note="DAPLink of the extension board; slow, so the link begins at 115200 baud", baud=115_200,
    heartbeat=Pin("led", 0, "LED on the module"), busy=Pin("led", 1, "pin 1 of PMOD P2, no LED on the board"),
    error=Pin("led", 2, "pin 2 of PMOD P2, no LED on the board"), reset=Pin("button", 0, "button at K18"),
    packing=("--compress",), loader=("--board", "colorlight-i5"), loader_note=CMSIS_DAP_NOTE)
