"""The fabric: cores and input unit on one ring, the ticker, and the configuration port."""

from __future__ import annotations

import re
from typing import Any

from amaranth.hdl import Module, Signal
from amaranth.lib.wiring import Component, In, Out, connect

from ranvier.model.fabric.config import FabricConfig, bits_for
from ranvier.model.fabric.layout import CHUNK_BITS, MEMORY_BITS, OFFSET_BITS, UNIT_BITS

from .core import Core
from .core_instance import CORE_MODULE, CoreInstance
from .forms.technology import GENERIC, Technology, platform_form
from .forms.tick_copy import TickCopy
from .input_unit import InputUnit
from .memory.access_port import AccessPort
from .ring import RingNode
from .signatures import Trace
from .ticker import Ticker
from .unit import Unit
from .verilog import verilog_of

__all__ = ["Fabric", "fabric_verilog", "shared_core_module"]


class Fabric(Component):
    """Everything but the host link. Units are the cores 0 .. N - 1 and the input unit N; the ticker is N + 1 on the configuration port.

    in
        ``address``, ``data``, ``write``, ``read``: an access a clock (`AccessPort`). ``hold``: no tick begins.
    out
        ``value``: a read's answer, `read_latency` clocks later. ``running`` follows a command after at most `access_latency` clocks.
        ``waiting``: the next tick waits, for ``hold`` or for input values. ``room``: the host may write the bank of input values; falls
        at once when a command is given. ``tick``: the first clock of a tick. ``spike_address``, ``spike_bits``, with ``spike_valid``:
        every spike word once. ``trace_0`` and so on (`Trace`): every membrane group that this unit stores.

    With ``shared_core`` the cores are references to one module, which `shared_core_module` gives.
    """

    address: Signal
    data: Signal
    write: Signal
    read: Signal
    hold: Signal
    value: Signal
    running: Signal
    waiting: Signal
    room: Signal
    tick: Signal
    spike_valid: Signal
    spike_address: Signal
    spike_bits: Signal

    def __init__(self, config: FabricConfig, *, shared_core: bool = False) -> None:
        self._config = config
        self._core = CoreInstance if shared_core else Core
        super().__init__({
            "address": In(OFFSET_BITS + MEMORY_BITS + UNIT_BITS), "data": In(CHUNK_BITS), "write": In(1), "read": In(1), "hold": In(1),
            "value": Out(CHUNK_BITS), "running": Out(1), "waiting": Out(1), "room": Out(1), "tick": Out(1),
            "spike_valid": Out(1), "spike_address": Out(bits_for(config.spike_depth - 1)), "spike_bits": Out(config.word_bits),
            **{f"trace_{n}": Out(Trace(config, config.unit(n))) for n in range(config.nodes)},
        })

    def elaborate(self, platform: object) -> Module:
        """Each unit sits beside its node of the ring and, where the form has them, its copy of the ticker's registers. The ticker starts
        a tick for all of them, and the next one when none is busy.
        """
        m = Module()
        config, form = self._config, platform_form(platform)
        m.submodules.ticker = ticker = Ticker(config)
        m.submodules.port = port = AccessPort(config)
        inputs = InputUnit(config)
        units: list[Unit] = [*(self._core(config) for _ in range(config.cores)), inputs]
        one_register = form.single_ring_register and config.cores == 1
        nodes = [RingNode(config, only_sends=one_register and n == config.cores) for n in range(config.nodes)]
        busy = Signal(config.nodes)
        for n, (unit, node) in enumerate(zip(units, nodes, strict=True)):
            m.submodules[f"core_{n}" if n < config.cores else "input"] = unit
            m.submodules[f"node_{n}"] = node
            ticks: Any = ticker
            if form.tick_copies:
                m.submodules[f"ticks_{n}"] = ticks = TickCopy(config)
                m.d.comb += [getattr(ticks.upcoming, name).eq(getattr(ticker.upcoming, name)) for name in ticker.upcoming.signature.members]
            self._attach(m, n, unit, node, nodes[n - 1], ticks)
            m.d.comb += unit.memory.eq(port.memory)
            connect(m, port.bus[n], unit.bus)
            m.d.sync += busy[n].eq(unit.busy | node.busy)
        connect(m, port.bus[config.nodes], ticker.bus)
        m.d["sync" if form.port_registers else "comb"] += self.room.eq(
            ticker.room & ~(port.pending & (form.port_registers | form.chain_registers)))
        last = nodes[0 if one_register else -1]
        m.d.comb += [
            port.address.eq(self.address), port.data.eq(self.data), port.write.eq(self.write), port.read.eq(self.read),
            self.value.eq(port.value),
            ticker.idle.eq(~busy.any()), ticker.hold.eq(self.hold), inputs.swap.eq(ticker.swap),
            self.running.eq(ticker.running), self.waiting.eq(ticker.waiting), self.tick.eq(ticker.ticker.start),
            self.spike_valid.eq(last.o_valid), self.spike_address.eq(last.o.address), self.spike_bits.eq(last.o.bits),
        ]
        return m

    def _attach(self, m: Module, n: int, unit: Unit, node: RingNode, before: RingNode, ticks: Any) -> None:
        """Unit n, its node, the node before it on the ring, and what tells it the ticks."""
        trace = getattr(self, f"trace_{n}")
        m.d.comb += [
            node.start.eq(ticks.ticker.start), node.word_valid.eq(unit.word_valid), node.word.eq(unit.word),
            node.i_valid.eq(before.o_valid), node.i.eq(before.o),
            *(getattr(trace, name).eq(getattr(unit.trace, name)) for name in trace.signature.members),
            *(getattr(unit.ticker, name).eq(getattr(ticks.ticker, name)) for name in ticks.ticker.signature.members),
        ]
        if isinstance(unit, Core):
            m.d.comb += [unit.ring_valid.eq(node.o_valid), unit.ring.eq(node.o)]


def fabric_verilog(config: FabricConfig, *, shared_core: bool = False, technology: Technology = GENERIC) -> str:
    """The fabric as plain Verilog, top module ``fabric``; with ``shared_core`` there is one module for all cores.

    The comment in that module keeps Verilator from copying it once for every core. With a ``technology`` it is the form that
    such a device gets, which may have cells in it.
    """
    fabric = Fabric(config, shared_core=shared_core)
    text = verilog_of(fabric, "fabric", technology)
    return text + shared_core_module(config, technology) if shared_core else text


def shared_core_module(config: FabricConfig, technology: Technology = GENERIC) -> str:
    """The module that the cores of a fabric with ``shared_core`` are references to, as Verilog."""
    core = verilog_of(Core(config), CORE_MODULE, technology)
    header = re.compile(rf"^module {CORE_MODULE}\(.*?\);\n", re.MULTILINE | re.DOTALL)
    return header.sub(lambda found: f"{found[0]}  /*verilator no_inline_module*/\n", core, count=1)
