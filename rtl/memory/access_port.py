"""The fabric's configuration port: hands each access to its unit, and the answers to the host."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Module, Signal, Value
from amaranth.lib.wiring import Component, In, Out

from ranvier.model.fabric.chain import chain_length, chain_stages, read_latency
from ranvier.model.fabric.config import FabricConfig
from ranvier.model.fabric.layout import CHUNK_BITS, MEMORY_BITS, OFFSET_BITS, UNIT_BITS

from ..forms.pipe import pipe
from ..forms.technology import platform_form
from ..signatures import ConfigBus
from .chain import chain_latency
from .readback import merge_answers

__all__ = ["AccessPort"]


class AccessPort(Component):
    """One access a clock. They take effect in their order: the ticker sees one when the longest unit's last memory has.

    in
        ``address`` (offset, memory and unit, from the lowest bits), ``data``, ``write``, ``read``: the access.
    out
        ``value``: the answer to a read, `read_latency` clocks after it. ``memory``: the number that the access means, for all units.
        ``bus`` (`ConfigBus`): for each core, the input unit and the ticker. ``pending``: a write is on its way to the ticker.

    Without `Form.port_registers` ``address`` and ``data`` of a write must stay for a clock more, and of a read until its value is there.
    """

    address: Signal
    data: Signal
    write: Signal
    read: Signal
    value: Signal
    memory: Signal
    bus: Any
    pending: Signal

    def __init__(self, config: FabricConfig) -> None:
        self._config = config
        super().__init__({
            "address": In(OFFSET_BITS + MEMORY_BITS + UNIT_BITS), "data": In(CHUNK_BITS), "write": In(1), "read": In(1),
            "value": Out(CHUNK_BITS), "memory": Out(MEMORY_BITS), "bus": Out(ConfigBus()).array(config.nodes + 1), "pending": Out(1),
        })

    def elaborate(self, platform: object) -> Module:
        """Registers for the access, for each unit's answer, and for all answers joined. All reads take as long as one of the longest unit:
        answers of the others wait in more registers, or where a register takes a logic cell the read itself waits, one bit wide.
        """
        m = Module()
        config, form = self._config, platform_form(platform)
        nodes, longest = config.nodes, chain_length(config)
        latencies = [chain_latency(form, len(chain_stages(config, kind))) for kind in ["core"] * config.cores + ["input"]]
        latencies.append(max(latencies))
        spare = read_latency(config) - 2 - max(latencies)    # clocks that a read may wait besides that of ``write``
        write, chosen = Signal(), Signal(nodes + 1)    # one bit for each bus
        m.d.sync += [
            write.eq(self.write), self.memory.eq(self.address >> OFFSET_BITS),
            chosen.eq(Cat(self.address[OFFSET_BITS + MEMORY_BITS:] == n for n in range(nodes + 1))),
        ]
        offset = pipe(m, form.port_registers, self.address[:OFFSET_BITS], name="offset", reset_less=True)
        data = pipe(m, form.port_registers, self.data, name="chunk", reset_less=True)
        read: Value = self.read
        for n in range(1 + (0 if form.port_registers else spare)):
            read = pipe(m, True, read, name=f"read_{n}")
        on_the_way, answers = [], []
        for n, bus in enumerate(self.bus):
            access = {"offset": offset, "data": data, "write": write & chosen[n], "read": read & chosen[n]}
            if n == nodes:    # the ticker, behind as many stages as the longest unit has
                on_the_way.append(access["write"])
                for stage in range(longest + 1):
                    access = {name: pipe(m, form.chain_registers, value, name=f"ticker_{name}_{stage}") for name, value in access.items()}
                    on_the_way.append(access["write"])
            m.d.comb += [getattr(bus, name).eq(value) for name, value in access.items()]
            answer: Value = bus.value
            for stage in range(max(latencies) - latencies[n] + (spare if form.chain_registers and form.port_registers else 0)):
                answer = pipe(m, True, answer, name=f"answer_{n}_{stage}", reset_less=True)
            answers.append(answer)
        value: Value = merge_answers(answers)
        for stage in range(spare if form.port_registers and not form.chain_registers else 0):
            value = pipe(m, True, value, name=f"value_{stage}", reset_less=True)
        m.d.sync += self.value.eq(value)
        m.d.comb += self.pending.eq(Cat(on_the_way).any())
        return m
