"""The sweep at the end of a row: walk - neurons - assembler, a group of neurons a clock."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib.wiring import Component, In, Out, connect, flipped

from ranvier.model.fabric.config import FabricConfig, bits_for
from ranvier.model.fabric.layout import drive_fields, dynamics_fields, row_word, state_bits, state_fields
from ranvier.model.fabric.timing import OUTBOX_LATENCY, REREAD, pipeline, settling, word_latency, write_latency
from ranvier.model.neurons.kind import DRAW_LATENCY, DRAWN
from ranvier.model.prng import Purpose

from ..fixed import popcount
from ..forms.technology import platform_form
from ..neurons.registry import UNITS
from ..neurons.unit import NeuronUnit, draws, registers
from ..prng import Key
from ..signatures import TickBus, Trace, struct, word_layout
from .assembler import Assembler
from .walk import Walk

__all__ = ["Sweep"]


class Sweep(Component):
    """Sweeps the rows that ``load`` hands over, one after the other. What its neurons compute is the configuration's.

    A row loaded in clock c has its groups' addresses in clocks c + 1 to c + groups. From a group's address, clock g, on::

        clock          g      g+1      g+2                   g + write_latency       g + word_latency - 1
                       take   current  state, current        trace, clamps           word
                              (core)   (input unit)                                  (its spikes a clock before)

    ============== === ============= =========================================================================================
    port           dir width         meaning
    ============== === ============= =========================================================================================
    ticker         in  `TickBus`     the step of each level in this tick
    load           in  1             ``row`` is the next row; the one before has no groups left then
    row            in  row word      descriptor of a row
    restart        in  1             with windows, in a core: the row is of a loop's first pass, or of none
    take           out 1             a group's address is given in this clock
    active         out 1             the same: groups are left
    last_group     out 1             it is the row's last
    current        in  lanes * S     sums of a group: a core's a clock after its address, the input unit's two
    state_address  out address       of a group's state words
    state          in  lanes * width state words, a neuron's side by side, two clocks after the group's address
    NAME_address   out address       of a group's parameter NAME
    NAME           in  lanes * width parameter NAME, two clocks after its address, or one where memories are not late
    trace          out `Trace`       state words as they are written, and readouts
    parity         out 1             of the window's number, with ``trace``
    word_valid     out 1             a spike word leaves in this clock; the ring can take it in the next
    word           out `word_layout` the spike word, all planes
    spiking        out 1             a group that spikes, a spike word, or a group that would be read again too soon is in the pipeline
    spikes         out count         spikes of a group, set bits of all planes
    clamps         out count         state words of a group that a bound changed
    ============== === ============= =========================================================================================
    """

    ticker: Any
    load: Signal
    row: Any
    restart: Signal
    take: Signal
    active: Signal
    last_group: Signal
    current: Signal
    state_address: Signal
    state: Signal
    trace: Any
    parity: Signal
    word_valid: Signal
    word: Any
    spiking: Signal
    spikes: Signal
    clamps: Signal

    def __init__(self, config: FabricConfig, unit: str) -> None:
        self._config, self._unit = config, unit
        part, s = config.part(unit), config.state_bits
        self._fields, self._planes = state_fields(config, unit), config.spike_bits
        bounded = sum(f.signed for f in self._fields)
        self._lanes = lanes = part.sweep_lanes
        memories = ((part.drive_depth, drive_fields(config, unit)), (part.dynamics_depth, dynamics_fields(config, unit)))
        self._widths = {f.name: f.bits for _, fields in memories for f in fields}
        super().__init__({
            "ticker": In(TickBus(config)), "load": In(1), "row": In(struct(row_word(config, unit))),
            **({"restart": In(1)} if config.windows and unit == "core" else {}),
            "take": Out(1), "active": Out(1), "last_group": Out(1), "current": In(lanes * s),
            "state_address": Out(bits_for(part.state_depth - 1)), "state": In(state_bits(config, unit) * lanes),
            **{f"{f.name}_address": Out(bits_for(depth - 1)) for depth, fields in memories for f in fields},
            **{name: In(bits * lanes) for name, bits in self._widths.items()},
            "trace": Out(Trace(config, unit)), "parity": Out(1),
            "word_valid": Out(1), "word": Out(word_layout(config)),
            "spiking": Out(1), "spikes": Out(bits_for(lanes * self._planes)), "clamps": Out(bits_for(lanes * bounded)),
        })

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the parameters that the unit's neurons have."""
        return tuple(self._widths)

    def elaborate(self, platform: object) -> Module:
        """The walk says which group begins; its membranes, sums and parameters meet in the neurons; their spikes go to the assembler.

        All three count clocks from a group's address: what a block must know of a group is the walk's stage of that clock.
        """
        m = Module()
        form = platform_form(platform)
        neuron = UNITS[self._config.family(self._unit).name]
        timing = pipeline(self._config, self._unit)
        written, spiked = Walk.latency + timing.latency, Walk.latency + timing.spikes
        settles = settling(self._config) if self._unit == "core" else 0    # all neurons of the input unit send spikes
        assert timing.interval == 1
        assert written == write_latency(self._config, self._unit) < REREAD + settles
        assert spiked + Assembler.latency + OUTBOX_LATENCY == word_latency(self._config, self._unit)
        m.submodules.walk = walk = Walk(self._config, self._unit, stages=max(written, spiked) + 1, late_memories=form.late_memories,
                                        carry_position=form.carried_position)
        m.submodules.assembler = assembler = Assembler(self._config, self._unit, carry_position=form.carried_position)
        connect(m, flipped(self.ticker), walk.ticker)
        names = ("take", "last_group", "state_address", *(f"{name}_address" for name in self.columns))
        m.d.comb += [
            walk.load.eq(self.load), walk.row.eq(self.row), self.active.eq(walk.take),
            *(getattr(self, name).eq(getattr(walk, name)) for name in names),
        ]
        if self._config.windows and self._unit == "core":
            m.d.comb += walk.restart.eq(self.restart)
        if draws(self._config, self._unit):
            self._keys(m, walk)
        lanes = [self._lane(m, n, walk, neuron(self._config, self._unit, clamp_by_or=form.cleared_bounds)) for n in range(self._lanes)]
        self._store(m, lanes, walk.stages[written])
        m.d.comb += [
            assembler.group.eq(walk.stages[spiked]),
            assembler.spikes.eq(Cat(lane.spike[plane] for plane in range(self._planes) for lane in lanes)),
            self.word_valid.eq(assembler.word_valid), self.word.eq(assembler.word),
            self.spikes.eq(popcount(assembler.spikes)),
            self.spiking.eq(Cat(stage.rule.valid & stage.rule.spiking for stage in walk.stages[1:spiked + 1]).any()
                            | assembler.word_valid | Cat(stage.rule.valid for stage in walk.stages[1:settles + 1]).any()),
        ]
        return m

    def _keys(self, m: Module, walk: Walk) -> None:
        """The key of the row's random numbers, for all lanes, with the stage that began `Key.latency` clocks ago."""
        m.submodules.key = key = Key()
        assert Key.latency == Walk.latency + DRAWN - DRAW_LATENCY
        m.d.comb += [key.seed.eq(walk.seed), key.step.eq(walk.step), key.purpose.eq(int(Purpose.NEURON))]
        self._key = key

    def _lane(self, m: Module, number: int, walk: Walk, neuron: NeuronUnit) -> NeuronUnit:
        """A neuron, between its parts of the memories' words and the walk's stages."""
        m.submodules[f"neuron_{number}"] = neuron
        s = self._config.state_bits
        current = self.current[number * s:(number + 1) * s].as_signed()
        if self._unit == "core":    # its sums come a clock before the memories' words
            current = registers(m)(f"current_{number}", current)
        width = sum(f.bits for f in self._fields)
        words = [neuron.state, *(getattr(neuron, f"state_{f.name}") for f in self._fields[1:])]
        m.d.comb += [Cat(words).eq(self.state[number * width:(number + 1) * width]), neuron.current.eq(current)]
        for name, bits in self._widths.items():
            column: Signal = getattr(self, name)
            m.d.comb += getattr(neuron, name).eq(column[number * bits:(number + 1) * bits])
        if draws(self._config, self._unit):
            m.d.comb += [getattr(neuron, f"key_{name}").eq(getattr(self._key, name)) for name in "abc"]
        m.d.comb += [neuron.rule(clock).eq(walk.stages[Walk.latency + clock].rule) for clock in range(neuron.timing.latency + 1)]
        return neuron

    def _store(self, m: Module, lanes: list[NeuronUnit], group: Any) -> None:
        """State words, readouts and clamps of the group whose state is written."""
        names = ("stored", *(f"stored_{f.name}" for f in self._fields[1:]))
        m.d.comb += [
            self.trace.valid.eq(group.rule.valid), self.trace.address.eq(group.state_address),
            self.trace.data.eq(Cat(getattr(lane, name) for lane in lanes for name in names)),
            self.trace.readout_valid.eq(group.rule.valid & group.readout),
            self.trace.readout.eq(Cat(lane.readout for lane in lanes)),
            self.parity.eq(group.parity),
            self.clamps.eq(popcount(Cat(lane.clamped for lane in lanes))),
        ]
