"""The interlock between the host's accesses and a run."""

from __future__ import annotations

from amaranth.hdl import Module, Signal
from amaranth.lib.wiring import Component, In, Out

from ranvier.model.fabric.config import FabricConfig
from ranvier.model.fabric.layout import CHUNK_BITS, MEMORY_BITS, OFFSET_BITS, UNIT_BITS, Control, Memory
from ranvier.model.fabric.timing import drain
from ranvier.model.link.protocol import link_unit

__all__ = ["Interlock"]

# The ticker is in WAIT for one clock before each run; longer means that it waits for the host.
_STUCK_CLOCKS = 7


class Interlock(Component):
    """Says whether an access may be had now: what a run uses not before the run is over, a bank of inputs not before one is free.

    in
        ``address`` (offset, memory and unit, from the lowest bits), ``data`` and ``writing``: the access in hand, and whether it is a
        write. ``wants``: somebody waits to make it. ``write``: a write is made. ``running``, ``waiting``, ``room``: the fabric's.
        ``period``: high for one clock now and then.
    out
        ``may``: the access can be had. ``hopeless``: it is of no use to wait on, because the fabric waits for the host, or four ``period``s
        have passed. Both a clock after what they follow from.
    """

    address: Signal
    data: Signal
    writing: Signal
    wants: Signal
    write: Signal
    running: Signal
    waiting: Signal
    room: Signal
    period: Signal
    may: Signal
    hopeless: Signal

    def __init__(self, config: FabricConfig) -> None:
        self._config = config
        super().__init__({
            "address": In(OFFSET_BITS + MEMORY_BITS + UNIT_BITS), "data": In(CHUNK_BITS), "writing": In(1), "wants": In(1), "write": In(1),
            "running": In(1), "waiting": In(1), "room": In(1), "period": In(1), "may": Out(1), "hopeless": Out(1),
        })

    def elaborate(self, platform: object) -> Module:
        """Three counters: clocks since a run, clocks for which the ticker has waited, and periods for which the access has."""
        m = Module()
        config = self._config
        unit = self.address[OFFSET_BITS + MEMORY_BITS:]
        # The last readouts and counters are written so many clocks after `running` falls.
        settle, stuck = Signal(range(drain(config) + 1)), Signal(range(_STUCK_CLOCKS + 1))
        periods = Signal(3)
        with m.If(self.running | self.write & (unit == config.nodes)):    # a run may begin some clocks after the write
            m.d.sync += settle.eq(0)
        with m.Elif(settle != drain(config)):
            m.d.sync += settle.eq(settle + 1)
        with m.If(~self.waiting):
            m.d.sync += stuck.eq(0)
        with m.Elif(stuck != _STUCK_CLOCKS):
            m.d.sync += stuck.eq(stuck + 1)
        with m.If(~self.wants):
            m.d.sync += periods.eq(0)
        with m.Elif(self.period & ~periods[-1]):
            m.d.sync += periods.eq(periods + 1)
        idle, room = self._needs(m)
        m.d.sync += [
            self.may.eq((~idle | (settle == drain(config))) & (~room | self.room)),
            self.hopeless.eq((stuck == _STUCK_CLOCKS) | periods[-1]),
        ]
        return m

    def _needs(self, m: Module) -> tuple[Signal, Signal]:
        """Whether the access needs the fabric at rest, or a free bank of inputs."""
        config = self._config
        memory, unit = self.address[OFFSET_BITS:][:MEMORY_BITS], self.address[OFFSET_BITS + MEMORY_BITS:]
        command = self.writing & (self.address[:4] == Control.COMMAND)
        idle, room = Signal(), Signal()
        with m.If(unit == config.nodes):
            m.d.comb += [
                idle.eq(self.writing & (~command | self.data[:2].any())),
                room.eq(command & self.data[2]),
            ]
        with m.Elif((unit == config.cores) & (memory == Memory.INPUTS) & self.writing):
            m.d.comb += room.eq(1)
        with m.Elif(unit != link_unit(config)):
            m.d.comb += idle.eq(1)
        return idle, room
