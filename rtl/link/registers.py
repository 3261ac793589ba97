"""The link's own unit on the configuration port: registers, record, identity."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal, Value
from amaranth.lib.wiring import Component, In, Out

from ranvier.model.fabric.device_config import DIVISOR_BITS, LEAST_DIVISOR, DeviceConfig
from ranvier.model.fabric.layout import CHUNK_BITS, MEMORY_BITS, OFFSET_BITS
from ranvier.model.link.protocol import LinkMemory, Register

from ..forms.technology import platform_form
from .recorder import LOST_BITS, address_bits, pointer_bits

__all__ = ["LinkRegisters"]

# A reset lasts as long as the longest pipeline of the fabric takes to run dry.
_RESET_CLOCKS = 32


class LinkRegisters(Component):
    """Keeps the link's registers (`Register`), counts dropped frames, and shows the record and the identity on the same port.

    in
        ``address`` (offset and memory, from the lowest bits), ``data`` (32): of an access. ``write``: it is a write, for one clock.
        ``bad_frame``, ``overrun``: a frame is dropped, for one clock each. ``quiet``: no reply is on its way. ``line_break``: the line's
        first rate is asked for. ``state`` (3), ``head``, ``lost``: what `Register.STATE`, `Register.RECORD_HEAD` and
        `Register.RECORD_LOST` read as. ``began``: a run begins, for one clock; the tail goes back to 0. ``record`` (32): the recorder's
        word, at most two clocks after ``address``.
    out
        ``value`` (32): what the address reads as, at most three clocks after it. ``refuses``: the register does not take the data, a clock
        after both; nobody writes it then. ``identifies``: the address is one of the identity. ``divisor``: clocks of a bit, which change
        only while ``quiet``. ``reset_fabric``: high for some clocks after a write to `Register.RESET`. ``tail``, ``first``, ``stop``: the
        registers of these names, for the recorder.
    """

    address: Signal
    data: Signal
    write: Signal
    value: Signal
    refuses: Signal
    bad_frame: Signal
    overrun: Signal
    quiet: Signal
    line_break: Signal
    state: Signal
    head: Signal
    lost: Signal
    began: Signal
    record: Signal
    identifies: Signal
    divisor: Signal
    reset_fabric: Signal
    tail: Signal
    first: Signal
    stop: Signal

    def __init__(self, config: DeviceConfig) -> None:
        self._config = config
        super().__init__({
            "address": In(OFFSET_BITS + MEMORY_BITS), "data": In(CHUNK_BITS), "write": In(1), "value": Out(CHUNK_BITS), "refuses": Out(1),
            "bad_frame": In(1), "overrun": In(1), "quiet": In(1), "line_break": In(1), "state": In(3),
            "head": In(pointer_bits(config.link)), "lost": In(LOST_BITS), "began": In(1), "record": In(CHUNK_BITS),
            "identifies": Out(1), "divisor": Out(DIVISOR_BITS), "reset_fabric": Out(1),
            "tail": Out(pointer_bits(config.link)), "first": Out(address_bits(config.fabric)), "stop": Out(address_bits(config.fabric)),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        memory = self.address[OFFSET_BITS:]
        offset = self.address[:OFFSET_BITS]
        bad_frames, overruns = Signal(8), Signal(8)
        m.d.sync += [bad_frames.eq(bad_frames + self.bad_frame), overruns.eq(overruns + self.overrun)]
        divisor = self._divisor(m, offset)
        resetting = Signal(range(_RESET_CLOCKS))
        m.d.comb += self.reset_fabric.eq(resetting != 0)
        with m.If(resetting != 0):
            m.d.sync += resetting.eq(resetting - 1)
        with m.If(self._chosen(offset, Register.RESET) & self.data[0]):
            m.d.sync += resetting.eq(_RESET_CLOCKS - 1)
        for register, target in ((Register.RECORD_FIRST, self.first), (Register.RECORD_STOP, self.stop),
                                 (Register.RECORD_TAIL, self.tail)):
            with m.If(self._chosen(offset, register)):
                m.d.sync += target.eq(self.data)
        with m.If(self.began):
            m.d.sync += self.tail.eq(0)
        values = {
            Register.BAD_FRAMES: bad_frames, Register.OVERRUNS: overruns, Register.DIVISOR: divisor, Register.STATE: self.state,
            Register.RECORD_HEAD: self.head, Register.RECORD_LOST: self.lost,
        }
        # The address stays until the value is taken, so each choice may take a clock; where a register would take logic cells there is
        # none.
        domain = m.d["sync" if platform_form(platform).link_registers else "comb"]
        register_value = Signal(CHUNK_BITS)
        domain += register_value.eq(0)
        with m.Switch(offset[:4]):
            for register, value in values.items():
                with m.Case(register):
                    domain += register_value.eq(value)
        m.d.comb += self.identifies.eq(memory == LinkMemory.IDENTITY)
        domain += self.value.eq(Mux(memory == LinkMemory.REGISTERS, register_value, self.record))
        return m

    def _chosen(self, offset: Value, register: Register) -> Value:
        return self.write & self._means(offset, register)

    def _means(self, offset: Value, register: Register) -> Value:
        return (self.address[OFFSET_BITS:] == LinkMemory.REGISTERS) & (offset[:4] == register)

    def _divisor(self, m: Module, offset: Value) -> Signal:
        """The rate that was asked for last; a break asks for the first one."""
        wanted = Signal(DIVISOR_BITS, init=self._config.divisor)
        used = Signal(DIVISOR_BITS, init=self._config.divisor)
        m.d.comb += self.divisor.eq(used)
        unfit = (self.data < LEAST_DIVISOR) | (self.data >= 1 << DIVISOR_BITS)     # what cannot be sampled
        m.d.sync += self.refuses.eq(self._means(offset, Register.DIVISOR) & unfit)
        with m.If(self._chosen(offset, Register.DIVISOR)):
            m.d.sync += wanted.eq(self.data)
        with m.If(self.line_break):
            m.d.sync += wanted.eq(self._config.divisor)
        with m.If(self.quiet):
            m.d.sync += used.eq(wanted)
        return wanted
