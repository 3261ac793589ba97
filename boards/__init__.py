"""Boards: platform, pins, clock and default fabric of each, one file a board.

`BOARDS` maps the names of the command line to descriptions. They are plain data: Amaranth and amaranth-boards are loaded
only when a board's ``platform()`` is called.
"""

from __future__ import annotations

from collections.abc import Mapping

from ranvier.model.errors import RanvierError

from .board import Board, Pin
from .colorlight_i5 import colorlight_i5
from .icebreaker import icebreaker
from .icesugar import icesugar
from .icesugar_pro import icesugar_pro
from .orangecrab import orangecrab
from .pll import Pll, PllSetting
from .tang_nano_9k import tang_nano_9k
from .ulx3s import ulx3s

__all__ = ["BOARDS", "Board", "Pin", "Pll", "PllSetting", "find_board"]

BOARDS: Mapping[str, Board] = {board.name: board for board in (
    icebreaker, icesugar, ulx3s, orangecrab, colorlight_i5, icesugar_pro, tang_nano_9k)}


def find_board(name: str) -> Board:
    """The board of that name; raises `RanvierError` with the names there are."""
    try:
        return BOARDS[name]
    except KeyError:
        raise RanvierError(f"board: {name!r} is not known; it must be one of {', '.join(BOARDS)}") from None
