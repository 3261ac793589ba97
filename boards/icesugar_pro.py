"""MuseLab iCESugar-pro with an ECP5 25F: oscillator of 25 MHz, UART through its iCELink.

LEDs: heartbeat is the green part of the RGB LED, busy the blue, error the red one. Reset: the button of the extension board
at L14. These pins are as in https://github.com/wuxx/icesugar-pro and LiteX; amaranth-boards has the colours differently.
"""

from __future__ import annotations

from typing import Any

from ._fabrics import ecp5_25f
from .board import CMSIS_DAP_NOTE, Board, Pin
from .pll import ecp5_pll

__all__ = ["icesugar_pro"]


def _platform() -> Any:
    from amaranth.build import Attrs, PinsN, Resource
    from amaranth_boards.icesugar_pro import ICESugarProPlatform
    from amaranth_boards.resources import LEDResources
    platform = ICESugarProPlatform()
    platform.add_resources([*LEDResources(pins="A11 A12 B11", invert=True, attrs=Attrs(IO_TYPE="LVCMOS33")),
                            Resource("button", 0, PinsN("L14", dir="i"), Attrs(IO_TYPE="LVCMOS33", PULLMODE="UP"))])
    return platform


icesugar_pro = Board(
    name="icesugar-pro", title="iCESugar-pro", family="ecp5", device="LFE5U-25F-6BG256C", platform=_platform,
    clock="clk25", source_hz=25_000_000, pll=ecp5_pll, clock_hz=100_000_000, most_hz=200_000_000,
    fabric=ecp5_25f(), uart_note="iCELink; slow, so the link begins at 115200 baud", baud=115_200,
    heartbeat=Pin("led", 0, "green of the RGB LED"), busy=Pin("led", 1, "blue of the RGB LED"),
    error=Pin("led", 2, "red of the RGB LED"), reset=Pin("button", 0, "button at L14"),
    packing=("--compress",), loader=("--cable", "cmsisdap"), loader_note=CMSIS_DAP_NOTE)
