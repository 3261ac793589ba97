"""Clock counts that the RTL and the cycle model share. `rtl/` is built so that these are true; tests compare."""

from ..neurons.kind import PipelineTiming
from .config import FabricConfig
from .layout import Counter

__all__ = ["ASSEMBLY_LATENCY", "COUNTER_LATENCY", "DECODE", "FIRST_SCAN", "JUMP", "OUTBOX_LATENCY", "QUEUE_LATENCY", "REREAD",
           "ROW_LATENCY", "TICK_OVERHEAD", "WALK_LATENCY", "drain", "outbox_depth", "pipeline", "settling", "trip", "word_latency",
           "write_latency"]

#: A tick's start pulse is clock 0; every unit looks at its first descriptor in this clock.
DECODE = 1
#: From the clock that decodes a segment to the read of its first spike word.
FIRST_SCAN = 1
#: From the clock that decodes a LOOP to the one that decodes the first segment of the next pass.
JUMP = 4
#: From the read of a spike word to the first clock in which its entry can be in hand.
QUEUE_LATENCY = 5
#: From the token that ends a row to the first group of its sweep.
ROW_LATENCY = 4
#: From a group's address to the clock in which its words are at the neurons' inputs.
WALK_LATENCY = 2
#: From the clock in which a group's spikes are at the neurons' outputs to the one in which the word with them leaves the sweep.
ASSEMBLY_LATENCY = 1
#: From the clock in which a spike word leaves the sweep to the first in which it can enter the ring.
OUTBOX_LATENCY = 1
#: From a counter's step to the first clock in which a read shows it, if the host reads in every second clock meanwhile.
COUNTER_LATENCY = 2 * len(Counter) + 3
#: From the first clock in which a unit is idle to the next tick's start, once all are.
TICK_OVERHEAD = 2
#: Fewest clocks from the address of a core's last group in a tick to the first address in the next: from an idle core to the start of the
#: tick, its first segment, that one's read, its token, and the sweep. A membrane must be written by then.
REREAD = 1 + TICK_OVERHEAD + DECODE + FIRST_SCAN + QUEUE_LATENCY + ROW_LATENCY


def pipeline(config: FabricConfig, unit: str) -> PipelineTiming:
    """Clocks of the neurons of a ``core`` or of the ``input`` unit."""
    return config.family(unit).timing(config.options(unit))


def write_latency(config: FabricConfig, unit: str) -> int:
    """From a group's address to the clock in which its membranes are written."""
    return WALK_LATENCY + pipeline(config, unit).latency


def word_latency(config: FabricConfig, unit: str) -> int:
    """From a group's address to the first clock in which its spike word can enter the ring: of several planes the first one."""
    return WALK_LATENCY + pipeline(config, unit).spikes + ASSEMBLY_LATENCY + OUTBOX_LATENCY


def settling(config: FabricConfig) -> int:
    """Clocks for which a core whose last group sends no spikes is busy beyond that group's address, so that `REREAD` holds."""
    return max(0, write_latency(config, "core") + 1 - REREAD)


def trip(nodes: int) -> int:
    """Clocks after a word's entry into the ring for which the unit must stay busy, beyond the clock of entry.

    The word is in the last spike buffer ``nodes + 2`` clocks after its entry; from a unit's idleness to the next
    tick's first read pass `TICK_OVERHEAD` + `DECODE` + `FIRST_SCAN` clocks.
    """
    return max(0, nodes + 2 - (TICK_OVERHEAD + DECODE + FIRST_SCAN) - 1)


def drain(config: FabricConfig) -> int:
    """Clocks after a run in which its last membranes and spike words still show, and its counters still change."""
    return max(write_latency(config, unit) for unit in ("core", "input")) + 4 + 2 * config.nodes + COUNTER_LATENCY


def outbox_depth(lanes: int, word_bits: int) -> int:
    """Spike words, each with all its planes, that a unit may have waiting for its ring slot.

    A row holds its unit for at least as long as its words take, and full words come no faster than slots, so at most two wait
    when a row begins, and three within it. Planes stretch both alike. Where a core's row has one word only, the one before has left by
    then, and the input unit's last word may come right behind a full one: two.
    """
    return 2 if lanes <= word_bits else 4
