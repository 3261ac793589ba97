"""Framing: what comes in against `unescape`, what goes out against `encode`; the CRC against zlib."""

from __future__ import annotations

import random
import struct
import zlib
from typing import Any

import cocotb

from ranvier.model.link.protocol import (
    CRC_BYTES,
    ESCAPE,
    FLAG,
    HEADER_BYTES,
    MOST_PAYLOAD,
    SESSION_BYTES,
    encode,
    frame,
    unescape,
)

from .common import Bench, seeded

#: The CRC takes so many clocks for a byte; on a line with four clocks a bit they are 40 apart.
_BYTE_CLOCKS = 8


def _body(rng: random.Random, payload: bytes, length: int | None = None) -> bytes:
    """A frame before escaping, with a good CRC, whatever its length says."""
    header = rng.randbytes(2 + SESSION_BYTES) + struct.pack("<H", len(payload) if length is None else length)
    return header + payload + struct.pack("<I", zlib.crc32(header + payload))


def _payload(rng: random.Random, size: int) -> bytes:
    return bytes(rng.choice((FLAG, ESCAPE, 0x5E, 0x5D, 0, 255, rng.randrange(256))) for _ in range(size))


def _piece(rng: random.Random, kind: str) -> bytes:
    """What stands between two flags."""
    good = _body(rng, _payload(rng, rng.choice((0, 1, 4, 6, 20))))
    inside = encode(good)[1:-1]
    at = rng.randrange(len(inside))
    changed = inside[:at] + bytes([rng.choice([b for b in range(256) if b not in (FLAG, inside[at])])]) + inside[at + 1:]
    return {
        "good": inside, "longest": encode(_body(rng, _payload(rng, MOST_PAYLOAD)))[1:-1],
        "changed": changed, "cut": inside[:at], "cut in front": inside[at:],
        "goes on": inside + rng.randbytes(rng.choice((1, 2, 9))).replace(bytes([FLAG]), b"x"),
        "goes on with its CRC": encode(good + struct.pack("<I", zlib.crc32(good)))[1:-1],
        "dangling escape": inside + bytes([ESCAPE]),
        "escape alone": bytes([ESCAPE]),
        "too long": encode(_body(rng, _payload(rng, MOST_PAYLOAD + rng.choice((1, 4, 12)))))[1:-1],
        "says less": encode(_body(rng, _payload(rng, 8), 4))[1:-1], "says more": encode(_body(rng, _payload(rng, 8), 12))[1:-1],
        "noise": bytes(rng.choice([b for b in range(256) if b != FLAG]) for _ in range(rng.randrange(1, 40))), "nothing": b"",
    }[kind]


_KINDS = ("good", "good", "good", "changed", "cut", "cut in front", "goes on", "goes on with its CRC", "dangling escape", "escape alone",
          "says less", "says more", "noise", "nothing")


@cocotb.test()
async def deframer(dut: Any) -> None:
    """Whole frames are committed with the bytes that were sent, everything else is dropped, and after each the next is understood."""
    rng = seeded("deframer")
    bench = Bench(dut, "deframer")
    await bench.reset()
    for kind in [*_KINDS, "longest", "too long", *rng.choices(_KINDS, k=150), "too long", "longest"]:
        piece = _piece(rng, kind)
        full_at, broken_at = (rng.randrange(len(piece)) if piece and rng.random() < 0.1 else -1 for _ in range(2))
        pushed, ends = bytearray(), list[str]()
        for place, byte in enumerate(piece + bytes([FLAG])):
            for clock in range(_BYTE_CLOCKS + rng.choice((2, 2, 3, 30))):
                # The byte counts in the clock after it came.
                bench.set(byte=byte, byte_valid=int(clock == 0), broken=int(place == broken_at and clock == 3), full=int(place == full_at))
                await bench.settle()
                if bench.get("push"):
                    assert clock == 1, f"deframer: {kind}: a byte is pushed in clock {clock}, not 1, after it came"
                    pushed.append(bench.get("data"))
                ends += ["commit"] * bench.get("commit") + ["drop"] * bench.get("drop")
                if bench.get("drop"):
                    bench.check({"overrun": int(full_at >= 0 and _pushes(piece, full_at))}, kind)
                await bench.next()
        whole = unescape(piece)
        lost = full_at >= 0 and _pushes(piece, full_at)
        expected = ["commit"] if whole is not None and broken_at < 0 and not lost else ["drop"] if piece or broken_at >= 0 else []
        assert ends == expected, f"deframer: {kind}, {piece.hex()}: {ends}, expected {expected}"
        if expected == ["commit"]:
            assert whole is not None, kind
            sent = frame(*whole)
            assert bytes(pushed) == sent, f"deframer: {kind}: {pushed.hex()}, expected {sent.hex()}"


