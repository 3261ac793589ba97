"""What the hardware of a neuron family is to the sweep around it."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Signal, Value, signed, unsigned
from amaranth.lib import data
from amaranth.lib.wiring import Component, In, Out

from ranvier.model.fabric.config import FabricConfig
from ranvier.model.fabric.layout import state_fields
from ranvier.model.fabric.timing import pipeline
from ranvier.model.neurons.kind import Options
from ranvier.model.prng import WORD_BITS

from ..fixed import Register

__all__ = ["NeuronUnit", "delayed", "draws", "prefixed", "registers", "rule_layout"]


def draws(config: FabricConfig, unit: str) -> bool:
    """Whether neurons of a ``core`` or of the ``input`` unit draw random numbers."""
    return any(p.option == "random" for p in config.family(unit).on(unit, config.options(unit)))


def rule_layout(options: Options) -> data.StructLayout:
    """What a neuron of a unit with ``options`` must know of the group that it works on in a clock."""
    moment = {"moment": 1} if options.next_tick else {}                  # the reset acts in the next tick
    current = {"current": 1, "before": 1} if options.currents else {}    # there are currents; the membrane takes that of before the step
    return data.StructLayout({
        "valid": 1,      # there is a group
        "spiking": 1,    # its neurons spike
        "strict": 1,     # at u > theta, else at u >= theta
        "reset": 2,      # bit 0: theta is subtracted; bit 1: to v_reset
        "last": 1,       # the last step of the window
        **moment, **current,
    })


class NeuronUnit(Component):
    """One lane of a family: a pipeline that takes a neuron a clock. A subclass is the family's file in `rtl/neurons/`.

    Clocks are counted from the one in which the neuron's state words are at its inputs. In how many of them its results come and in
    which one it reads each parameter is ``timing``, the family's in `model/neurons/` for the ``options`` that the unit was built with.

    ============= === ====== =======================================================================================================
    port          dir width  meaning
    ============= === ====== =======================================================================================================
    state         in  S      the first state word, signed, in clock 0
    state_NAME    in  its    each other state word, by its name, in clock 0
    current       in  S      sum of what arrives, signed, in clock 0
    a parameter   in  its    by its name, in the clock that ``timing`` says
    key_a to c    in  32     words of the step's random key, in clock `DRAWN` - `DRAW_LATENCY`, where the unit draws numbers
    rule_0 ...    in  6 ...  `rule_layout` of the group in each clock 0 to the latency
    spike         out planes its count, in clock ``spikes``; 0 where there is no group
    stored        out S      new first state word, in the clock of the latency; the initial one in a window's last step
    stored_NAME   out its    each other one, with ``stored``
    readout       out S      new first state word, with ``stored``, also in a window's last step
    clamped       out words  which state words of S bits a bound changed, with ``stored``; 0 where there is no group
    ============= === ====== =======================================================================================================
    """

    state: Signal
    current: Signal
    spike: Signal
    stored: Signal
    readout: Signal
    clamped: Signal

    def __init__(self, config: FabricConfig, unit: str, *, clamp_by_or: bool) -> None:
        """``clamp_by_or``: whether registers that are cleared and joined choose among the bounds, as in `rtl/fixed.clamp`."""
        self._config, self._clamp_by_or = config, clamp_by_or
        self.options, self.timing = config.options(unit), pipeline(config, unit)
        word = signed(config.state_bits)
        parameters = [p for p in config.family(unit).on(unit, self.options) if p.memory != "row"]
        keys = {f"key_{name}": In(WORD_BITS) for name in "abc"} if draws(config, unit) else {}
        self._names = [p.name for p in parameters]
        shapes = {p.name: (signed if p.signed else unsigned)(p.width(config.state_bits)) for p in parameters}
        first, *others = state_fields(config, unit)
        words = {f.name: (signed if f.signed else unsigned)(f.bits) for f in others}
        super().__init__({
            "state": In(word), **{f"state_{name}": In(shape) for name, shape in words.items()}, "current": In(word),
            **{name: In(shape) for name, shape in shapes.items()}, **keys,
            **{f"rule_{clock}": In(rule_layout(self.options)) for clock in range(self.timing.latency + 1)},
            "spike": Out(self.options.spike_bits), "stored": Out(word), **{f"stored_{name}": Out(shape) for name, shape in words.items()},
            "readout": Out(word), "clamped": Out(sum(f.signed for f in (first, *others))),
        })

    def rule(self, clock: int) -> Any:
        """The `rule_layout` of the group in ``clock``."""
        return getattr(self, f"rule_{clock}")

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names of its parameters' ports."""
        return tuple(self._names)


def registers(m: Module) -> Register:
    """Registers of a pipeline in ``m``, without reset: a reset lasts longer than any pipeline is.

    ``where`` clears a register by a synchronous reset, which costs no logic.
    """
    def register(name: str, value: Value, where: Value | None = None) -> Value:
        found = Signal(value.shape(), name=name, reset_less=True)
        m.d.sync += found.eq(value)
        if where is not None:
            with m.If(~where):
                m.d.sync += found.eq(0)
        return found

    return register


def prefixed(register: Register, prefix: str) -> Register:
    """``register`` with names that begin with ``prefix``."""
    return lambda name, value, where=None: register(f"{prefix}_{name}", value, where)


def delayed(register: Register, name: str, value: Value, clocks: int) -> Value:
    """``value`` so many clocks later."""
    assert clocks >= 0
    for _ in range(clocks):
        value = register(name, value)
    return value
