"""A short queue of registers: the signature that its two forms share."""

from __future__ import annotations

from amaranth.hdl import Signal
from amaranth.lib.wiring import Component, In, Out

__all__ = ["Queue"]


class Queue(Component):
    """First in, first out. A word that is written can be read from the next clock on; one that is written into a full queue is lost.

    in
        ``w_data`` (width): the word to write. ``w_en``: write it in this clock. ``w_may``: high whenever ``w_en`` is, and known
        earlier; a `RingQueue` stores the word by it. ``r_en``: remove the oldest word.
    out
        ``r_data`` (width): the oldest word. ``r_rdy``: there is one. ``more``: there is another one behind it.
    """

    w_data: Signal
    w_en: Signal
    w_may: Signal
    r_data: Signal
    r_rdy: Signal
    r_en: Signal
    more: Signal

    def __init__(self, *, width: int, depth: int) -> None:
        self._width, self._depth = width, depth
        super().__init__({"w_data": In(width), "w_en": In(1), "w_may": In(1), "r_data": Out(width), "r_rdy": Out(1), "r_en": In(1),
                          "more": Out(1)})
