"""A register that a form may leave out."""

from __future__ import annotations

from amaranth.hdl import Module, Signal, ValueLike

__all__ = ["pipe"]


def pipe(m: Module, registered: bool, value: ValueLike, *, name: str, reset_less: bool = False) -> Signal:
    """``value`` of the clock before where it is ``registered``, else of this one."""
    piped: Signal = Signal.like(value, name=name, reset_less=registered and reset_less)
    m.d["sync" if registered else "comb"] += piped.eq(value)
    return piped