def _escaped(piece: bytes, at: int) -> bool:
    """Whether the byte at a place stands behind an escape that is none itself."""
    escaped = False
    for byte in piece[:at]:
        escaped = byte == ESCAPE and not escaped
    return escaped


def _pushes(piece: bytes, at: int) -> bool:
    """Whether the byte at a place is pushed: no escape, and not behind the frame that the length so far announces."""
    body: list[int] = []
    for place, byte in enumerate(piece):
        if byte == ESCAPE and not _escaped(piece, place):
            if place == at:
                return False
            continue
        length = int.from_bytes(bytes(body[HEADER_BYTES - 2:HEADER_BYTES]), "little") % 512 if len(body) >= HEADER_BYTES else 0
        if len(body) >= HEADER_BYTES and len(body) >= HEADER_BYTES + length + CRC_BYTES:
            return False
        if place == at:
            return True
        body.append(byte ^ 0x20 if _escaped(piece, place) else byte)
    return False


@cocotb.test()
async def framer(dut: Any) -> None:
    """Replies of any length, byte after byte, with a receiver that is ready now and then: flags, escapes and CRC as `encode` has them."""
    rng = seeded("framer")
    bench = Bench(dut, "framer")
    await bench.reset()
    for number in range(60):
        body = rng.randbytes(HEADER_BYTES) + _payload(rng, rng.choice((0, 1, 2, 8, 40)))
        expected = encode(body + struct.pack("<I", zlib.crc32(body)))
        eager, sent, found, held = rng.choice((0.05, 0.5, 1.0)), 0, bytearray(), -1
        valid = False
        for _ in range(200 * len(expected)):
            valid = valid or rng.random() < 0.5
            ready = rng.random() < eager
            bench.set(i_valid=int(valid and sent < len(body)), o_ready=int(ready),
                      i_payload=body[sent] | (sent == len(body) - 1) << 8 if sent < len(body) else 0)
            await bench.settle()
            if held >= 0:
                bench.check({"o_valid": 1, "o_payload": held}, "a byte that nobody took changes")
            held = bench.get("o_payload") if bench.get("o_valid") and not ready else -1
            if bench.get("o_valid") and ready:
                found.append(bench.get("o_payload"))
            if valid and sent < len(body) and bench.get("i_ready"):
                sent, valid = sent + 1, False
            done = len(found) == len(expected)
            await bench.next()
            if done:
                break
        assert bytes(found) == expected, f"framer: reply {number}: {found.hex()}, expected {expected.hex()}"
        await bench.settle()
        bench.check({"idle": 1})
        await bench.next()


@cocotb.test()
async def crc(dut: Any) -> None:
    """Eight clocks a byte; the sum is zlib's, and a sum behind its bytes matches, and no other."""
    rng = seeded("crc")
    bench = Bench(dut, "crc")
    await bench.reset()
    for _ in range(40):
        data = rng.randbytes(rng.randrange(1, 12))
        bench.set(start=1, valid=0)
        await bench.next()
        bench.set(start=0)
        wrong = rng.random() < 0.5
        total = struct.pack("<I", zlib.crc32(data) ^ (1 << rng.randrange(32) if wrong else 0))
        for place, byte in enumerate(data + total):
            if place == len(data):
                await bench.settle()
                bench.check({"crc": zlib.crc32(data)})
            bench.set(byte=byte, valid=1)
            await bench.next()
            bench.set(valid=0)
            for _ in range(_BYTE_CLOCKS):
                await bench.settle()
                bench.check({"busy": 1})
                await bench.next()
            await bench.settle()
            bench.check({"busy": 0})
        bench.check({"match": int(not wrong)})
