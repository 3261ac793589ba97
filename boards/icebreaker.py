"""1BitSquared iCEBreaker: iCE40 UP5K, oscillator of 12 MHz on the PLL's pad, UART on channel B of the FT2232H.

LEDs: heartbeat is the green LED, error the red one, both on the board; busy is LED 1 of the break-off section (PMOD 2).
Reset: the button UBUTTON on the board.
"""

from __future__ import annotations

from typing import Any

from ._fabrics import up5k, up5k_link
from .board import Board, Pin
from .pll import ice40_pll

__all__ = ["icebreaker"]


def _platform() -> Any:
    from amaranth_boards.icebreaker import ICEBreakerPlatform
    platform = ICEBreakerPlatform()
    platform.add_resources(platform.break_off_pmod)
    return platform


icebreaker = Board(
    name="icebreaker", title="iCEBreaker", family="ice40", device="iCE40UP5K-SG48", platform=_platform,
    clock="clk12", source_hz=12_000_000, clock_on_pad=True, pll=ice40_pll, clock_hz=36_000_000, most_hz=48_000_000,
    fabric=up5k(), link=up5k_link(), uart_note="FT2232H, channel B: the second of its two serial ports",
    heartbeat=Pin("led_g", 0, "green LED"), busy=Pin("led_g", 1, "LED 1 of the break-off section"),
    error=Pin("led_r", 0, "red LED"), reset=Pin("button", 0, "UBUTTON"),
    synthesis="-device u -dsp", seeds=(3, 4),
    loader=("--board", "ice40_generic"), sram=None, flash=("--write-flash",),
    loader_note="its FT2232H can write the flash only, unless the board's SRAM jumpers are set; --flash is implied")
