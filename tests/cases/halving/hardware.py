"""The pipeline of the halving neurons; it takes a clock more than that of `Integrate`."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Mux

from ranvier.rtl.fixed import clamp
from ranvier.rtl.neurons.unit import NeuronUnit, registers

__all__ = ["Halving"]


class Halving(NeuronUnit):
    def elaborate(self, platform: object) -> Module:
        m = Module()
        ports: Any = self
        bits = self._config.state_bits
        register = registers(m)
        leaked = register("leaked", (self.state - (self.state >> ports.shift))[:bits].as_signed())
        current = register("current", self.current)
        u = register("later", register("u", (leaked + current)[:bits].as_signed()))
        count = Mux(ports.rule_3.strict, u > ports.level, u >= ports.level) & ports.rule_3.spiking
        after = register("after", Mux(count, u >> 1, u))
        m.d.comb += self.spike.eq(register("count", count & ports.rule_3.valid))
        held, changed = clamp(after, ports.v_min, ports.v_max, register, by_or=self._clamp_by_or)
        m.d.comb += [
            self.clamped.eq(register("changed", changed & ports.rule_4.valid)), self.readout.eq(held),
            self.stored.eq(Mux(ports.rule_5.last, ports.v_init, held)),
        ]
        return m
