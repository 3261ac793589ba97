"""`Scanner` against the times of the cycle model: one token a clock, lowest bit first, row ends held back."""

from __future__ import annotations

import os
import random
from collections.abc import Mapping
from typing import Any

import cocotb

from ranvier.model.fabric.timing import QUEUE_LATENCY
from ranvier.rtl.scan.entry import SLICE_BITS, entry_layout, token_layout

from ..bench import BLOCKS
from ..window_blocks import WINDOWS
from .common import FORM, Bench, bits_of, seeded, unpack

_CONFIG = WINDOWS if os.environ.get("RANVIER_BENCH_TOP", "").startswith("windows") else BLOCKS
_ENTRY, _TOKEN = entry_layout(_CONFIG), token_layout(_CONFIG)
#: Fields that go unchanged from an entry to its tokens.
_ROW = ("row", "neurons", *(("restart",) if _CONFIG.windows else ()))
# The queue's latency counts from the read of a spike word; the entry arrives two clocks after it, or one.
_ARRIVAL_LATENCY = QUEUE_LATENCY - 1 - FORM.late_memories
_ADDRESSES = 1 << _ENTRY["base"].width
_SLICES = unpack(_ENTRY, (1 << _ENTRY.size) - 1)["filled"].bit_length()


class _Expected:
    """Tokens by the clock in which the entry in hand gives them, one clock before they show."""

    def __init__(self) -> None:
        self.tokens: dict[int, dict[str, int]] = {}
        self.stalls: set[int] = set()
        self.busy: set[int] = set()
        self.in_hand: set[int] = set()
        self._free = self._hold = 0

    def arrive(self, clock: int, entry: Mapping[str, int]) -> None:
        at = taken = max(clock + _ARRIVAL_LATENCY, self._free)
        same = {name: entry[name] for name in _ROW}
        for position in (n for n in range(_CONFIG.word_bits) if entry["bits"] >> n & 1):
            self.tokens[at] = {"weight": 1, "double": 0, "row_end": 0, "address": (entry["base"] + position) % _ADDRESSES, **same}
            at += 1
        if entry["double"]:
            self.tokens[at] = {"weight": 0, "double": 1, "row_end": 0, "address": entry["base"], **same}
            at += 1
        if entry["row_last"]:
            self.stalls.update(range(at, self._hold))
            at = max(at, self._hold)
            self._hold = at + entry["hold"]
            self.tokens[at] = {"weight": 0, "double": 0, "row_end": 1, "address": entry["base"], **same}
            at += 1
        self.busy.update(range(clock, at))
        self.in_hand.update(range(taken, at))
        self._free = max(at, taken + 1)


def _entry(rng: random.Random) -> dict[str, int]:
    width = _CONFIG.word_bits
    full = (1 << width) - 1
    bits = rng.choice([0, full, 1, 1 << width - 1, rng.getrandbits(width), 1 << rng.randrange(width),
                       rng.getrandbits(width) & rng.getrandbits(width)])
    double = int(bits == 0 and rng.random() < 0.6)
    filled = sum(1 << n for n in range(_SLICES) if bits >> n * SLICE_BITS & (1 << SLICE_BITS) - 1)
    return {"bits": bits, "filled": filled, "base": rng.randrange(_ADDRESSES), "double": double,
            "row_last": int(not bits and not double or rng.random() < 0.35), "row": rng.randrange(_CONFIG.core.row_depth),
            "hold": rng.randint(1, _CONFIG.most_hold), "neurons": rng.randint(1, _CONFIG.core.lanes),
            **({"restart": rng.randrange(2)} if _CONFIG.windows else {})}


def _check(bench: Bench, expected: _Expected, number: int) -> None:
    token = expected.tokens.get(bench.clock - 1)
    found = unpack(_TOKEN, bench.get("token"))
    about = f"scanner: clock {bench.clock}, after {number} entries"
    flags = {name: found[name] for name in ("weight", "double", "row_end")}
    wanted = {name: token[name] for name in flags} if token else dict.fromkeys(flags, 0)
    assert flags == wanted, f"{about}: token expected {wanted}, found {flags}"
    if token is None:
        return
    found["address"] = (found["address"] + (0 if FORM.late_memories else found["number"])) % _ADDRESSES
    for name in (*_ROW, *(["address"] if token["weight"] else [])):
        assert found[name] == token[name], f"{about}: {name} expected {token[name]}, found {found[name]}"


@cocotb.test()
async def entries(dut: Any) -> None:
    """Random entries, as fast as the queue takes them and slowly; every clock's token, stall and busy flag."""
    rng = seeded("scanner")
    bench, expected = Bench(dut, "scanner"), _Expected()
    await bench.reset()
    credit, number, eager = False, 0, 0.5
    read = False    # in the clock before: its entry arrives now, or the sequencer dropped it
    for clock in range(4000):
        if clock % 200 == 0:
            eager = rng.choice([0.05, 0.5, 1.0])
        issued = credit and rng.random() < eager
        if not FORM.late_memories:    # an entry comes in the clock of ``issued``
            read = issued
        entry = _entry(rng) if read and rng.random() < 0.8 else None
        bench.set(issued=int(issued), entry_valid=int(entry is not None),
                  entry_arrives=int(entry is not None or rng.random() < 0.3))
        if entry is not None:
            bench.set(entry=bits_of(_ENTRY, entry))
            expected.arrive(bench.clock, entry)
            number += 1
        if issued:
            expected.busy.add(bench.clock)
        await bench.settle()
        credit, read = bool(bench.get("credit")), issued
        _check(bench, expected, number)
        bench.check({"stalled": int(bench.clock in expected.stalls), "busy": int(bench.clock in expected.busy),
                     "in_hand": int(bench.clock in expected.in_hand)}, f"after {number} entries")
        await bench.next()
    assert number > 200 and expected.stalls, "the bench did not reach what it is for"
