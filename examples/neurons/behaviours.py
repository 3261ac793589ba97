"""Izhikevich's twenty behaviours ("Which model to use for cortical spiking neurons?", IEEE TNN 15, 2004), as one network of twenty neurons.

    python examples/neurons/behaviours.py -o build/neurons --rtl

Parameters and stimuli are those of the program that the paper publishes (figure1.m), but for three that hang on its coarse step: its
membrane takes whole steps, ours two half steps, as in the paper of 2003. The spike with a latency needs 7.08 and not 7.04 mV/ms; the
pulse that ends the bistable neuron's spikes comes at 211 and not at 216 ms, as these come a little sooner; and the bursts that inhibition
brings have d = 0, as with d = -2 they never end where steps are small.

Each neuron has a step of its own; all run for as many as the longest needs, and each is shown for its own time.

A stimulus that changes in time comes as spikes with a count: two input neurons for each of the twenty, one that adds and one that takes
away, whose counts are the stimulus in units of the behaviour's own; what is constant is the neuron's own current.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ranvier import Network, Population, Projection, RanvierError, simulate
from ranvier.model.neurons.izhikevich import float_izhikevich, fraction_bits
from ranvier.reports.tables import print_rows

__all__ = ["BEHAVIOURS", "Behaviour", "STATE_BITS", "behaviour_network", "counts_of", "current_of", "float_run"]

Floats = npt.NDArray[np.float64]
Stimulus = Callable[[Floats], Floats]
#: Bits of v, and of a count: a stimulus has up to 255 units.
STATE_BITS, COUNT_BITS = 24, 8
MOST_COUNT = (1 << COUNT_BITS) - 1


@dataclass(frozen=True)
class Behaviour:
    """A row of the table: a, b, c, d and v at the beginning; dt and the duration in ms; the stimulus in mV/ms as a function of time in ms.

    constant
        The part of the stimulus that is there all the time.
    unit
        What a count of 1 adds to it, in mV/ms.
    more
        Quantities of the kind that differ from its defaults.
    """

    name: str
    a: float
    b: float
    c: float
    d: float
    v_0: float
    dt: float
    duration: float
    unit: float
    stimulus: Stimulus
    constant: float = 0.0
    more: dict[str, float] = field(default_factory=dict)

    @property
    def steps(self) -> int:
        """Steps of its own time."""
        return round(self.duration / self.dt)

    @property
    def quantities(self) -> dict[str, float]:
        """Everything that its neuron is made of."""
        return {"a": self.a, "b": self.b, "c": self.c, "d": self.d, "v_0": self.v_0, "dt": self.dt, "current": self.constant,
                "weight": self.unit, **self.more}


def _step(at: float, height: float) -> Stimulus:
    return lambda t: height * (t > at)


def _pulses(height: float, width: float, *starts: float) -> Stimulus:
    return lambda t: height * np.any([(t > at) & (t < at + width) for at in starts], axis=0)


def _ramp(at: float, slope: float) -> Stimulus:
    return lambda t: slope * np.maximum(t - at, 0)


def _two_signs(t: Floats) -> Floats:
    return _pulses(1, 5, 10, 80)(t) + _pulses(-6, 5, 70)(t)


def _two_ramps(t: Floats) -> Floats:
    return np.where(t < 200, t / 25, 0) + np.where((t >= 300) & (t < 312.5), (t - 300) / 12.5 * 4, 0)


def _less(t: Floats) -> Floats:
    return -5.0 * ((t >= 50) & (t <= 250))


#: Of the class 1 neurons, whose parabola is another.
_CLASS_1 = {"k_1": 4.1, "k_0": 108.0}

BEHAVIOURS = (
    Behaviour("tonic spiking", 0.02, 0.2, -65, 6, -70, 0.25, 100, 0.1, _step(10, 14)),
    Behaviour("phasic spiking", 0.02, 0.25, -65, 6, -64, 0.25, 200, 0.1, _step(20, 0.5)),
    Behaviour("tonic bursting", 0.02, 0.2, -50, 2, -70, 0.25, 220, 0.1, _step(22, 15)),
    Behaviour("phasic bursting", 0.02, 0.25, -55, 0.05, -64, 0.2, 200, 0.1, _step(20, 0.6)),
    Behaviour("mixed mode", 0.02, 0.2, -55, 4, -70, 0.25, 160, 0.1, _step(16, 10)),
    Behaviour("spike frequency adaptation", 0.01, 0.2, -65, 8, -70, 0.25, 85, 0.2, _step(8.5, 30)),
    Behaviour("class 1 excitable", 0.02, -0.1, -55, 6, -60, 0.25, 300, 0.08, _ramp(30, 0.075), more=_CLASS_1),
    Behaviour("class 2 excitable", 0.2, 0.26, -65, 0, -64, 0.25, 300, 0.016, _ramp(30, 0.015), constant=-0.5),
    Behaviour("spike latency", 0.02, 0.2, -65, 6, -70, 0.2, 100, 0.04, _pulses(7.08, 3, 10)),
    Behaviour("subthreshold oscillation", 0.05, 0.26, -60, 0, -62, 0.25, 200, 0.1, _pulses(2, 5, 20)),
    Behaviour("resonator", 0.1, 0.26, -60, -1, -62, 0.25, 400, 0.05, _pulses(0.65, 4, 40, 60, 280, 320)),
    Behaviour("integrator", 0.02, -0.1, -55, 6, -60, 0.25, 100, 0.1, _pulses(9, 2, 100 / 11, 100 / 11 + 5, 70, 80), more=_CLASS_1),
    Behaviour("rebound spike", 0.03, 0.25, -60, 4, -64, 0.2, 200, 0.1, _pulses(-15, 5, 20)),
    Behaviour("rebound burst", 0.03, 0.25, -52, 0, -64, 0.2, 200, 0.1, _pulses(-15, 5, 20)),
    Behaviour("threshold variability", 0.03, 0.25, -60, 4, -64, 0.25, 100, 0.1, _two_signs),
    Behaviour("bistability", 0.1, 0.26, -60, 0, -61, 0.25, 300, 0.1, _pulses(1, 5, 37.5, 211), constant=0.24),
    Behaviour("depolarising afterpotential", 1, 0.2, -60, -21, -70, 0.1, 50, 0.1, _pulses(20, 2, 9)),
    Behaviour("accommodation", 0.02, 1, -55, 4, -65, 0.5, 400, 0.04, _two_ramps, more={"u_0": -16, "u_offset": 65, "u_decays": 0}),
    Behaviour("inhibition-induced spiking", -0.02, -1, -60, 8, -63.8, 0.5, 350, 0.1, _less, constant=80),
    Behaviour("inhibition-induced bursting", -0.026, -1, -45, 0, -63.8, 0.5, 350, 0.1, _less, constant=80),
)


def counts_of(behaviour: Behaviour, steps: int) -> npt.NDArray[np.int64]:
    """The stimulus as counts with a sign, int64 (steps,), 0 after the behaviour's own time."""
    t = np.arange(steps) * behaviour.dt
    counts: npt.NDArray[np.int64] = np.rint(np.where(t < behaviour.duration, behaviour.stimulus(t), 0) / behaviour.unit).astype(np.int64)
    assert np.abs(counts).max(initial=0) <= MOST_COUNT, behaviour.name
    return counts


