"""Sipeed Tang Nano 9K: Gowin GW1NR-9C, oscillator of 27 MHz, UART through its BL702.

LEDs: heartbeat is LED 0 (pin 10), busy LED 1 (pin 11), error LED 2 (pin 13). Reset: button S2 (pin 3).
"""

from __future__ import annotations

from typing import Any

from ._fabrics import gw1n_9
from .board import Board, Pin
from .pll import gw1n_pll

__all__ = ["tang_nano_9k"]


def _platform() -> Any:
    from amaranth_boards.tang_nano_9k import TangNano9kPlatform
    return TangNano9kPlatform()


tang_nano_9k = Board(
    name="tang-nano-9k", title="Tang Nano 9K", family="gowin", device="GW1NR-9C", platform=_platform,
    clock="clk27", source_hz=27_000_000, pll=gw1n_pll, clock_hz=27_000_000, most_hz=100_000_000,
    fabric=gw1n_9(), uart_note="BL702; slow, so the link begins at 115200 baud", baud=115_200,
    heartbeat=Pin("led", 0, "LED 0"), busy=Pin("led", 1, "LED 1"), error=Pin("led", 2, "LED 2"), reset=Pin("button", 0, "S2"),
    packing=("--sspi_as_gpio", "--mspi_as_gpio"), loader=("--board", "tangnano9k"))
