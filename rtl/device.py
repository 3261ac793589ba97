"""The device: host link and fabric, everything that a board needs besides its clock and pins."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, ClockDomain, ClockSignal, DomainRenamer, Module, Mux, ResetSignal, Signal, ValueLike
from amaranth.lib import stream
from amaranth.lib.cdc import FFSynchronizer
from amaranth.lib.wiring import Component, In, Out, connect, flipped

from ranvier.model.fabric.device_config import DIVISOR_BITS, DeviceConfig
from ranvier.model.fabric.layout import MEMORY_BITS, OFFSET_BITS
from ranvier.model.link.identity import identity_words
from ranvier.model.link.protocol import link_unit

from .fabric import Fabric, shared_core_module
from .link.buffer import FrameBuffer
from .link.framing import Deframer, Framer, reply_layout
from .link.interpreter import Interpreter
from .link.recorder import Recorder
from .link.registers import LinkRegisters
from .link.stage import Stage
from .link.uart import UartReceiver, UartTransmitter
from .verilog import verilog_of

__all__ = ["Device", "StreamDevice", "device_verilog", "stream_device_verilog"]

# What a person can see: the busy light stays on for at least 2 to this many clocks, and a heart beats at about 1 Hz.
_VISIBLE_LOG2 = 21


def _domain(m: Module, name: str, reset: ValueLike) -> None:
    """A clock domain on the same clock that ``reset`` resets too, a clock later: a register drives its thousands of flip-flops.

    Not a `ResetInserter`, which would not reach a core that is a reference to a Verilog module.
    """
    m.domains += ClockDomain(name, local=True)
    resetting = Signal(init=1, reset_less=True, name=f"{name}_resetting")
    m.d.sync += resetting.eq(ResetSignal() | reset)
    m.d.comb += [ClockSignal(name).eq(ClockSignal()), ResetSignal(name).eq(resetting)]


class StreamDevice(Component):
    """Link and fabric, with bytes instead of a line.

    in
        ``i`` (a stream of bytes): from the host; it is always ready. ``broken``: a byte of ``i`` was lost or damaged. ``line_break``: the
        line was held low. ``o_idle``: every byte of ``o`` has left. Where bytes cannot be lost these three are 0, 0 and 1.
    out
        ``o`` (a stream of bytes): to the host. ``divisor``: the rate that the host asked for, in clocks a bit. Lights: ``heartbeat``, the
        clock runs; ``busy``, the fabric runs; ``error``, since the last hello a frame was dropped, a command refused or a spike word lost.
    """

    i: Any
    o: Any
    broken: Signal
    line_break: Signal
    o_idle: Signal
    divisor: Signal
    heartbeat: Signal
    busy: Signal
    error: Signal

    def __init__(self, config: DeviceConfig, *, shared_core: bool = False) -> None:
        self._config = config
        self._shared_core = shared_core
        super().__init__({
            "i": In(stream.Signature(8)), "o": Out(stream.Signature(8)),
            "broken": In(1), "line_break": In(1), "o_idle": In(1), "divisor": Out(DIVISOR_BITS),
            "heartbeat": Out(1), "busy": Out(1), "error": Out(1),
        })

    def elaborate(self, platform: object) -> Module:
        """Bytes become frames, frames commands, commands accesses to the fabric or to the link's registers, and answers go back the same
        way. The recorder keeps spike words that the host wants to see.
        """
        m = Module()
        config = self._config
        m.submodules.deframer = deframer = Deframer()
        m.submodules.buffer = buffer = FrameBuffer(config.link.buffer_bytes)
        m.submodules.interpreter = interpreter = Interpreter(config)
        m.submodules.reply = reply = Stage(reply_layout())
        m.submodules.framer = framer = Framer()
        m.submodules.sent = sent = Stage(8)
        m.submodules.registers = registers = LinkRegisters(config)
        m.submodules.recorder = recorder = Recorder(config.fabric, config.link, identity_words(config))
        fabric = Fabric(config.fabric, shared_core=self._shared_core)
        _domain(m, "fabric", registers.reset_fabric)
        m.submodules.fabric = DomainRenamer("fabric")(fabric)
        connect(m, interpreter.o, reply.i)
        connect(m, reply.o, framer.i)
        connect(m, framer.o, sent.i)
        connect(m, sent.o, flipped(self.o))
        bad_frame, overrun = Signal(), Signal()    # registers for short paths: the counters may be a clock late
        m.d.sync += [bad_frame.eq(deframer.drop & ~deframer.overrun), overrun.eq(deframer.drop & deframer.overrun)]
        m.d.comb += [
            self.i.ready.eq(1),
            deframer.byte.eq(self.i.payload), deframer.byte_valid.eq(self.i.valid), deframer.broken.eq(self.broken),
            deframer.full.eq(buffer.full),
            buffer.data.eq(deframer.data), buffer.push.eq(deframer.push), buffer.commit.eq(deframer.commit),
            buffer.drop.eq(deframer.drop), buffer.take.eq(interpreter.take),
            interpreter.byte.eq(buffer.byte), interpreter.valid.eq(buffer.valid),
            recorder.running.eq(fabric.running), recorder.tick.eq(fabric.tick), recorder.spike_valid.eq(fabric.spike_valid),
            recorder.spike_address.eq(fabric.spike_address), recorder.spike_bits.eq(fabric.spike_bits),
            recorder.first.eq(registers.first), recorder.stop.eq(registers.stop), recorder.tail.eq(registers.tail),
            recorder.offset.eq(registers.address), recorder.identifies.eq(registers.identifies), fabric.hold.eq(recorder.hold),
            registers.bad_frame.eq(bad_frame), registers.overrun.eq(overrun),
            registers.quiet.eq(interpreter.quiet & reply.i.ready & framer.idle & sent.i.ready & self.o_idle),
            registers.line_break.eq(self.line_break),
            registers.state.eq(Cat(fabric.running, fabric.waiting, fabric.room)), registers.head.eq(recorder.head),
            registers.lost.eq(recorder.lost), registers.began.eq(recorder.began), registers.record.eq(recorder.value),
            self.divisor.eq(registers.divisor),
        ]
        self._access(m, interpreter, registers, fabric)
        self._lights(m, interpreter, deframer, fabric, recorder)
        return m

    def _access(self, m: Module, interpreter: Interpreter, registers: LinkRegisters, fabric: Fabric) -> None:
        """The configuration port: the link's registers at their own unit, everything else in the fabric."""
        own = interpreter.access_address[OFFSET_BITS + MEMORY_BITS:] == link_unit(self._config.fabric)
        m.d.comb += [
            fabric.address.eq(interpreter.access_address), fabric.data.eq(interpreter.access_data),
            fabric.write.eq(interpreter.access_write), fabric.read.eq(interpreter.access_read),
            registers.address.eq(interpreter.access_address), registers.data.eq(interpreter.access_data),
            registers.write.eq(interpreter.access_write & own),
            interpreter.access_value.eq(Mux(own, registers.value, fabric.value)),
            interpreter.unfit.eq(registers.refuses & own),
            interpreter.running.eq(fabric.running | registers.reset_fabric), interpreter.waiting.eq(fabric.waiting),
            interpreter.room.eq(fabric.room & ~registers.reset_fabric),
        ]

    def _lights(self, m: Module, interpreter: Interpreter, deframer: Deframer, fabric: Fabric, recorder: Recorder) -> None:
        """One timer, which never stops, for the heartbeat, for how long ``busy`` stays on, and for the interpreter's patience."""
        beat = max(1, (self._config.clock_hz // 2).bit_length())
        patience = self._config.link.patience_log2 - 2     # four of the interpreter's periods
        timer, before = Signal(max(beat, _VISIBLE_LOG2, patience + 1)), Signal()
        m.d.comb += interpreter.period.eq(before & ~timer[patience])
        m.d.sync += [before.eq(timer[patience]), timer.eq(timer + 1), self.heartbeat.eq(timer[beat - 1])]
        with m.If(fabric.running):
            m.d.sync += self.busy.eq(1)
        with m.Elif(timer[:_VISIBLE_LOG2].all()):
            m.d.sync += self.busy.eq(0)
        failed = Signal()    # a register for short paths: the light may be a clock late
        m.d.sync += failed.eq(deframer.drop | interpreter.refused | (recorder.lost != 0))
        with m.If(interpreter.welcome):
            m.d.sync += self.error.eq(0)
        with m.Elif(failed):
            m.d.sync += self.error.eq(1)


class Device(Component):
    """A `StreamDevice` behind a UART.

    in
        ``rx``: the line from the host. ``reset``: a button; while it is high, in any clock, everything but the memories is reset.
    out
        ``tx``: the line to the host. ``heartbeat``, ``busy``, ``error``: lights.
    """

    rx: Signal
    tx: Signal
    reset: Signal
    heartbeat: Signal
    busy: Signal
    error: Signal

    def __init__(self, config: DeviceConfig, *, shared_core: bool = False) -> None:
        self._config = config
        self._shared_core = shared_core
        super().__init__({
            "rx": In(1), "tx": Out(1), "reset": In(1),
            "heartbeat": Out(1), "busy": Out(1), "error": Out(1),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        pressed = Signal()
        m.submodules.button = FFSynchronizer(self.reset, pressed)
        _domain(m, "link", pressed)
        receiver, transmitter = UartReceiver(), UartTransmitter()
        inner = StreamDevice(self._config, shared_core=self._shared_core)
        for name, part in (("receiver", receiver), ("transmitter", transmitter), ("stream", inner)):
            m.submodules[name] = DomainRenamer("link")(part)
        m.d.comb += [
            receiver.rx.eq(self.rx), self.tx.eq(transmitter.tx),
            receiver.divisor.eq(inner.divisor), transmitter.divisor.eq(inner.divisor),
            inner.i.payload.eq(receiver.byte), inner.i.valid.eq(receiver.byte_valid),
            inner.broken.eq(receiver.broken), inner.line_break.eq(receiver.line_break),
            transmitter.i.payload.eq(inner.o.payload), transmitter.i.valid.eq(inner.o.valid), inner.o.ready.eq(transmitter.i.ready),
            inner.o_idle.eq(transmitter.idle),
            self.heartbeat.eq(inner.heartbeat), self.busy.eq(inner.busy), self.error.eq(inner.error),
        ]
        return m


def _verilog(top: Component, name: str, config: DeviceConfig, shared_core: bool) -> str:
    text = verilog_of(top, name)
    return text + shared_core_module(config.fabric) if shared_core else text


def device_verilog(config: DeviceConfig, *, shared_core: bool = False) -> str:
    """The device as plain Verilog, top module ``device``; ``shared_core`` as in `fabric_verilog`."""
    return _verilog(Device(config, shared_core=shared_core), "device", config, shared_core)


def stream_device_verilog(config: DeviceConfig, *, shared_core: bool = False) -> str:
    """The device with byte streams as plain Verilog, top module ``ranvier``."""
    return _verilog(StreamDevice(config, shared_core=shared_core), "ranvier", config, shared_core)
