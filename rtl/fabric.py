"""The fabric: cores and input unit on one ring, the ticker, and the configuration port."""

from __future__ import annotations

import re

from amaranth.back import verilog
from amaranth.hdl import Cat, Module, Signal, Value
from amaranth.lib.wiring import Component, In, Out

from ranvier.model.fabric.chain import chain_length, chain_stages, read_latency
from ranvier.model.fabric.config import FabricConfig, bits_for
from ranvier.model.fabric.layout import CHUNK_BITS, MEMORY_BITS, OFFSET_BITS, UNIT_BITS

from .core import CORE_MODULE, Core, CoreInstance
from .forms.technology import GENERIC, Technology, technology_of
from .forms.tick_copy import TickCopy
from .input_unit import InputUnit
from .memory.readback import joined
from .ring import RingNode
from .signatures import Trace
from .ticker import Ticker

__all__ = ["Fabric", "fabric_verilog", "shared_core_module"]


class Fabric(Component):
    """Everything but the host link.

    One configuration access a clock, in their order: ``address`` is offset, memory and unit (cores 0 .. N - 1, input unit N, ticker
    N + 1), from the lowest bits; a read's ``value`` is there `read_latency` clocks later, and ``running`` follows a command after
    `access_latency`, but ``room`` at once. Where the technology has a LUT before
    a register, address and data of a write must stay for a clock more, and a read's address until its value is there. ``tick`` is high
    in the first clock of each tick; none begins while ``hold`` is high. ``spike_valid``, ``spike_address`` and ``spike_bits`` show
    every spike word once; ``trace_u`` every membrane group that unit u stores. With ``shared_core`` the cores are references to one
    module, which `shared_core_module` gives.
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
        s = config.state_bits
        super().__init__({
            "address": In(OFFSET_BITS + MEMORY_BITS + UNIT_BITS),
            "data": In(CHUNK_BITS),
            "write": In(1),
            "read": In(1),
            "hold": In(1),
            "value": Out(CHUNK_BITS),
            "running": Out(1),
            "waiting": Out(1),
            "room": Out(1),
            "tick": Out(1),
            "spike_valid": Out(1),
            "spike_address": Out(bits_for(config.spike_depth - 1)),
            "spike_bits": Out(config.word_bits),
            **{f"trace_{n}": Out(Trace(config.core.sweep_lanes, s, config.core.state_depth)) for n in range(config.cores)},
            f"trace_{config.cores}": Out(Trace(config.input.sweep_lanes, s, config.input.state_depth)),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config = self._config
        m.submodules.ticker = ticker = Ticker(config)
        inputs = InputUnit(config)
        units: list[Core | InputUnit] = [*(self._core(config) for _ in range(config.cores)), inputs]
        lean = technology_of(platform).lut_before_register
        alone = lean and config.cores == 1
        nodes = [RingNode(config, only_sends=alone and n == config.cores) for n in range(len(units))]
        for n, (unit, node) in enumerate(zip(units, nodes, strict=True)):
            m.submodules[f"core_{n}" if n < config.cores else "input"] = unit
            m.submodules[f"node_{n}"] = node
            ticks: Ticker | TickCopy = ticker
            if not lean:
                m.submodules[f"ticks_{n}"] = ticks = TickCopy(config)
                m.d.comb += [getattr(ticks.upcoming, name).eq(getattr(ticker.upcoming, name)) for name in ticker.upcoming.signature.members]
            self._attach(m, n, unit, node, nodes[n - 1], ticks)
        on_the_way = self._configure(m, units, ticker, lean)
        busy = Signal(len(units))
        for n, (unit, node) in enumerate(zip(units, nodes, strict=True)):
            m.d.sync += busy[n].eq(unit.busy | node.busy)
        if lean:
            m.d.comb += self.room.eq(ticker.room)
        else:
            m.d.sync += self.room.eq(ticker.room & ~on_the_way)
        last = nodes[0 if alone else -1]
        m.d.comb += [
            ticker.idle.eq(~busy.any()), ticker.hold.eq(self.hold),
            inputs.swap.eq(ticker.swap),
            self.running.eq(ticker.running), self.waiting.eq(ticker.waiting),
            self.tick.eq(ticker.ticker.start),
            self.spike_valid.eq(last.o_valid), self.spike_address.eq(last.o.address), self.spike_bits.eq(last.o.bits),
        ]
        return m

    def _attach(self, m: Module, n: int, unit: Core | InputUnit, node: RingNode, before: RingNode, ticks: Ticker | TickCopy) -> None:
        """Unit n, its node, and the node before it on the ring."""
        trace = getattr(self, f"trace_{n}")
        m.d.comb += [
            node.start.eq(ticks.ticker.start),
            node.word_valid.eq(unit.word_valid), node.word.eq(unit.word),
            node.i_valid.eq(before.o_valid), node.i.eq(before.o),
            *(getattr(trace, name).eq(getattr(unit.trace, name)) for name in trace.signature.members),
            *(getattr(unit.ticker, name).eq(getattr(ticks.ticker, name)) for name in ticks.ticker.signature.members),
        ]
        if isinstance(unit, Core):
            m.d.comb += [unit.ring_valid.eq(node.o_valid), unit.ring.eq(node.o)]

    def _configure(self, m: Module, units: list[Core | InputUnit], ticker: Ticker, lean: bool) -> Value:
        """Register an access, send it to its unit; register the units' answers, then all of them joined.

        An access takes effect after those before it: the ticker sees it when the longest unit's last memory has. Answers of shorter units
        wait. Gives whether a write to the ticker is still on its way there.

        Where a register alone takes a whole logic cell address and data get none, nor does each answer: it is the command that comes
        later.
        """
        config = self._config
        chosen = Signal(len(units) + 1)    # one bit for each unit, the last for the ticker
        memory = Signal(MEMORY_BITS)
        bus = Signal(OFFSET_BITS, reset_less=True)
        data, write, read = Signal(CHUNK_BITS, reset_less=True), Signal(), Signal()
        m.d.sync += [
            write.eq(self.write), memory.eq(self.address >> OFFSET_BITS),
            chosen.eq(Cat(self.address[OFFSET_BITS + MEMORY_BITS:] == n for n in range(len(chosen)))),
        ]
        domain = m.d["comb" if lean else "sync"]
        domain += [bus.eq(self.address), data.eq(self.data)]
        if lean:
            late = Signal(read_latency(config) - 2)
            m.d.sync += late.eq(Cat(self.read, late))
            m.d.comb += read.eq(late[-1])
        else:
            m.d.sync += read.eq(self.read)
        accesses: list[dict[str, Value]] = []
        for mine in chosen:
            accesses.append({"offset": bus, "data": data, "write": write & mine, "read": read & mine})
        answers: list[Value] = []

        def connect_bus(unit: Core | InputUnit | Ticker, access: dict[str, Value], waits: int) -> None:
            """Give a unit its accesses; its answer waits so many clocks more than each does."""
            m.d.comb += [getattr(unit.bus, name).eq(value) for name, value in access.items()]
            answer: Value = unit.bus.value
            for stage in range(waits + 1):
                after = Signal(CHUNK_BITS, name=f"answer_{len(answers)}_{stage}", reset_less=True)
                m.d["comb" if lean else "sync"] += after.eq(answer)
                answer = after
            answers.append(answer)

        longest = chain_length(config)
        for unit, access in zip(units, accesses, strict=False):
            m.d.comb += unit.memory.eq(memory)
            connect_bus(unit, access, longest - len(chain_stages(config, "core" if isinstance(unit, Core) else "input")))
        access = accesses[-1]
        on_the_way = [access["write"]]
        for stage in range(longest + 1):
            before = access
            access = {name: Signal.like(getattr(ticker.bus, name), name=f"ticker_{name}_{stage}") for name in before}
            domain += [access[name].eq(value) for name, value in before.items()]
            on_the_way.append(access["write"])
        connect_bus(ticker, access, 0)
        m.d.sync += self.value.eq(joined(answers))
        return Cat(on_the_way).any()


def fabric_verilog(config: FabricConfig, *, shared_core: bool = False, technology: Technology = GENERIC) -> str:
    """The fabric as plain Verilog, top module ``fabric``; with ``shared_core`` there is one module for all cores.

    The comment in that module keeps Verilator from copying it once for every core. With a ``technology`` it is the form that
    such a device gets, which may have cells in it.
    """
    fabric = Fabric(config, shared_core=shared_core)
    text = str(verilog.convert(fabric, name="fabric", platform=technology, strip_internal_attrs=True))
    return text + shared_core_module(config, technology) if shared_core else text


def shared_core_module(config: FabricConfig, technology: Technology = GENERIC) -> str:
    """The module that the cores of a fabric with ``shared_core`` are references to, as Verilog."""
    core = str(verilog.convert(Core(config), name=CORE_MODULE, platform=technology, strip_internal_attrs=True))
    header = re.compile(rf"^module {CORE_MODULE}\(.*?\);\n", re.MULTILINE | re.DOTALL)
    return header.sub(lambda found: f"{found[0]}  /*verilator no_inline_module*/\n", core, count=1)
