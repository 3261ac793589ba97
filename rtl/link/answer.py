"""What a reply shall say, from whoever decides it to who sends it."""

from __future__ import annotations

from amaranth.lib.wiring import Out, Signature

from ranvier.model.fabric.config import bits_for
from ranvier.model.link.protocol import MOST_READ, Status

__all__ = ["STATUS_BITS", "AnswerSignature"]

#: Width of a status.
STATUS_BITS = bits_for(max(Status))


class AnswerSignature(Signature):
    """``given``: a frame is answered, for one clock. With it ``status`` (`Status`), and the number of ``words`` that are read for it; both
    are 0 in every other clock, so that two who decide may be joined by an OR.
    """

    def __init__(self) -> None:
        super().__init__({"given": Out(1), "status": Out(STATUS_BITS), "words": Out(bits_for(MOST_READ))})
