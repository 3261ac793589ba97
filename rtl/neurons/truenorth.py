"""The pipeline of TrueNorth's neuron: `model/neurons/truenorth.py` in hardware."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Array, Cat, Const, Module, Mux, Value

from ranvier.model.neurons.kind import DRAW_LATENCY, DRAWN
from ranvier.model.neurons.truenorth import LEAK_BITS, RHO_BITS, THRESHOLD_BITS, sum_bits

from ..fixed import Register, clamp
from ..prng import Draw
from .unit import NeuronUnit, delayed, registers

__all__ = ["TrueNorth"]


class TrueNorth(NeuronUnit):
    """A unit without random numbers, clocks of what is read and of what comes::

        clock      0        1              2                3             4        5        6
        in         state    leak, epsilon  alpha, beta      v_reset       v_min    v_init
                   current                 kappa            gamma         v_max
        register            v              u                less, more    after    held
        out                                                               (5:) spike        stored, readout, clamped

    With them all from the leak on is `DRAWN` - 1 clocks later: so long the key, which all lanes share, and the neuron's draw take. ``c``
    and ``tm`` are then wanted with the leak.
    """

    def elaborate(self, platform: object) -> Module:
        """The sum waits for the random word. Then a clock finds the leak and eta, one adds the leak and makes both thresholds, one compares
        by subtraction, which is also what a reset by subtraction leaves, one chooses, and one holds the bounds.
        """
        m = Module()
        ports: Any = self
        register, needs, bits = registers(m), self.timing.needs, self._config.state_bits
        v = register("v", (self.state + self.current)[:bits].as_signed())
        v = delayed(register, "waiting", v, needs["leak"] - 1)
        rho, eta = self._random(m, register)
        leak = self._leak(v, rho)
        u = register("u_late", (register("u", v) + register("step", leak))[:bits].as_signed())
        upper, lower = ports.alpha + eta, ports.beta + Mux(ports.kappa, 0, eta)
        return self._settle(m, register, u, register("upper", upper), register("lower", lower))

    def _random(self, m: Module, register: Register) -> tuple[Value | None, Value]:
        """rho with the leak, eta a clock later."""
        ports: Any = self
        if not self.options.random:
            return None, Const(0, 1)
        assert Draw.latency == DRAW_LATENCY and self.timing.needs["number"] == DRAWN - DRAW_LATENCY and self.timing.needs["tm"] == DRAWN
        m.submodules.draw = draw = Draw()
        m.d.comb += [getattr(draw, name).eq(getattr(ports, f"key_{name}")) for name in "abc"]
        m.d.comb += draw.neuron.eq(ports.number)
        mask = Cat(ports.tm > n for n in range(THRESHOLD_BITS))
        return draw.u[:RHO_BITS], register("eta", draw.u[RHO_BITS:RHO_BITS + THRESHOLD_BITS] & mask)

    def _leak(self, v: Value, rho: Value | None) -> Value:
        """What is added to ``v``, a signed number of `LEAK_BITS` and one."""
        ports: Any = self
        leak = ports.leak
        if rho is not None:
            magnitude = Mux(leak[-1], -leak, leak)[:LEAK_BITS].as_unsigned()
            taken = Mux(leak.any() & (magnitude >= rho), Cat(Const(1, 1), leak[-1].replicate(LEAK_BITS - 1)), 0)[:LEAK_BITS].as_signed()
            leak = Mux(ports.c, taken, leak)
        turned = Mux(v[-1], -leak, Mux(v.any(), leak, 0))
        return Mux(ports.epsilon, turned, leak)[:LEAK_BITS + 1].as_signed()

    def _settle(self, m: Module, register: Register, u: Value, upper: Value, lower: Value) -> Module:
        """From the membrane before it spikes to what is stored; ``u`` and the thresholds' registers are of one clock."""
        ports: Any = self
        needs, timing, width = self.timing.needs, self.timing, sum_bits(self._config.state_bits)
        less = register("less", (u - upper)[:width].as_signed())
        more = register("more", (u + lower)[:width].as_signed())
        same, rule = register("same", u), self.rule(needs["gamma"])
        spike = ~less[-1] & ~(rule.strict & ~less.any()) & rule.spiking
        below = ~spike & (more[-1] | (ports.inclusive & ~more.any()))
        # The registers of the clock: -beta goes beside the difference that it is compared with.
        least = -delayed(register, "beta", ports.beta, needs["gamma"] - needs["beta"])
        kappa = delayed(register, "kappa", ports.kappa, needs["gamma"] - needs["kappa"])
        r = ports.v_reset
        above = Array([r, less, same, same])[ports.gamma]
        under = Mux(kappa, least, Array([-r, more, same, same])[ports.gamma])
        after = register("after", Mux(spike, above, Mux(below, under, same))[:width].as_signed())
        assert timing.spikes == needs["gamma"] + 1 and needs["v_max"] == timing.spikes and timing.latency == timing.spikes + 1
        m.d.comb += self.spike.eq(register("spikes", spike & rule.valid))
        held, changed = clamp(after, ports.v_min, ports.v_max, register, by_or=self._clamp_by_or)
        m.d.comb += [
            self.clamped.eq(register("changed", changed & self.rule(needs["v_max"]).valid)), self.readout.eq(held),
            self.stored.eq(Mux(self.rule(timing.latency).last, ports.v_init, held)),
        ]
        return m
