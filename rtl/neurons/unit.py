"""What the hardware of a neuron family is to the sweep around it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from amaranth.hdl import Module, Signal, Value, signed, unsigned
from amaranth.lib import data
from amaranth.lib.wiring import Component, In, Out

from ranvier.model.fabric.config import FabricConfig

from ..fixed import Register

__all__ = ["NeuronUnit", "registers", "rule_layout"]


def rule_layout() -> data.StructLayout:
    """What a neuron must know of the group that it works on in a clock."""
    return data.StructLayout({
        "valid": 1,      # there is a group
        "spiking": 1,    # its neurons spike
        "strict": 1,     # at u > theta, else at u >= theta
        "reset": 2,      # bit 0: theta is subtracted; bit 1: to v_reset
        "last": 1,       # the last step of the window
    })


class NeuronUnit(Component):
    """One lane of a family: a pipeline that takes a neuron a clock. A subclass is the family's file in `rtl/neurons/`.

    Clocks are counted from the one in which the neuron's state word is at ``state``. A subclass says in how many of them its results come
    (``latency``, ``spikes``), in which one it reads each parameter (``needs``), and how many pass from one group to the next
    (``interval``). The family's record in `model/neurons/` says the same to the cycle model, and the sweep asserts that they agree.

    ============= === ====== =======================================================================================================
    port          dir width  meaning
    ============= === ====== =======================================================================================================
    state         in  S      state word, signed, in clock 0
    current       in  S      sum of what arrives, signed, in clock 0
    a parameter   in  its    by its name, in the clock that ``needs`` says
    rule_0 ...    in  6      `rule_layout` of the group in each clock 0 to ``latency``
    spike         out 1      whether it spikes, in clock ``spikes``; 0 where there is no group
    stored        out S      new state word, in clock ``latency``; the initial one in a window's last step
    readout       out S      new state word, in clock ``latency``, also in a window's last step
    clamped       out 1      whether a bound changed it, in clock ``latency``; 0 where there is no group
    ============= === ====== =======================================================================================================
    """

    latency: ClassVar[int]
    spikes: ClassVar[int]
    needs: ClassVar[Mapping[str, int]]
    interval: ClassVar[int] = 1

    state: Signal
    current: Signal
    spike: Signal
    stored: Signal
    readout: Signal
    clamped: Signal

    def __init__(self, config: FabricConfig, unit: str, *, clamp_by_or: bool) -> None:
        """``clamp_by_or``: whether registers that are cleared and joined choose among the bounds, as in `rtl/fixed.clamp`."""
        self._config, self._clamp_by_or = config, clamp_by_or
        word = signed(config.state_bits)
        parameters = config.family(unit).on(unit, config.options(unit))
        self._names = [p.name for p in parameters]
        shapes = {p.name: (signed if p.signed else unsigned)(p.width(config.state_bits)) for p in parameters}
        super().__init__({
            "state": In(word), "current": In(word),
            **{name: In(shape) for name, shape in shapes.items()},
            **{f"rule_{clock}": In(rule_layout()) for clock in range(self.latency + 1)},
            "spike": Out(1), "stored": Out(word), "readout": Out(word), "clamped": Out(1),
        })

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