def current_of(behaviour: Behaviour, steps: int) -> Floats:
    """What the counts mean, in mV/ms, without the constant part."""
    return counts_of(behaviour, steps) * behaviour.unit


def float_run(behaviour: Behaviour) -> tuple[Floats, Floats, npt.NDArray[np.bool_]]:
    """v, u and spikes of the behaviour's own steps in double precision, on the stimulus as it is and not in counts."""
    t = np.arange(behaviour.steps) * behaviour.dt
    return float_izhikevich(behaviour.quantities, behaviour.steps, behaviour.stimulus(t))


def behaviour_network() -> tuple[Network, npt.NDArray[np.int64], int]:
    """The network, its inputs (1, steps, 40), and the steps: input neuron 2 n adds to neuron n, and 2 n + 1 takes away."""
    steps = max(behaviour.steps for behaviour in BEHAVIOURS)
    names = sorted({name for behaviour in BEHAVIOURS for name in behaviour.quantities})
    defaults = {"k_1": 5.0, "k_0": 140.0, "u_offset": 0.0, "u_decays": 1.0}
    values: dict[str, Any] = {
        name: np.array([behaviour.quantities.get(name, defaults.get(name, behaviour.b * behaviour.v_0)) for behaviour in BEHAVIOURS])
        for name in names}
    n = len(BEHAVIOURS)
    # An input neuron that takes 1 for each spike gives its value as a count, at once and with nothing left.
    stimulus = Population("stimulus", 2 * n, "input", theta=1)
    cells = Population("cells", n, "izhikevich", values)
    signs = np.zeros((2 * n, n), np.int64)
    signs[2 * np.arange(n), np.arange(n)] = 1
    signs[2 * np.arange(n) + 1, np.arange(n)] = -1
    counts = np.stack([counts_of(behaviour, steps) for behaviour in BEHAVIOURS], axis=1)
    inputs = np.stack([np.maximum(counts, 0), np.maximum(-counts, 0)], axis=2).reshape(1, steps, 2 * n)
    network = Network((stimulus, cells), (Projection.dense("stimulus", "cells", signs),), state_bits=STATE_BITS, weight_bits=2,
                      input_bits=COUNT_BITS, spike_bits=COUNT_BITS)
    return network, inputs, steps


