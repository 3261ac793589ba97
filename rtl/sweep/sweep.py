"""The sweep: decay, input, threshold, reset and clamp, a group of neurons a clock."""

from __future__ import annotations

from functools import reduce
from operator import or_
from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal, Value, signed
from amaranth.lib import data
from amaranth.lib.wiring import Component, In, Out

from ranvier.model.fabric.config import FabricConfig, bits_for
from ranvier.model.fabric.layout import drive_fields, dynamics_fields, row_word
from ranvier.model.fabric.timing import COLUMN_DELAY, WORD_LATENCY, WRITE_LATENCY
from ranvier.model.fixed import DECAY_SHIFT

from ..fixed import add_with_carry, clamp_choice, decay_carry, decay_product, decay_whole, popcount, spike_count
from ..forms.stepper import Stepper
from ..forms.technology import platform_form
from ..signatures import TickBus, Trace, ring_layout, struct

__all__ = ["Sweep"]

#: Stages, in clocks after the group's address, that give the spikes and that write the membranes.
_SPIKES, _WRITE = WORD_LATENCY - 2, WRITE_LATENCY


class Sweep(Component):
    """Sweeps the rows that ``load`` hands over, one after the other.

    A row loaded in clock c has its groups' addresses on ``state_address`` in clocks c + 1 to c + groups (``take`` is
    high); ``state`` and the input ``current`` are due two clocks later, but a core's ``current`` one. Each parameter has an address of
    its own, `COLUMN_DELAY` clocks after the group's, and is due two clocks after it. Where memories are not late all of these addresses
    come a clock later instead. The membrane is written `WRITE_LATENCY` clocks
    after its address. A spike word leaves on ``word`` one clock before the ring can take it (`WORD_LATENCY`).
    """

    ticker: Any
    load: Signal
    row: Any
    take: Signal
    current: Signal
    state_address: Signal
    state: Signal
    k_address: Signal
    k: Signal
    bias_address: Signal
    bias: Signal
    theta_address: Signal
    theta: Signal
    v_min_address: Signal
    v_min: Signal
    v_max_address: Signal
    v_max: Signal
    v_reset_address: Signal
    v_reset: Signal
    v_init_address: Signal
    v_init: Signal
    trace: Any
    parity: Signal
    word_valid: Signal
    word: Any
    active: Signal
    last_group: Signal
    spiking: Signal
    spikes: Signal
    clamps: Signal

    def __init__(self, config: FabricConfig, unit: str) -> None:
        self._config = config
        part = config.core if unit == "core" else config.input
        self._lanes = lanes = part.sweep_lanes
        self._row = row_word(config, unit)
        s = config.state_bits
        self._drive = {f.name: f for f in drive_fields(config)}
        self._columns = {**self._drive, **{f.name: f for f in dynamics_fields(config, unit)}}
        depths = {name: part.drive_depth if name in self._drive else part.dynamics_depth for name in self._columns}
        super().__init__({
            "ticker": In(TickBus(config)),
            "load": In(1),
            "row": In(struct(self._row)),
            "take": Out(1),
            "current": In(lanes * s),
            "state_address": Out(bits_for(part.state_depth - 1)),
            "state": In(s * lanes),
            **{f"{name}_address": Out(bits_for(depth - 1)) for name, depth in depths.items()},
            **{name: In(field.bits * lanes) for name, field in self._columns.items()},
            "trace": Out(Trace(lanes, s, part.state_depth)),
            "parity": Out(1),
            "word_valid": Out(1),
            "word": Out(ring_layout(config)),
            "active": Out(1),
            "last_group": Out(1),
            "spiking": Out(1),
            "spikes": Out(bits_for(lanes)),
            "clamps": Out(bits_for(lanes)),
        })

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the parameters; an input unit's neurons do not leak, so they have no ``k``."""
        return tuple(self._columns)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        self._form = platform_form(platform)
        stages = self._issue(m)
        spikes = self._neurons(m, stages)
        sent = self._assemble(m, stages[_SPIKES], spikes)
        busy = Cat(stage.valid & stage.spiking for stage in stages[1:_SPIKES + 1]).any()
        m.d.comb += self.spiking.eq(busy | sent)
        return m

    def _issue(self, m: Module) -> list[Any]:
        """Walk the groups of the row in hand; what each stage of the pipeline must know of its group."""
        config = self._config
        row: Any = Signal(struct(self._row))
        step = self.ticker.steps[row.level]
        per_word = config.word_bits // self._lanes
        full = (row.position == per_word - 1) if per_word > 1 else 1
        group = data.StructLayout({
            "valid": 1, "state_address": self.state_address.shape(), "drive_address": self.theta_address.shape(),
            "dynamics_address": self.v_min_address.shape(), "spiking": 1, "strict": 1, "reset": 2, "last": 1,
            "readout": 1, "parity": 1, "position": row.position.shape() if self._form.carried_position else 0, "emit": 1,
            "address": bits_for(config.spike_depth - 1),
        })
        # Reset lasts longer than the pipeline is; it ends the row, and so all stages run dry.
        stages: list[Any] = [Signal(group, name=f"stage_{n}", reset_less=True) for n in range(_WRITE + 1)]
        slot = self.ticker.tick & ((1 << row.slots_log2) - 1)[:4]
        first = stages[0]
        m.d.comb += [
            self.take.eq(row.groups != 0),
            self.active.eq(self.take),
            self.last_group.eq(row.groups == 1),
            self.state_address.eq(stages[int(not self._form.late_memories)].state_address),
            first.valid.eq(self.take),
            first.state_address.eq(row.state_base),
            first.drive_address.eq(row.drive_base),
            first.dynamics_address.eq(row.dynamics_base),
            first.spiking.eq(row.spiking),
            first.strict.eq(row.strict),
            first.reset.eq(row.reset),
            first.last.eq(step.last),
            first.readout.eq(row.readout & step.last),
            first.parity.eq(step.parity),
            *([first.position.eq(row.position)] if self._form.carried_position else []),
            first.emit.eq(row.spiking & (full | (row.flush & self.last_group))),
            first.address.eq(row.word_address + slot),
        ]
        for name in self._columns:
            stage = stages[COLUMN_DELAY[name] + (not self._form.late_memories)]
            m.d.comb += getattr(self, f"{name}_address").eq(stage.drive_address if name in self._drive else stage.dynamics_address)
        m.d.sync += [after.eq(before) for before, after in zip(stages, stages[1:], strict=False)]
        following = {}
        for name in ("groups", "state_base"):
            m.submodules[f"next_{name}"] = step = Stepper(len(row[name]), down=name == "groups")
            m.d.comb += [step.count.eq(row[name]), step.value.eq(self.row[name]), step.load.eq(self.load)]
            following[name] = step.next
        with m.If(self.load):
            m.d.sync += row.eq(self.row)
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
        return stages

    def _neurons(self, m: Module, stages: list[Any]) -> Value:
        """Every lane's arithmetic; the spikes of stage `_SPIKES`."""
        lanes = [self._neuron(m, n, stages) for n in range(self._lanes)]
        stored, kept, spikes, clamped = (Cat(parts) for parts in zip(*lanes, strict=True))
        end = stages[_WRITE]
        m.d.comb += [
            self.trace.valid.eq(end.valid),
            self.trace.address.eq(end.state_address),
            self.trace.data.eq(stored),
            self.trace.readout_valid.eq(end.valid & end.readout),
            self.trace.readout.eq(kept),
            self.parity.eq(end.parity),
            self.spikes.eq(popcount(spikes)),
            self.clamps.eq(popcount(clamped)),
        ]
        return spikes

    def _neuron(self, m: Module, lane: int, stages: list[Any]) -> tuple[Value, Value, Value, Value]:
        """One lane: the membrane as stored and before a window's end, the spike, and whether the clamp changed it.

        The comments say in which stage, in clocks after the group's address, a line works; each ends in registers.
        """
        s = self._config.state_bits

        def signal(name: str, width: int = s) -> Signal:
            return Signal(signed(width) if width > 1 else 1, name=f"{name}_{lane}", reset_less=True)

        def register(name: str, value: Any) -> Signal:
            found = signal(name, len(value))
            m.d.sync += found.eq(value)
            return found

        def masked(name: str, value: Value, mask: Value) -> Signal:
            found = register(name, value)
            with m.If(~mask):    # a synchronous reset, which costs no logic
                m.d.sync += found.eq(0)
            return found

        def column(name: str) -> Value:
            field = self._columns[name]
            values: Signal = getattr(self, name)
            return values[lane * field.bits:(lane + 1) * field.bits].as_signed()

        # 1: what the memories give has come
        v = self.state[lane * s:(lane + 1) * s].as_signed()
        current = self.current[lane * s:(lane + 1) * s].as_signed()
        if "k" in self._columns:    # a core's is not a memory's
            current = register("current", current)
        bias, theta, v_min, v_max, v_reset, v_init = (column(name) for name in ("bias", "theta", "v_min", "v_max", "v_reset", "v_init"))
        # 2 and 3: u; decay's product, and what adds to it
        arriving = register("arriving", (current + bias)[:s])
        if "k" in self._columns:
            k = column("k")
            product, negative = register("product", decay_product(v, k)), register("negative", v[-1])
            whole = masked("whole", v, decay_whole(k))
            carry = decay_carry(product, negative, self._config.rounding)
            u = register("u", add_with_carry(product[DECAY_SHIFT:], (arriving + whole)[:s], carry))
        else:
            u = register("u", (arriving + register("whole", v))[:s])
        # 4: spike and reset by subtraction
        rule = stages[4]
        less = signal("less")
        m.d.comb += less.eq(u - theta)
        count = spike_count(u, less, theta, rule.strict) & rule.spiking
        after = register("after", Mux(count & rule.reset[0], less, u))
        spike, replaced = register("spike", count & rule.valid), register("replaced", count & rule.reset[1])
        # 5: reset to a value, which is within the bounds, or one of the bounds; registers of what is not chosen are cleared
        low, high = clamp_choice(after, v_min, v_max)
        unchanged = signal("unchanged", 1)
        m.d.comb += unchanged.eq(~(low | high | replaced))
        clamped = register("clamped", (low | high) & ~replaced & stages[5].valid)
        if not self._form.cleared_bounds:
            parts = [register("bounded", Mux(replaced, v_reset, Mux(low, v_min, Mux(high, v_max, after))))]
        else:
            parts = [masked("same", after, unchanged), masked("least", v_min, low & ~replaced),
                     masked("most", v_max, high & ~replaced), masked("reset", v_reset, replaced)]
        # 6: the membrane
        kept = signal("kept")
        m.d.comb += kept.eq(reduce(or_, parts))
        return Mux(stages[_WRITE].last, v_init, kept)[:s], kept, spike, clamped

    def _assemble(self, m: Module, stage: Any, spikes: Value) -> Any:
        """Collect the groups' spikes into words, whose bits that are not there yet are 0; whether one leaves that is not out yet.

        A word's first group clears the rest of it; each group has its flip-flops' clock enable.
        """
        lanes = self._lanes
        word = Signal(self._config.word_bits)
        place = stage.position
        if not self._form.carried_position:
            # Every word begins with its first place, and is sent with its last group: so one counter does for all stages.
            place = Signal(range(self._config.word_bits // lanes))
            with m.If(stage.valid & stage.spiking):
                m.d.sync += place.eq(Mux(stage.emit, 0, place + 1))
        sent: Any = Signal(data.StructLayout({"valid": 1, "address": stage.address.shape()}))
        for position in range(self._config.word_bits // lanes):
            part = word[position * lanes:(position + 1) * lanes]
            with m.If(stage.valid & (place == position)):
                m.d.sync += part.eq(spikes)
            if position:
                with m.If(stage.valid & (place == 0)):
                    m.d.sync += part.eq(0)
        m.d.sync += [sent.valid.eq(stage.valid & stage.emit), sent.address.eq(stage.address)]
        m.d.comb += [
            self.word_valid.eq(sent.valid),
            self.word.address.eq(sent.address),
            self.word.bits.eq(word),
        ]
        return sent.valid
