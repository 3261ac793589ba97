"""The walk over the groups of a row: their addresses, and what the pipeline behind it must know of each."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Mux, Signal, Value
from amaranth.lib.wiring import Component, In, Out

from ranvier.model.fabric.config import FabricConfig
from ranvier.model.fabric.layout import RUN_BITS, drive_fields, dynamics_fields, row_word
from ranvier.model.fabric.timing import pipeline

from ..forms.stepper import Stepper
from ..neurons.unit import draws
from ..signatures import TickBus, struct
from .group import group_layout

__all__ = ["Walk"]


class Walk(Component):
    """Walks the rows that ``load`` hands over, one group a clock. ``latency`` is from a group's address to its words.

    A row loaded in clock c has its groups' addresses in clocks c + 1 to c + groups. A parameter's address comes as many clocks after
    its group's as the neurons need it after their state word. Words are due two clocks after the group's address: where memories are
    not ``late``, they give them a clock after theirs, and so all addresses come a clock later::

        clock                 c      c+1      c+2      c+3
        load, row             row
        take                         1        1        0        (a row of two groups)
        state_address, late          first    second
        stage_0                      first    second
        stage_1                               first    second

    ================ === ============== =====================================================================================
    port             dir width          meaning
    ================ === ============== =====================================================================================
    ticker           in  `TickBus`      the step of each level in this tick
    load             in  1              ``row`` is the next row; the one before has no groups left then
    row              in  row word       descriptor of a row
    restart          in  1              with windows, in a core: the row is of a loop's first pass, or of none
    seed, step       out 31, 24         where neurons draw random numbers: of the row, and its level's step, with stage_0
    take             out 1              a group begins in this clock: its sums are selected
    last_group       out 1              it is the row's last
    state_address    out address        of the group's membranes
    NAME_address     out address        of the group's parameter NAME
    stage_0 ...      out `group_layout` the group that began so many clocks ago
    ================ === ============== =====================================================================================
    """

    latency = 2

    ticker: Any
    load: Signal
    row: Any
    restart: Signal
    seed: Signal
    step: Signal
    take: Signal
    last_group: Signal
    state_address: Signal

    def __init__(self, config: FabricConfig, unit: str, *, stages: int, late_memories: bool, carry_position: bool) -> None:
        """``carry_position``: whether each group carries its place in the spike word."""
        self._config, self._lanes = config, config.part(unit).sweep_lanes
        self._loops, self._draws = bool(config.windows) and unit == "core", draws(config, unit)
        self._needs = pipeline(config, unit).needs
        self._late, self._carry_position, self._count = late_memories, carry_position, stages
        self._row, self._group = row_word(config, unit), group_layout(config, unit, position=carry_position)
        self._memories = {**{f.name: "drive_address" for f in drive_fields(config, unit)},
                          **{f.name: "dynamics_address" for f in dynamics_fields(config, unit)}}
        addresses = {name: self._group[memory].shape for name, memory in self._memories.items()}
        super().__init__({
            "ticker": In(TickBus(config)), "load": In(1), "row": In(struct(self._row)),
            **({"restart": In(1)} if self._loops else {}),
            **({"seed": Out(next(f.bits for f in self._row.fields if f.name == "seed")), "step": Out(RUN_BITS)} if self._draws else {}),
            "take": Out(1), "last_group": Out(1), "state_address": Out(self._group["state_address"].shape),
            **{f"{name}_address": Out(shape) for name, shape in addresses.items()},
            **{f"stage_{n}": Out(self._group) for n in range(stages)},
        })

    @property
    def stages(self) -> list[Any]:
        """The group of each stage."""
        return [getattr(self, f"stage_{n}") for n in range(self._count)]

    def elaborate(self, platform: object) -> Module:
        """The row in hand counts its groups down and its addresses up; a row without groups is none.

        What the pipeline must know of a group is made of the row in hand in the group's first clock, stage 0, and then moves from
        stage to stage. Each address is that of the stage in which its memory is read.
        """
        m = Module()
        row: Any = Signal(struct(self._row))
        per_word = self._config.word_bits // self._lanes
        full = (row.position == per_word - 1) if per_word > 1 else 1    # the group is the last of its spike word
        # Reset lasts longer than the pipeline is; it ends the row, and so all stages run dry.
        stages: list[Any] = [Signal(self._group, name=f"group_{n}", reset_less=True) for n in range(self._count)]
        m.d.sync += [after.eq(before) for before, after in zip(stages, stages[1:], strict=False)]
        m.d.comb += [port.eq(stage) for port, stage in zip(self.stages, stages, strict=True)]
        m.d.comb += [self.take.eq(row.groups != 0), self.last_group.eq(row.groups == 1)]
        self._describe(m, row, full, stages[0])
        if self._draws:
            m.d.comb += [self.seed.eq(row.seed), self.step.eq(self.ticker.steps[row.level].number)]
        self._step(m, row, full)
        behind = 0 if self._late else 1
        m.d.comb += self.state_address.eq(stages[behind].state_address)
        m.d.comb += [getattr(self, f"{name}_address").eq(stages[self._needs[name] + behind][memory])
                     for name, memory in self._memories.items()]
        return m

    def _describe(self, m: Module, row: Any, full: Any, group: Any) -> None:
        """What stage 0 holds, of the row in hand and the step of its level."""
        step = self.ticker.steps[row.level]
        names = {f.name for f in self._row.fields}
        slot = self.ticker.tick & ((1 << row.slots_log2) - 1)[:4]
        m.d.comb += [
            group.rule.valid.eq(self.take), group.rule.spiking.eq(row.spiking), group.rule.strict.eq(row.strict),
            group.rule.reset.eq(row.reset), group.rule.last.eq(step.last),
            group.state_address.eq(row.state_base), group.drive_address.eq(row.drive_base),
            group.dynamics_address.eq(row.dynamics_base),
            group.readout.eq(row.readout & step.last), group.parity.eq(step.parity),
            *(group.rule[name].eq(row[name]) for name in ("moment", "current", "before") if name in names),
            *(group[name].eq(row[name]) for name in ("plane_step",) if name in names),
            group.emit.eq(row.spiking & (full | (row.flush & self.last_group))), group.address.eq(row.word_address + slot),
        ]
        if self._carry_position:
            m.d.comb += group.position.eq(row.position)

    def _step(self, m: Module, row: Any, full: Any) -> None:
        """The row in hand in the next clock: a new one, or what is left of it."""
        following = {}
        state_offset, word_offset = self._offsets(m) if self._loops else (0, 0)
        for name, offset in (("groups", 0), ("state_base", state_offset)):
            m.submodules[f"next_{name}"] = stepper = Stepper(len(row[name]), down=name == "groups")
            m.d.comb += [stepper.count.eq(row[name]), stepper.value.eq(_moved(self.row[name], offset)), stepper.load.eq(self.load)]
            following[name] = stepper.next
        with m.If(self.load):
            m.d.sync += row.eq(self.row)
            if self._loops:
                m.d.sync += row.word_address.eq(_moved(self.row.word_address, word_offset))
        with m.Elif(self.take):
            m.d.sync += [
                row.drive_base.eq(row.drive_base + row.drive_step),
                row.dynamics_base.eq(row.dynamics_base + row.dynamics_step),
                row.position.eq(Mux(full, 0, row.position + 1)),
            ]
            with m.If(full):
                m.d.sync += row.word_address.eq(row.word_address + (1 << row.slots_log2))
        with m.If(self.load | self.take):
            m.d.sync += [row[name].eq(value) for name, value in following.items()]

    def _offsets(self, m: Module) -> tuple[Value, Value]:
        """How far the membranes and the spike words of the row that is loaded are from those of a loop's first pass."""
        found = []
        for base, step in (("state_base", self.row.state_step), ("word_address", self.row.word_step)):
            kept, offset = Signal(len(self.row[base]), name=f"kept_{base}"), Signal(len(self.row[base]), name=f"offset_{base}")
            m.d.comb += offset.eq(Mux(self.restart, 0, kept))
            with m.If(self.load):
                m.d.sync += kept.eq(Mux(self.row.advance, offset + step, offset))
            found.append(offset)
        return found[0], found[1]


def _moved(base: Value, offset: Value | int) -> Value:
    return base if isinstance(offset, int) else (base + offset)[:len(base)]
