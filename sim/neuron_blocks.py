"""Neurons, sweeps and what is around them with each of the options that a fabric can be built with, for their benches."""

from __future__ import annotations

from itertools import product

from amaranth.hdl import Cat, Module
from amaranth.lib import data
from amaranth.lib.wiring import Component, In, Out

from ranvier.model.fabric.config import CoreConfig, FabricConfig, InputConfig
from ranvier.model.neurons.kind import Options
from ranvier.rtl.neurons.registry import UNITS
from ranvier.rtl.neurons.unit import NeuronUnit, delayed, registers

__all__ = ["COUNTED", "LANES", "NEURONS", "NeuronLanes", "PAIR", "SWEEPS", "neuron_blocks"]

#: Neurons side by side in `NeuronLanes`.
LANES = 2
_BASE = FabricConfig(
    cores=1, state_bits=12, weight_bits=4, input_bits=6, word_bits=64, spike_depth=256, levels=4, queue_depth=4,
    core=CoreConfig(lanes=8, sweep_lanes=2, program_depth=32, row_depth=8, weight_depth=64, state_depth=16, drive_depth=16,
                    dynamics_depth=16, readout_depth=16),
    input=InputConfig(sweep_lanes=2, row_depth=8, state_depth=16, drive_depth=16, dynamics_depth=16))


def _neurons() -> dict[str, tuple[FabricConfig, str]]:
    """Every combination of options; widths of the state word and rounding differ from one to the next."""
    widths, found = (12, 16, 25, 32), {}
    for n, (planes, late, currents) in enumerate(product((1, 2, 3, 8), (0, 1), (0, 1))):
        found[f"n{planes}{'_late' * late}{'_current' * currents}"] = (_BASE.replace(
            state_bits=widths[(n + n // 4) % 4], rounding=("nearest", "zero")[n % 2 ^ n // 2 % 2],
            spike_bits=planes, next_tick=late, currents=currents), "core")
    return found | {"n2_input": (_BASE.replace(spike_bits=2), "input"),
                    "izhikevich": (_BASE.replace(neurons="izhikevich", state_bits=18), "core")}


#: Configuration and unit of each `NeuronLanes`, by the prefix of its ports.
NEURONS = _neurons()
#: Configurations of sweeps of a core: those of several words a row, of two, and of less than one.
SWEEPS = {
    "sweep_planes": _BASE.replace(cores=2, word_bits=16, spike_bits=2),
    "sweep_late": _BASE.replace(word_bits=4, next_tick=1),
    "sweep_currents": _BASE.replace(word_bits=8, currents=1),
    "sweep_all": _BASE.replace(word_bits=32, spike_bits=8, next_tick=1, currents=1),
}
#: A fabric whose ring and input unit send several planes.
COUNTED = _BASE.replace(cores=3, spike_bits=3, input={"sweep_lanes": 4})
#: A ring of two nodes.
PAIR = COUNTED.replace(cores=1)


class NeuronLanes(Component):
    """Neurons of a ``core`` or of the ``input`` unit, whose inputs and outputs are each given in one clock.

    ``given`` (`layout` for each lane) is what the neurons have in clock 0; parameters and rule move to the clocks in which they are read.
    ``found`` (`results` for each lane) comes as many clocks later as `latency` says. There are two pipelines for each lane, with both
    ways to choose among bounds, and so ``found_by_or`` is the same again.
    """

    given: data.View[data.ArrayLayout]
    found: data.View[data.ArrayLayout]
    found_by_or: data.View[data.ArrayLayout]

    def __init__(self, config: FabricConfig, unit: str) -> None:
        self._neurons = {port: [UNITS[config.family(unit).name](config, unit, clamp_by_or=by_or) for _ in range(LANES)]
                         for port, by_or in (("found", False), ("found_by_or", True))}
        one = self._neurons["found"][0]
        self.options: Options = one.options
        self.latency = one.timing.latency
        self._inputs = [name for name in one.signature.members if name.startswith("state") or name in ("current", *one.parameters)]
        self._outputs = [name for name in one.signature.members if name.startswith("stored") or name in ("spike", "readout", "clamped")]
        self.layout = data.StructLayout({**{name: one.signature.members[name].shape for name in self._inputs},
                                         "rule": one.signature.members["rule_0"].shape})
        self.results = data.StructLayout({name: one.signature.members[name].shape for name in self._outputs})
        results = Out(data.ArrayLayout(self.results, LANES))
        super().__init__({"given": In(data.ArrayLayout(self.layout, LANES)), "found": results, "found_by_or": results})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        for port, neurons in self._neurons.items():
            for number, neuron in enumerate(neurons):
                m.submodules[f"{port}_{number}"] = neuron
                self._attach(m, neuron, self.given[number], getattr(self, port)[number])
        return m

    def _attach(self, m: Module, neuron: NeuronUnit, given: data.View[data.StructLayout], found: data.View[data.StructLayout]) -> None:
        register, timing = registers(m), neuron.timing
        m.d.comb += [getattr(neuron, name).eq(delayed(register, name, Cat(given[name]), timing.needs.get(name, 0)))
                     for name in self._inputs]
        rule = given["rule"].as_value()
        for clock in range(timing.latency + 1):
            m.d.comb += neuron.rule(clock).as_value().eq(rule)
            rule = register("rule", rule)
        m.d.comb += [found[name].eq(getattr(neuron, name)) for name in self._outputs if name != "spike"]
        m.d.comb += found["spike"].eq(delayed(register, "spike", neuron.spike, timing.latency - timing.spikes))


def neuron_blocks() -> dict[str, NeuronLanes]:
    """A block of neurons for each of `NEURONS`."""
    return {name: NeuronLanes(config, unit) for name, (config, unit) in NEURONS.items()}