def draw(membranes: npt.NDArray[np.int32], spikes: npt.NDArray[np.bool_], path: Path) -> None:
    """All twenty: the integers' v over the double precision's, and the stimulus below."""
    import matplotlib
    matplotlib.use("Agg")
    from matplotlib import pyplot as plt
    figure, axes = plt.subplots(5, 4, figsize=(13, 11), layout="constrained")
    for n, (behaviour, axis) in enumerate(zip(BEHAVIOURS, axes.flat, strict=True)):
        t = np.arange(behaviour.steps) * behaviour.dt
        v, _, fired = float_run(behaviour)
        axis.plot(t, np.where(fired, 30, v), color="C1", lw=2.2, alpha=0.6, label="double precision")
        shown = membranes[:behaviour.steps, n] / (1 << fraction_bits(STATE_BITS))
        axis.plot(t, np.where(spikes[:behaviour.steps, n], 30, shown), color="black", lw=0.7, label="integers = RTL")
        stimulus = behaviour.stimulus(t)
        axis.plot(t, -95 + 10 * stimulus / np.abs(stimulus).max(), color="C0", lw=0.9, label="stimulus")
        axis.set_title(f"({chr(ord('A') + n)}) {behaviour.name}", fontsize=9)
        axis.set(ylim=(-108, 34), yticks=(-60, 0))
        axis.tick_params(labelsize=7)
    axes[0, 0].legend(fontsize=6, loc="upper left", bbox_to_anchor=(0.15, 0.98))
    figure.supxlabel("ms")
    figure.supylabel("v, mV")
    figure.savefig(path, dpi=90)
    plt.close(figure)


def main() -> None:
    """Run the network, print the spikes of integers and double precision, draw the picture."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-o", "--output", type=Path, default=Path("build/neurons"), help="folder to write into")
    parser.add_argument("--rtl", action="store_true", help="also run the compiled RTL and compare every word and clock")
    options = parser.parse_args()
    network, inputs, steps = behaviour_network()
    try:
        run = simulate(network, inputs, steps)
        if options.rtl:
            from in_rtl import check_in_rtl
            check_in_rtl(network, {"stimulus": inputs}, steps)
    except RanvierError as error:
        parser.exit(2, f"behaviours: {error}\n")
    options.output.mkdir(parents=True, exist_ok=True)
    spikes, membranes = run.spikes["cells"][0].astype(bool), run.membranes["cells"][0]
    rows = []
    for n, behaviour in enumerate(BEHAVIOURS):
        exact = np.flatnonzero(float_run(behaviour)[2]) * behaviour.dt
        found = np.flatnonzero(spikes[:behaviour.steps, n]) * behaviour.dt
        apart = f"{np.abs(exact - found).max(initial=0):.2f}" if len(exact) == len(found) else "-"
        rows.append((behaviour.name, str(len(exact)), str(len(found)), apart))
    print_rows("Izhikevich's behaviours", ("behaviour", "spikes, double precision", "spikes, integers", "most apart, ms"), rows)
    draw(membranes, spikes, options.output / "behaviours.png")
    print(f"{options.output / 'behaviours.png'}" + (", model and RTL equal" if options.rtl else ""))


if __name__ == "__main__":
    main()
