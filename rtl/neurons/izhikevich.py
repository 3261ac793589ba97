"""The pipeline of Izhikevich's neurons: `model/neurons/izhikevich.py` in hardware."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Mux, Value

from ranvier.model.neurons.izhikevich import CURRENT_BITS, FRACTION, RATE_U_FRACTION, RECOVERY_BITS, SQUARE_FRACTION, fraction_bits
from ranvier.model.neurons.kind import INITIAL, LOWER, UPPER

from ..fixed import rounded
from .stages import Stages, Timed, narrowed
from .unit import NeuronUnit, registers

__all__ = ["Izhikevich"]

#: Bits of the slope of v's equation, of the derivatives of v and of u, which their parameters' words cannot leave.
_SLOPE_BITS, _RATE_BITS, _RECOVERY_RATE_BITS = 22, 30, 27


class Izhikevich(NeuronUnit):
    """Two equal half steps for v, then u. Ports are those of `NeuronUnit`.

        clock      0        1         2      3        4       5       6      7 ... 13  14     15        16       17      18    19
        in         current  linear                    rate_v          v_min            slope  offset    rate_u   jump          v_init
                   gain     constant                                  v_max            theta  recovers                         u_init
                   square   bias                                                                                               v_reset
        register            square v  slope  slope v  f       rate f  sum    v         v      b v       e        rate e  sum   u
        out                                                                                   spike                            stored ...

    The second half takes clocks 7 to 13, with the parameters of the first, which wait.
    """

    def elaborate(self, platform: object) -> Module:
        m = Module()
        ports: Any = self
        stages = Stages(self, registers(m))
        needs, latency = self.timing.needs, self.timing.latency
        u = stages.state("u")
        drive, missed = self._drive(stages, u)
        v, clamped = stages.state(""), [missed]
        for first in (0, 7):
            v, changed = self._half_step(stages, v, drive, first)
            clamped.append(changed)
        clock = needs["slope"]
        assert v.clock == clock == needs["theta"]
        fired = stages.stage("fired", clock, self._fires, v, stages.parameter("theta"))
        assert fired.clock == self.timing.spikes
        m.d.comb += self.spike.eq(fired.value & self.rule(fired.clock).valid)
        recovered, outside = self._recover(stages, v, u, fired)
        assert recovered.clock == latency
        valid = self.rule(latency).valid
        missed_bounds = [stages.at(changed, latency) for changed in clamped]
        m.d.comb += [
            self.clamped[0].eq((missed_bounds[0] | missed_bounds[1] | missed_bounds[2]) & valid), self.clamped[1].eq(outside.value & valid),
            self.readout.eq(Mux(stages.at(fired, latency), ports.v_reset, stages.at(v, latency))),
            self.stored.eq(self.readout), ports.stored_u.eq(recovered.value),
        ]
        with m.If(self.rule(latency).last):
            m.d.comb += [self.stored.eq(getattr(ports, INITIAL)), ports.stored_u.eq(ports.u_init)]
        return m

    def _fires(self, v: Value, theta: Value) -> Any:
        """Whether v reaches the peak, a difference's sign; where ``strict`` its sign the other way round."""
        rule = self.rule(self.timing.needs["theta"])
        return Mux(rule.strict, (theta - v)[-1], ~(v - theta)[-1]) & rule.spiking

    def _drive(self, stages: Stages, u: Timed) -> tuple[Timed, Timed]:
        """Clocks 0 to 2: all of v's equation that does not hang on v, and whether the current was held within its word."""
        parameter = stages.parameter
        free = stages.stage("current", 0, lambda x, gain: x * gain, Timed(self.current, 0), parameter("gain"))
        far = 1 << CURRENT_BITS - 1
        current, changed = stages.clamp("current", 1, free, -far, far - 1, CURRENT_BITS, self._clamp_by_or)
        steady = stages.stage("steady", 1, lambda constant, bias, u: constant + bias - u, parameter("constant"), parameter("bias"), u)
        return stages.stage("drive", 2, lambda steady, current: narrowed(steady + current, _RATE_BITS), steady, current), changed

    def _half_step(self, stages: Stages, v: Timed, drive: Timed, first: int) -> tuple[Timed, Timed]:
        """v after half a step that begins in clock ``first``, and whether a bound changed it."""
        parameter, fraction = stages.parameter, fraction_bits(self._config.state_bits)
        squared = stages.stage("squared", first, lambda v, square: v * square, v, parameter("square"))
        slope = stages.stage("slope", first + 1, lambda squared, linear: narrowed(
            rounded(squared, SQUARE_FRACTION + fraction - FRACTION) + linear, _SLOPE_BITS), squared, parameter("linear"))
        product = stages.stage("product", first + 2, lambda slope, v: slope * v, slope, v)
        rate = stages.stage("rate", first + 3, lambda product, drive: narrowed(rounded(product, fraction) + drive, _RATE_BITS),
                            product, drive)
        scaled = stages.stage("scaled", first + 4, lambda rate, dt: rate * dt, rate, parameter("rate_v"))
        total = stages.stage("total", first + 5, lambda scaled, v: rounded(scaled, 2 * FRACTION - fraction) + v, scaled, v)
        return stages.clamp("v", first + 6, total, parameter(LOWER), parameter(UPPER), self._config.state_bits, self._clamp_by_or)

    def _recover(self, stages: Stages, v: Timed, u: Timed, fired: Timed) -> tuple[Timed, Timed]:
        """u after the step, and whether its word bounded it."""
        parameter, fraction, clock = stages.parameter, fraction_bits(self._config.state_bits), v.clock
        followed = stages.stage("followed", clock, lambda v, slope: v * slope, v, parameter("slope"))
        rate = stages.stage("u_rate", clock + 1, lambda followed, offset, recovers, u: narrowed(
            rounded(followed, fraction) + offset - Mux(recovers, u, 0), _RECOVERY_RATE_BITS), followed, parameter("offset"),
            parameter("recovers"), u)
        scaled = stages.stage("u_scaled", clock + 2, lambda rate, factor: rate * factor, rate, parameter("rate_u"))
        total = stages.stage("u_total", clock + 3, lambda scaled, u, fired, jump: rounded(scaled, RATE_U_FRACTION) + u + Mux(
            fired, jump, 0), scaled, u, fired, parameter("jump"))
        far = 1 << RECOVERY_BITS - 1
        return stages.clamp("u", clock + 4, total, -far, far - 1, RECOVERY_BITS, self._clamp_by_or)
