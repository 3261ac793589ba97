"""The pipeline of Hodgkin and Huxley's axon: `model/neurons/hodgkin_huxley.py` in hardware."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Module, Mux, Value, unsigned
from amaranth.lib.memory import Memory

from ranvier.model.neurons.hodgkin_huxley import (
    CURRENT_BITS,
    CURRENT_FRACTION,
    ENTRY_BITS,
    FINER_BITS,
    GATE_BITS,
    GATE_FRACTION,
    GATES,
    INDEX_BITS,
    LEAK_FRACTION,
    POTASSIUM_FRACTION,
    PRODUCT_FRACTION,
    RESIDUE_BITS,
    SODIUM_FRACTION,
    TABLE_ENTRIES,
    fraction_bits,
    gate_tables,
)
from ranvier.model.neurons.kind import INITIAL, LOWER, UPPER

from ..fixed import rounded
from .stages import Stages, Timed, narrowed
from .unit import NeuronUnit, registers

__all__ = ["HodgkinHuxley"]

#: Bits of a product of gates, up to 1.0 in 17 fraction bits, with a sign.
_PRODUCT_BITS = PRODUCT_FRACTION + 2


class HodgkinHuxley(NeuronUnit):
    """Six tables with two ports each, and the three gates side by side; then the currents. Ports are those of `NeuronUnit`.

        clock      0      1       2       3     4    5        6      7      8      9         10         11    12    13    14     15     16
        in         gain           bias                                             g, e      g_leakage                          v_min  theta
                                                                                                                                v_max
        register          across  between line  way  product  gates  pairs  fours  conduct.  currents   sums  flow  bent  total  v     spike

    The results come in clock 17, in which the initial words are wanted.
    """

    def elaborate(self, platform: object) -> Module:
        m = Module()
        ports: Any = self
        register = registers(m)
        stages = Stages(self, register)
        latency, v = self.timing.latency, stages.state("")
        gates = [self._gate(m, stages, number, v) for number in range(len(GATES))]
        outside, missed = self._outside(stages)
        total = self._total(stages, v, outside, gates)
        s = self._config.state_bits
        new = Timed(rounded(total.value, RESIDUE_BITS), total.clock)
        held, changed = stages.clamp("v", total.clock, new, stages.parameter(LOWER), stages.parameter(UPPER), s, self._clamp_by_or)
        left = stages.stage("left", held.clock, lambda total, changed: Mux(changed, 0, total[:RESIDUE_BITS].as_signed()), total, changed)
        rises = stages.stage("rises", held.clock, self._rises, v, held, stages.parameter("theta"))
        assert rises.clock == latency == self.timing.spikes == self.timing.needs[INITIAL]
        rule = self.rule(latency)
        m.d.comb += [
            self.spike.eq(rises.value & rule.valid), self.readout.eq(stages.at(held, latency)), self.stored.eq(self.readout),
            *(getattr(ports, f"stored_{gate.name}").eq(stages.at(moved, latency)) for gate, moved in zip(GATES, gates, strict=True)),
            ports.stored_r.eq(left.value),
            self.clamped[0].eq((stages.at(changed, latency) | stages.at(missed, latency)) & rule.valid),
        ]
        with m.If(rule.last):
            m.d.comb += self.stored.eq(getattr(ports, INITIAL))
            m.d.comb += [getattr(ports, f"stored_{name}").eq(getattr(ports, f"{name}_init"))
                         for name in (*(gate.name for gate in GATES), "r")]
        return m

    def _rises(self, v: Value, held: Value, theta: Value) -> Value:
        """Whether the membrane comes from below the threshold, or from it where ``strict``, and reaches it, or exceeds it."""
        rule = self.rule(self.timing.needs["theta"])
        was_above = Mux(rule.strict, (theta - v)[-1], ~(v - theta)[-1])
        is_above = Mux(rule.strict, (theta - held)[-1], ~(held - theta)[-1])
        found: Value = ~was_above & is_above & rule.spiking
        return found

    def _table(self, m: Module, stages: Stages, name: str, table: tuple[int, ...], v: Timed) -> Timed:
        """Clocks 0 to 4: `interpolated`."""
        memory: Any = Memory(shape=unsigned(ENTRY_BITS), depth=TABLE_ENTRIES, init=table)
        m.submodules[name] = memory
        below = self._config.state_bits - INDEX_BITS
        index = Cat(v.value[below:-1], ~v.value[-1])
        last = index == TABLE_ENTRIES - 1
        ports = [memory.read_port(), memory.read_port()]
        m.d.comb += [ports[0].addr.eq(index), ports[1].addr.eq(Mux(last, index, index + 1))]
        first, second = (Timed(port.data, 1) for port in ports)
        rest = Timed(v.value[:below], 0)
        across = stages.stage(f"{name}_across", 1, lambda first, second: second - first, first, second)
        between = stages.stage(f"{name}_between", 2, lambda across, rest: across * rest, across, rest)
        return stages.stage(f"{name}_line", 3, lambda first, between: narrowed(
            (first << FINER_BITS) + rounded(between, below - FINER_BITS), ENTRY_BITS + FINER_BITS + 1), first, between)

    def _gate(self, m: Module, stages: Stages, number: int, v: Timed) -> Timed:
        """Clocks 0 to 7: a gate after the step."""
        tables = gate_tables(number)
        name = tables.gate.name
        x = stages.state(name)
        infinity = self._table(m, stages, f"{name}_infinity", tables.infinity, v)
        moved = self._table(m, stages, f"{name}_moved", tables.moved, v)
        way = stages.stage(f"{name}_way", 4, lambda infinity, x: infinity - x, infinity, x)
        product = stages.stage(f"{name}_product", 5, lambda way, moved: way * moved, way, moved)
        return stages.stage(name, 6, lambda product, x: narrowed(rounded(product, tables.shift) + x, GATE_BITS), product, x)

    def _outside(self, stages: Stages) -> tuple[Timed, Timed]:
        """Clocks 0 to 3: what currents from outside add, and whether that of the synapses was held within its word."""
        free = stages.stage("current", 0, lambda x, gain: x * gain, Timed(self.current, 0), stages.parameter("gain"))
        far = 1 << CURRENT_BITS - 1
        current, changed = stages.clamp("current", 1, free, -far, far - 1, CURRENT_BITS, self._clamp_by_or)
        total = stages.stage("outside", 2, lambda current, bias: current + bias, current, stages.parameter("bias"))
        shift = CURRENT_FRACTION - RESIDUE_BITS - fraction_bits(self._config.state_bits)
        return Timed(rounded(total.value, shift), total.clock), changed

    def _total(self, stages: Stages, v: Timed, outside: Timed, gates: list[Timed]) -> Timed:
        """Clocks 7 to 15: the membrane's sum."""
        def multiplied(name: str, clock: int, a: Timed, b: Timed) -> Timed:
            """A product of gates in 17 fraction bits. Its rounding belongs to the stage behind."""
            product = stages.stage(name, clock, lambda a, b: a * b, a, b)
            return Timed(narrowed(rounded(product.value, PRODUCT_FRACTION), _PRODUCT_BITS), product.clock)

        parameter = stages.parameter
        m, h, n = (Timed(rounded(gate.value, GATE_FRACTION - PRODUCT_FRACTION), gate.clock) for gate in gates)
        n_squared = multiplied("n_squared", 7, n, n)
        products = {"sodium": multiplied("mmmh", 8, multiplied("mm", 7, m, m), multiplied("mh", 7, m, h)),
                    "potassium": multiplied("nnnn", 8, n_squared, n_squared)}
        fractions = {"sodium": SODIUM_FRACTION, "potassium": POTASSIUM_FRACTION}
        flows, conductances = [], []
        for name, product in products.items():
            opened = stages.stage(f"{name}_open", 9, lambda product, g: product * g, product, parameter(f"g_{name}"))
            conductance = Timed(rounded(opened.value, fractions[name]), opened.clock)
            force = stages.stage(f"{name}_force", 9, lambda e, v: e - v, parameter(f"e_{name}"), v)
            flows.append(stages.stage(f"{name}_flow", 10, lambda conductance, force: conductance * force, conductance, force))
            conductances.append(conductance)
        force = stages.stage("leakage_force", 9, lambda e, v: e - v, parameter("e_leakage"), v)
        flows.append(stages.stage("leakage_flow", 10, lambda g, force: g * force, parameter("g_leakage"), force))
        open_part = stages.stage("open_part", 10, lambda sodium, potassium, leakage: sodium + potassium + rounded(
            leakage, LEAK_FRACTION - PRODUCT_FRACTION), *conductances, parameter("g_leakage"))
        shift, leak_shift = PRODUCT_FRACTION - RESIDUE_BITS, LEAK_FRACTION - RESIDUE_BITS
        first = stages.stage("first_sum", 11, lambda outside, sodium: outside + rounded(sodium, shift), outside, flows[0])
        second = stages.stage("second_sum", 11, lambda potassium, leakage: rounded(potassium, shift) + rounded(leakage, leak_shift),
                              flows[1], flows[2])
        flow = stages.stage("flow", 12, lambda first, second: first + second, first, second)
        bent = stages.stage("bent", 13, lambda flow, open_part: flow * open_part, flow, open_part)
        straight = stages.stage("straight", 13, lambda flow, v, r: (v << RESIDUE_BITS) + r + flow, flow, v, stages.state("r"))
        return stages.stage("total", 14, lambda straight, bent: straight - rounded(bent, PRODUCT_FRACTION + 1), straight, bent)
