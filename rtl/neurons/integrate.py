"""The pipeline of integrate-and-fire neurons: `model/neurons/integrate.py` in hardware."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Signal, signed

from ..fixed import clamp, decay, reset, spike_count
from .unit import NeuronUnit, registers

__all__ = ["Integrate"]


class Integrate(NeuronUnit):
    """Kinds `input`, `if`, `lif` and `li`. An input unit's neurons have no leak, so no port ``k``.

    Ports are those of `NeuronUnit`; the parameters are ``k`` (17 bits), ``bias``, ``theta``, ``v_min``, ``v_max``, ``v_reset`` and
    ``v_init`` (S bits, signed). State word, ``spike``, ``stored``, ``readout`` and ``clamped`` of one neuron::

        clock      0        1        2        3        4
        in         state             theta    v_min    v_init
                   current, k, bias           v_max, v_reset
        register            product  u        after
        out                                   spike    stored, readout, clamped
    """

    latency, spikes = 4, 3
    needs = {"k": 0, "bias": 0, "theta": 2, "v_min": 3, "v_max": 3, "v_reset": 3, "v_init": 4}

    def elaborate(self, platform: object) -> Module:
        """Each line works in one clock and ends in registers, which are its signals of the next.

        The decay's product takes a clock of its own. Its rounding, what arrives and the bias are then one sum, u. The spike needs
        the sign of ``less``, u - theta, which is also the membrane after a reset by subtraction. A reset to v_reset acts a clock
        later, as one more choice of the clamp.
        """
        m = Module()
        bits = self._config.state_bits
        ports: Any = self
        register = registers(m)
        # 0 and 1
        arriving = register("arriving", (self.current + ports.bias)[:bits].as_signed())
        if "k" in self.parameters:
            leaked = decay(self.state, ports.k, self._config.rounding, register, plus=arriving)
        else:
            leaked = (arriving + register("whole", self.state))[:bits]
        u = register("u", leaked.as_signed())
        # 2
        rule, less = ports.rule_2, Signal(signed(bits))
        m.d.comb += less.eq(u - ports.theta)
        count = spike_count(u, less, ports.theta, rule.strict) & rule.spiking
        after, replaced = reset(u, less, count, rule.reset)
        after, replaced = register("after", after), register("replaced", replaced)
        m.d.comb += self.spike.eq(register("spikes", count & rule.valid))
        # 3
        held, changed = clamp(after, ports.v_min, ports.v_max, register, instead=(replaced, ports.v_reset), by_or=self._clamp_by_or)
        m.d.comb += self.clamped.eq(register("changed", changed & ports.rule_3.valid))
        # 4
        m.d.comb += self.readout.eq(held)
        m.d.comb += self.stored.eq(self.readout)
        with m.If(ports.rule_4.last):
            m.d.comb += self.stored.eq(ports.v_init)
        return m
