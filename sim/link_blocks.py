"""The link's blocks for their benches; ``up5k_`` ones in the form of that technology, whose registers are dear."""

from __future__ import annotations

from dataclasses import replace

from amaranth.hdl import Fragment, Module
from amaranth.lib.wiring import Component, Flow

from ranvier.model.fabric.config import CoreConfig, FabricConfig, InputConfig
from ranvier.model.fabric.device_config import DeviceConfig, LinkConfig
from ranvier.model.link.identity import identity_words
from ranvier.rtl.forms.technology import CHECKED_UP5K, Technology
from ranvier.rtl.link.buffer import FrameBuffer
from ranvier.rtl.link.crc import SerialCrc
from ranvier.rtl.link.framing import Deframer, Framer
from ranvier.rtl.link.interpreter import Interpreter
from ranvier.rtl.link.recorder import Recorder
from ranvier.rtl.link.registers import LinkRegisters
from ranvier.rtl.link.stage import Stage
from ranvier.rtl.link.uart import UartReceiver, UartTransmitter

__all__ = ["BUFFER_BYTES", "LINK", "NARROW", "link_blocks"]

#: Depths that are no powers of two, two input values to an address, records of four words.
LINK = DeviceConfig(
    FabricConfig(cores=2, word_bits=64, spike_depth=64, reads_back=1,
                 core=CoreConfig(lanes=8, sweep_lanes=2, program_depth=33, row_depth=7, weight_depth=100, state_depth=17, drive_depth=9,
                                 dynamics_depth=5, readout_depth=4),
                 input=InputConfig(sweep_lanes=2, row_depth=5, state_depth=19, drive_depth=6, dynamics_depth=3)),
    LinkConfig(buffer_bytes=1024, record_depth=16, patience_log2=8), clock_hz=8_000_000, baud=1_000_000, board="bench")
#: The same with one input value to an address.
NARROW = replace(LINK, fabric=replace(LINK.fabric, input=replace(LINK.fabric.input, sweep_lanes=1)))
#: Few, so that it is full often.
BUFFER_BYTES = 16


class _Formed(Component):
    """A block in the form of one technology, whatever the rest of the design is made for."""

    def __init__(self, block: Component, technology: Technology) -> None:
        self._block, self._technology = block, technology
        super().__init__({name: block.signature.members[name] for name in block.signature.members})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.block = Fragment.get(self._block, self._technology)  # type: ignore[no-untyped-call]
        for (_, member, mine), (_, _, its) in zip(self.signature.flatten(self), self._block.signature.flatten(self._block), strict=True):
            m.d.comb += its.eq(mine) if member.flow is Flow.In else mine.eq(its)
        return m


def link_blocks() -> dict[str, Component]:
    """Every block of `ranvier.rtl.link`, by the prefix of its ports."""
    def formed() -> dict[str, Component]:
        return {"receiver": UartReceiver(), "transmitter": UartTransmitter(), "buffer": FrameBuffer(BUFFER_BYTES),
                "recorder": Recorder(LINK.fabric, LINK.link, identity_words(LINK)), "registers": LinkRegisters(LINK)}

    return {"crc": SerialCrc(), "deframer": Deframer(), "framer": Framer(), "stage": Stage(8), "interpreter": Interpreter(LINK),
            "narrow_interpreter": Interpreter(NARROW),
            **formed(), **{f"up5k_{name}": _Formed(block, CHECKED_UP5K) for name, block in formed().items()}}
