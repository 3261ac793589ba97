"""The sweep: decay, input, threshold, reset and clamp, a group of neurons a clock."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal, Value, signed
from amaranth.lib import data
from amaranth.lib.wiring import Component, In, Out

from ranvier.model.config import FabricConfig, bits_for
from ranvier.model.layout import Memory, drive_fields, dynamics_fields, memory_map, row_word

from .fixed import clamp, decay_product, decay_round, popcount, reset, spike_count
from .signatures import TickBus, Trace, ring_layout, struct

__all__ = ["Sweep"]


class Sweep(Component):
    """Sweeps the rows that ``load`` hands over, one after the other.

    A row loaded in clock c has its groups' addresses on the memories in clocks c + 1 to c + groups (``take`` is
    high; the holding register shifts), the input ``current`` of a group is due with the memories' data one
    clock later, and the membrane is written four clocks after its address. A spike word leaves on ``word`` in the clock
    in which its last group is written.
    """

    ticker: Any
    load: Signal
    row: Any
    take: Signal
    current: Signal
    state_address: Signal
    state: Signal
    drive_address: Signal
    drive: Signal
    dynamics_address: Signal
    dynamics: Signal
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
        self._unit = unit
        part = config.core if unit == "core" else config.input
        self._lanes = lanes = part.sweep_lanes
        s = config.state_bits
        memories = memory_map(config, unit)
        self._row = row_word(config, unit)
        self._dynamics = dynamics_fields(config, unit)
        super().__init__({
            "ticker": In(TickBus(config)),
            "load": In(1),
            "row": In(struct(self._row)),
            "take": Out(1),
            "current": In(lanes * s),
            "state_address": Out(bits_for(part.state_depth - 1)),
            "state": In(s * lanes),
            "drive_address": Out(bits_for(part.drive_depth - 1)),
            "drive": In(memories[Memory.DRIVE].bits),
            "dynamics_address": Out(bits_for(part.dynamics_depth - 1)),
            "dynamics": In(memories[Memory.DYNAMICS].bits),
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

    def elaborate(self, platform: object) -> Module:
        m = Module()
        stages = self._issue(m)
        spikes = self._neurons(m, stages)
        self._assemble(m, stages[-1], spikes)
        busy = Cat(stage.valid & stage.spiking for stage in stages).any()
        m.d.comb += self.spiking.eq(busy)
        return m

    def _issue(self, m: Module) -> list[Any]:
        """Walk the groups of the row in hand; what each stage of the pipeline must know of its group."""
        config = self._config
        row: Any = Signal(struct(self._row))
        step = self.ticker.steps[row.level]
        per_word = config.word_bits // self._lanes
        full = (row.position == per_word - 1) if per_word > 1 else 1
        group = data.StructLayout({
            "valid": 1, "state_address": self.state_address.shape(), "spiking": 1, "strict": 1, "reset": 2, "last": 1,
            "readout": 1, "parity": 1, "position": row.position.shape(), "emit": 1,
            "address": bits_for(config.spike_depth - 1),
        })
        stages: list[Any] = [Signal(group, name=f"stage_{n}") for n in range(1, 5)]
        slot = self.ticker.tick & ((1 << row.slots_log2) - 1)[:4]
        m.d.comb += [
            self.take.eq(row.groups != 0),
            self.active.eq(self.take),
            self.last_group.eq(row.groups == 1),
            self.state_address.eq(row.state_base),
            self.drive_address.eq(row.drive_base),
            self.dynamics_address.eq(row.dynamics_base),
        ]
        m.d.sync += [
            stages[0].valid.eq(self.take),
            stages[0].state_address.eq(row.state_base),
            stages[0].spiking.eq(row.spiking),
            stages[0].strict.eq(row.strict),
            stages[0].reset.eq(row.reset),
            stages[0].last.eq(step.last),
            stages[0].readout.eq(row.readout & step.last),
            stages[0].parity.eq(step.parity),
            stages[0].position.eq(row.position),
            stages[0].emit.eq(row.spiking & (full | (row.flush & (row.groups == 1)))),
            stages[0].address.eq(row.word_address + slot),
        ]
        m.d.sync += [after.eq(before) for before, after in zip(stages, stages[1:], strict=False)]
        with m.If(self.load):
            m.d.sync += row.eq(self.row)
        with m.Elif(self.take):
            m.d.sync += [
                row.groups.eq(row.groups - 1),
                row.state_base.eq(row.state_base + 1),
                row.drive_base.eq(row.drive_base + row.drive_step),
                row.dynamics_base.eq(row.dynamics_base + row.dynamics_step),
                row.position.eq(Mux(full, 0, row.position + 1)),
            ]
            with m.If(full):
                m.d.sync += row.word_address.eq(row.word_address + (1 << row.slots_log2))
        return stages

    def _neurons(self, m: Module, stages: list[Any]) -> Value:
        """The arithmetic of every lane, one pipeline register after each line of the number format; the last stage's spikes."""
        config, s = self._config, self._config.state_bits
        drive, dynamics = (data.StructLayout({f.name: data.ArrayLayout(signed(f.bits) if f.signed else f.bits, self._lanes)
                                              for f in fields}) for fields in (drive_fields(config), self._dynamics))
        theta_bias, rule = drive(self.drive), dynamics(self.dynamics)
        word = signed(s)
        stored, kept, spikes, clamped = [], [], [], []
        for n in range(self._lanes):
            v = self.state[n * s:(n + 1) * s].as_signed()
            current = self.current[n * s:(n + 1) * s].as_signed()
            product, negative = Signal(s + 17, name=f"product_{n}"), Signal(name=f"negative_{n}")
            arriving = Signal(word, name=f"arriving_{n}")
            u, after = Signal(word, name=f"u_{n}"), Signal(word, name=f"after_{n}")
            spike = Signal(name=f"spike_{n}")
            theta = self._delay(m, theta_bias.theta[n], 2, f"theta_{n}")
            v_reset = self._delay(m, rule.v_reset[n], 2, f"v_reset_{n}")
            v_min, v_max = (self._delay(m, rule[name][n], 3, f"{name}_{n}") for name in ("v_min", "v_max"))
            v_init = self._delay(m, theta_bias.v_init[n], 3, f"v_init_{n}")
            m.d.sync += arriving.eq(current + theta_bias.bias[n])
            if self._unit == "core":
                m.d.sync += [product.eq(decay_product(v, rule.k[n])), negative.eq(v < 0)]
                decayed = decay_round(product, negative, config.rounding)
            else:    # no leak
                decayed = self._delay(m, v, 1, f"v_{n}")
            m.d.sync += u.eq(decayed + arriving)
            count = spike_count(u, theta, stages[2].strict) & stages[2].spiking
            m.d.sync += [spike.eq(count & stages[2].valid), after.eq(reset(u, count, theta, v_reset, stages[2].reset))]
            bounded = Signal(word, name=f"bounded_{n}")
            m.d.comb += bounded.eq(clamp(after, v_min, v_max))
            kept.append(bounded)
            stored.append(Mux(stages[3].last, v_init, bounded)[:s])
            spikes.append(spike)
            clamped.append((bounded != after) & stages[3].valid)
        m.d.comb += [
            self.trace.valid.eq(stages[3].valid),
            self.trace.address.eq(stages[3].state_address),
            self.trace.data.eq(Cat(stored)),
            self.trace.readout_valid.eq(stages[3].valid & stages[3].readout),
            self.trace.readout.eq(Cat(kept)),
            self.parity.eq(stages[3].parity),
            self.spikes.eq(popcount(Cat(spikes))),
            self.clamps.eq(popcount(Cat(clamped))),
        ]
        return Cat(spikes)

    def _delay(self, m: Module, value: Any, clocks: int, name: str) -> Any:
        for n in range(clocks):
            delayed = Signal(signed(len(value)), name=f"{name}_{n}")
            m.d.sync += delayed.eq(value)
            value = delayed
        return value

    def _assemble(self, m: Module, stage: Any, spikes: Value) -> None:
        """Collect the groups' spikes into words; what is not there yet in a word is 0."""
        lanes = self._lanes
        gathered = Signal(self._config.word_bits)
        word = Signal(self._config.word_bits)
        m.d.comb += word.eq(Mux(stage.position == 0, 0, gathered))
        with m.Switch(stage.position):
            for position in range(self._config.word_bits // lanes):
                with m.Case(position):
                    m.d.comb += word[position * lanes:(position + 1) * lanes].eq(spikes)
        with m.If(stage.valid):
            m.d.sync += gathered.eq(word)
        m.d.comb += [
            self.word_valid.eq(stage.valid & stage.emit),
            self.word.address.eq(stage.address),
            self.word.bits.eq(word),
        ]
