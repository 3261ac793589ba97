"""The check that an access stays within its memory."""

from __future__ import annotations

from amaranth.hdl import Module, Signal, signed
from amaranth.lib.wiring import Component, In, Out

from ranvier.model.fabric.config import bits_for
from ranvier.model.fabric.device_config import DeviceConfig
from ranvier.model.fabric.layout import MEMORY_BITS, OFFSET_BITS, UNIT_BITS
from ranvier.model.link.addresses import addresses_of
from ranvier.model.link.protocol import MOST_READ

__all__ = ["Reach"]


class Reach(Component):
    """Says whether words reach behind their memory's last, or are of no memory at all.

    in
        ``address`` (offset, memory and unit, from the lowest bits): the first word's. ``words``: how many, at least 1.
    out
        ``beyond``: the last one lies behind the memory's last. Three clocks after unit and memory, two after ``words``, one after the
        offset.
    """

    address: Signal
    words: Signal
    beyond: Signal

    def __init__(self, config: DeviceConfig) -> None:
        self._config = config
        super().__init__({"address": In(OFFSET_BITS + MEMORY_BITS + UNIT_BITS), "words": In(bits_for(MOST_READ)), "beyond": Out(1)})

    def elaborate(self, platform: object) -> Module:
        """Unit and memory give the reach; reach and ``words`` the highest offset at which so many still fit, which is negative where they
        never do. Each has a register. Only the offset changes from one word of a write to the next, and it is compared last.
        """
        m = Module()
        fabric = self._config.fabric
        offset, memory = self.address[:OFFSET_BITS], self.address[OFFSET_BITS:][:MEMORY_BITS]
        unit = self.address[OFFSET_BITS + MEMORY_BITS:]
        kinds = addresses_of(fabric, self._config.link.record_depth)
        reach = Signal(bits_for(max(most for kind in kinds.values() for most in kind.values())))    # addresses that the memory has
        units = (("core", unit < fabric.cores), *((name, unit == fabric.cores + n) for n, name in enumerate(("input", "ticker", "link"))))
        m.d.sync += reach.eq(0)
        for name, chosen in units:
            with m.If(chosen), m.Switch(memory):
                for number, most in kinds[name].items():
                    with m.Case(number):
                        m.d.sync += reach.eq(most)
        highest = Signal(signed(1 + max(len(reach), len(self.words))))
        m.d.sync += [highest.eq(reach - self.words), self.beyond.eq(offset > highest)]
        return m
