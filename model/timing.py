"""Clock counts that the RTL and the cycle model share. `rtl/` is built so that these are true; tests compare."""

__all__ = ["DECODE", "FIRST_SCAN", "OUTBOX_DEPTH", "QUEUE_LATENCY", "ROW_LATENCY", "TICK_OVERHEAD", "WORD_LATENCY",
           "trip"]

#: A tick's start pulse is clock 0; every unit looks at its first descriptor in this clock.
DECODE = 1
#: From the clock that decodes a segment to the read of its first spike word.
FIRST_SCAN = 1
#: From the read of a spike word to the first clock in which its entry can be in hand.
QUEUE_LATENCY = 3
#: From the token that ends a row to the first group of its sweep.
ROW_LATENCY = 3
#: From a group's address to the first clock in which its spike word can enter the ring.
WORD_LATENCY = 5
#: From the first clock in which a unit is idle to the next tick's start, once all are.
TICK_OVERHEAD = 2
#: Spike words that a unit may have waiting for its ring slot. A row holds its unit for at least as long as its words
#: take, and full words come no faster than slots, so at most two wait when a row begins, and three within it.
OUTBOX_DEPTH = 4


def trip(nodes: int) -> int:
    """Clocks after a word's entry into the ring for which the unit must stay busy, beyond the clock of entry.

    The word is in the last spike buffer ``nodes + 1`` clocks after its entry; from a unit's idleness to the next
    tick's first read pass `TICK_OVERHEAD` + `DECODE` + `FIRST_SCAN` clocks.
    """
    return max(0, nodes + 1 - (TICK_OVERHEAD + DECODE + FIRST_SCAN) - 1)
