"""The pipeline of integrate-and-fire neurons: `model/neurons/integrate.py` in hardware."""

from __future__ import annotations

from functools import reduce
from operator import or_
from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal, Value, signed

from ..fixed import Register, clamp, decay, lessened, reset, spike_count
from .unit import NeuronUnit, delayed, prefixed, registers

__all__ = ["Integrate"]


class Integrate(NeuronUnit):
    """All kinds of the family. An input unit's neurons have no leak, so no port ``k``.

    Ports are those of `NeuronUnit`; the parameters are ``k`` (17 bits), ``bias``, ``theta``, ``v_min``, ``v_max``, ``v_reset`` and
    ``v_init`` (S bits, signed). State word, ``spike``, ``stored``, ``readout`` and ``clamped`` of one neuron::

        clock      0        1        2        3        4
        in         state             theta    v_min    v_init
                   current, k, bias           v_max, v_reset
        register            product  u        after
        out                                   spike    stored, readout, clamped

    Options stretch it. A unit with currents has the parameters ``k_i`` (17 bits), ``i_min``, ``i_max`` and ``i_init``, and takes three
    clocks more before the membrane meets what arrives; u then has two bits more. Each plane of the count but the lowest takes a clock
    more, as the division takes one bit after the other. With resets in the next tick u decays beside the division, and is added to what
    that leaves; ``v_reset`` is wanted with ``bias``. A drawing of a unit with currents, 2 planes, and resets in the next tick::

        clock      0        1        2        3        4        5        6        7        8        9
        in         state             i_min    k, bias           theta                     v_min    v_init
                   current, k_i      i_max    v_reset                                     v_max    i_init
        register            product  sum      i        product  u        product  excess
                                                                         rest     after    settled
        out                                                                       spike             stored, readout, clamped
    """

    def elaborate(self, platform: object) -> Module:
        """Each line works in one clock and ends in registers, which are its signals of the next.

        The decay's product takes a clock of its own. Its rounding, what arrives and the bias are then one sum, u. The spike needs
        the sign of ``less``, u - theta, which is also the membrane after a reset by subtraction. A reset to v_reset acts a clock
        later, as one more choice of the clamp.
        """
        m = Module()
        ports: Any = self
        register, bounded = registers(m), self.timing.needs["v_max"]
        assert self.timing.latency == bounded + 1 == self.timing.needs["v_init"]
        u = self._sum(register, self._current(m, register) if self.options.currents else self.current)
        (after, replaced), v_reset = self._spike(m, register, u), ports.v_reset
        if self.options.next_tick:
            until = bounded - 1 - self.timing.spikes
            excess = self._excess(register, u)
            after = register("settled", (delayed(register, "after", after, until) + excess)[:len(u)].as_signed())
            replaced = delayed(register, "replaced", replaced, until + 1)
            v_reset = delayed(register, "v_reset", v_reset, bounded - self.timing.needs["v_reset"])
        held, changed = clamp(after, ports.v_min, ports.v_max, register, instead=(replaced, v_reset), by_or=self._clamp_by_or)
        m.d.comb += self.clamped[0].eq(register("changed", changed & self.rule(bounded).valid))
        m.d.comb += self.readout.eq(held)
        m.d.comb += self.stored.eq(self.readout)
        with m.If(self.rule(self.timing.latency).last):
            m.d.comb += self.stored.eq(ports.v_init)
        return m

    def _current(self, m: Module, register: Register) -> Value:
        """Clocks 0 to 2: the synaptic current, and its part of the new state; what the membrane takes of it, in clock 3.

        A population without currents has none that could decay, and bounds that change nothing: so what arrives goes through as it is,
        and is only not kept.
        """
        ports: Any = self
        mine, latency = prefixed(register, "current"), self.timing.latency
        assert self.timing.needs["k_i"] == 0 and self.timing.needs["i_max"] == 2 and self.timing.needs["bias"] == 3
        total = mine("sum", decay(ports.state_i, ports.k_i, self._config.rounding, mine, plus=mine("arriving", self.current)))
        held, changed = clamp(total, ports.i_min, ports.i_max, mine, by_or=self._clamp_by_or)
        m.d.comb += self.clamped[1].eq(delayed(mine, "changed", changed & self.rule(2).valid, latency - 2))
        before, rule = delayed(mine, "before", ports.state_i, 3), self.rule(3)
        kept = delayed(mine, "kept", mine("kept", held, rule.current), latency - 4)
        m.d.comb += ports.stored_i.eq(Mux(self.rule(latency).last, ports.i_init, kept.as_signed()))
        return Mux(rule.before, before.as_signed(), held.as_signed())

    def _sum(self, register: Register, arriving: Value) -> Value:
        """Two clocks from that of the bias: u. In the tick after a spike whose reset is late it is v_reset, or has no decay."""
        ports: Any = self
        clock = self.timing.needs["bias"]
        assert self.timing.needs["theta"] == clock + 2
        bits = self._config.state_bits + (2 if self.options.currents else 0)
        state, late = delayed(register, "state", self.state, clock), {}
        total = (arriving + ports.bias)[:bits].as_signed()
        if self.options.next_tick:
            flag = delayed(register, "flag", ports.state_flag, clock)
            total = Mux(flag, ports.v_reset, total)
            late = {"scaled": ~(self.rule(clock).moment & self.rule(clock).reset[0]), "where": ~flag}
        arriving = register("arriving", total)
        if "k" in self.parameters:
            leaked = decay(state, ports.k, self._config.rounding, register, plus=arriving, bits=bits, **late)
        else:
            leaked = (arriving + register("whole", state))[:bits]
        return register("u", leaked.as_signed())

    def _spike(self, m: Module, register: Register, u: Value) -> tuple[Value, Value]:
        """The planes of the count, one a clock from the top, as a restoring division; in the clock of the spikes the membrane after
        them, and whether v_reset takes its place.

        ``rest`` is what the planes so far leave of u. The last clock ends as it does where there is one plane only.
        """
        ports: Any = self
        planes, clock, theta, rest = self.options.spike_bits, self.timing.needs["theta"], ports.theta, u
        assert self.timing.spikes == clock + planes
        counted: list[Value] = []
        for plane in reversed(range(1, planes)):
            less = lessened(rest, theta, plane)
            counted = [*counted, spike_count(rest, less, theta, self.rule(clock).strict, plane) & self.rule(clock).spiking]
            rest = register("rest", Mux(counted[-1], Cat(rest[:plane], less)[:len(u)].as_signed(), rest))
            counted = [register("counted", bit) for bit in counted]
            u, theta, clock = register("u", u), register("theta", theta), clock + 1
        rule, less = self.rule(clock), Signal(signed(len(u)))
        m.d.comb += less.eq(rest - theta)
        counted.append(spike_count(rest, less, theta, rule.strict) & rule.spiking)
        if planes > 1:
            after, replaced = reset(u, Mux(counted[-1], less, rest), reduce(or_, counted), rule.reset)
        else:
            after, replaced = reset(u, less, counted[-1], rule.reset)
        if self.options.next_tick:
            self._flag(m, register, replaced & rule.moment, clock)
            replaced = replaced & ~rule.moment
        after, replaced = register("after", after), register("replaced", replaced)
        m.d.comb += self.spike.eq(Cat(register("spikes", bit & rule.valid) for bit in reversed(counted)))
        return after, replaced

    def _flag(self, m: Module, register: Register, flag: Value, clock: int) -> None:
        """The flag of a membrane that is replaced in the next tick, from ``clock`` on; none is after a window."""
        ports: Any = self
        latency = self.timing.latency
        m.d.comb += ports.stored_flag.eq(delayed(register, "flag", flag, latency - clock) & ~self.rule(latency).last)

    def _excess(self, register: Register, u: Value) -> Value:
        """What the decay of u adds to a membrane whose reset by subtraction acts in the next tick, beside the division; else 0."""
        ports: Any = self
        needs, mine = self.timing.needs, prefixed(register, "late")
        clock = needs["theta"]
        k = delayed(mine, "k", ports.k, clock - needs["k"])
        rule = self.rule(clock + 1)
        leaked = decay(u, k, self._config.rounding, mine, plus=-mine("u", u))
        excess = mine("excess", leaked, rule.moment & rule.reset[0])
        return delayed(mine, "excess", excess, needs["v_max"] - 1 - (clock + 2))
