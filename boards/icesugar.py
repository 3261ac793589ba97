"""MuseLab iCESugar: iCE40 UP5K, oscillator of 12 MHz on the PLL's pad, UART through its iCELink.

LEDs: heartbeat is the green part of the RGB LED, busy the blue, error the red one. There is no button: reset over the link
(a break on the line and HELLO begin anew), or load the bitstream again.
"""

from __future__ import annotations

from typing import Any

from ._fabrics import up5k, up5k_link
from .board import Board, Pin
from .pll import ice40_pll

__all__ = ["icesugar"]


def _platform() -> Any:
    from amaranth_boards.icesugar import ICESugarPlatform
    return ICESugarPlatform()


icesugar = Board(
    name="icesugar", title="iCESugar", family="ice40", device="iCE40UP5K-SG48", platform=_platform,
    clock="clk12", source_hz=12_000_000, clock_on_pad=True, pll=ice40_pll, clock_hz=30_000_000, most_hz=48_000_000,
    fabric=up5k(), link=up5k_link(), uart_note="iCELink; slow, so the link begins at 115200 baud", baud=115_200,
    heartbeat=Pin("led_g", 0, "green of the RGB LED"), busy=Pin("led_b", 0, "blue of the RGB LED"),
    error=Pin("led_r", 0, "red of the RGB LED"), reset=None,
    synthesis="-device u -dsp", seeds=(1, 2, 3, 4),
    loader_note="copy the file onto the drive that iCELink shows; openFPGALoader does not know it")
