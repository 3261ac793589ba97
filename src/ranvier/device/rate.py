"""The baud rate: opened at the device's first, raised to the highest that both ends can."""

from __future__ import annotations

from ..model.errors import RanvierError
from ..model.fabric.device_config import DIVISOR_BITS, LEAST_DIVISOR
from ..model.link.identity import Identity
from ..model.link.protocol import LinkMemory, Register, link_address
from .session import NoAnswer, Session, TakenOver

__all__ = ["BREAK_SECONDS", "RATES", "TOLERANCE", "divisor_for", "first_rate", "raise_rate"]

#: Rates that are tried, the highest first. USB adapters reach them exactly.
RATES = (3_000_000, 2_000_000, 1_500_000)
#: What a device opens at that was built without another wish.
_USUAL_RATE = 1_000_000
#: Largest deviation of the device's rate. Ten bits at 1.5 % are off by less than a sixth of a bit.
TOLERANCE = 0.015
_PAUSE_BITS = 20
#: Longer than 20 bits at 9600 baud, the slowest first rate there is.
BREAK_SECONDS = 0.01


def divisor_for(clock_hz: int, rate: int) -> int | None:
    """Clocks of a bit that give ``rate`` within the tolerance, or None."""
    if rate < 1:
        return None
    divisor = round(clock_hz / rate)
    if not LEAST_DIVISOR <= divisor < 1 << DIVISOR_BITS or abs(clock_hz / divisor / rate - 1) > TOLERANCE:
        return None
    return divisor


def first_rate(identity: Identity) -> int:
    """The device's rate after reset and after a break."""
    return max(1, round(identity.clock_hz / max(1, identity.divisor)))


def raise_rate(session: Session, identity: Identity, rate: int | None) -> None:
    """Change to ``rate``, or, where it is None, to the highest of `RATES` that works.

    A device that begins below 1 Mbaud was built so because its adapter can do no more; it stays there unless asked.

    The change is checked with a hello; where that fails, a break brings the device back to its first rate.
    """
    present = session.port.baudrate
    if rate == present:
        return
    if rate is not None and divisor_for(identity.clock_hz, rate) is None:
        others = ", ".join(str(other) for other in _possible(identity)) or str(present)
        raise RanvierError(f"device: {identity.board} cannot do {rate} baud with its clock of {identity.clock_hz} Hz; "
                           f"leave the rate to the driver, or use {others}")
    if rate is None and first_rate(identity) < (1 - TOLERANCE) * _USUAL_RATE:
        return
    for wanted in [rate] if rate is not None else [other for other in _possible(identity) if other > present]:
        if _change(session, identity, wanted):
            return
    if rate is not None:
        raise RanvierError(f"device: no answer at {rate} baud; use a lower rate")


def _possible(identity: Identity) -> list[int]:
    return [rate for rate in RATES if divisor_for(identity.clock_hz, rate) is not None]


def _change(session: Session, identity: Identity, rate: int) -> bool:
    port = session.port
    divisor = divisor_for(identity.clock_hz, rate)
    assert divisor is not None
    session.write(link_address(identity.fabric, LinkMemory.REGISTERS, Register.DIVISOR), divisor)
    try:
        port.baudrate = rate
        session.pause(_PAUSE_BITS / first_rate(identity))     # the reply's stop bit must be over before the device changes too
        if session.hello().digest == identity.digest:
            return True
    except TakenOver:
        raise
    except (RanvierError, OSError, ValueError):
        pass
    port.baudrate = first_rate(identity)
    port.send_break(BREAK_SECONDS)
    try:
        session.hello()
    except NoAnswer:
        raise RanvierError(f"device: {rate} baud did not work, and no break brings it back to {port.baudrate}; press its reset button, "
                           f"and open it with baud={port.baudrate}") from None
    return False
