"""The squid's axon of Hodgkin and Huxley (1952): a current, and what membrane and gates do; and spikes a second for a constant current.

    python examples/neurons/squid.py -o build/neurons --rtl

Integers in steps of 0.01 ms beside Runge-Kutta in double precision, and with --rtl the compiled RTL, compared in every word and clock.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ranvier import Network, Population, Projection, RanvierError, Simulation, simulate
from ranvier.model.neurons.hodgkin_huxley import GATE_FRACTION, STEP_MS, fraction_bits
from ranvier.model.neurons.squid_axon import AxonRun, run_axon
from ranvier.reports.tables import print_rows

__all__ = ["clamp_network", "float_clamp", "rate_network", "rates"]

#: uA/cm2 of the 0.1 nA that `neuron_trace.py` sends through 10 x 10 um, from 10 to 90 ms.
DENSITY, ON_MS, OFF_MS = 0.1e-3 / (np.pi * 10 * 10 * 1e-8), 10, 90
STATE_BITS, COUNT_BITS = 18, 8
FULL = (1 << COUNT_BITS) - 1
#: Constant currents of the curve, uA/cm2, for so many ms, of which the first are left out.
CURRENTS, DURATION_MS, SETTLED_MS = np.arange(0, 81, 4.0), 200, 60
#: What counts as a spike there, in mV: at large currents spikes no longer come to 0.
LEVEL = -30


def clamp_network(duration_ms: float) -> tuple[Network, npt.NDArray[np.int64], int]:
    """One axon, the counts of the input neuron that clamps its current, (1, steps, 1), and the steps."""
    steps = round(duration_ms / STEP_MS)
    t = np.arange(steps) * STEP_MS
    axon = Population("axon", 1, "hodgkin_huxley", weight=DENSITY / FULL)
    network = Network((Population("clamp", 1, "input", theta=1), axon), (Projection.dense("clamp", "axon", np.ones((1, 1), np.int64)),),
                      state_bits=STATE_BITS, weight_bits=2, input_bits=COUNT_BITS, spike_bits=COUNT_BITS)
    return network, np.where((t >= ON_MS) & (t < OFF_MS), FULL, 0).reshape(1, steps, 1), steps


def float_clamp(duration_ms: float) -> AxonRun:
    """The same in double precision."""
    t = np.arange(round(duration_ms / STEP_MS)) * STEP_MS
    return run_axon({}, np.where((t >= ON_MS) & (t < OFF_MS), DENSITY, 0.0)[:, None], STEP_MS)


def rate_network() -> tuple[Network, int]:
    """An axon for each constant current, and the steps."""
    axons = Population("axons", len(CURRENTS), "hodgkin_huxley", current=CURRENTS, v_spike=LEVEL)
    return Network((axons,), (), state_bits=STATE_BITS, weight_bits=2), round(DURATION_MS / STEP_MS)


def rates(spikes: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    """Spikes a second, from the first to the last after the axon has settled: (axons,) of (steps, axons)."""
    found = np.zeros(spikes.shape[1])
    for n, column in enumerate(spikes.T):
        times = np.flatnonzero(column[round(SETTLED_MS / STEP_MS):]) * STEP_MS
        if len(times) > 1:
            found[n] = 1e3 * (len(times) - 1) / (times[-1] - times[0])
    return found


def draw(run: Simulation, exact: AxonRun, curves: dict[str, npt.NDArray[np.float64]], equal: bool, path: Path) -> None:
    """V, m, h and n over time, integers over double precision, and the curve."""
    import matplotlib
    matplotlib.use("Agg")
    from matplotlib import pyplot as plt
    name = "integers = RTL" if equal else "integers"
    figure, axes = plt.subplots(3, 1, figsize=(9, 10), layout="constrained")
    v = run.membranes["axon"][0, :, 0] / (1 << fraction_bits(STATE_BITS))
    t = (np.arange(len(v)) + 1) * STEP_MS
    axes[0].plot(t, exact.v[:, 0], color="C1", lw=2.5, alpha=0.6, label="Runge-Kutta, double precision")
    axes[0].plot(t, v, color="black", lw=0.8, label=name)
    axes[0].plot(t, np.where((t > ON_MS) & (t <= OFF_MS), -85, -92), color="C0", lw=0.8, label=f"{DENSITY:.1f} uA/cm2")
    axes[0].set(ylabel="V, mV", xlabel="ms")
    axes[0].legend(fontsize=8, loc="upper right")
    for gate, colour in (("m", "C3"), ("h", "C2"), ("n", "C0")):
        axes[1].plot(t, getattr(exact, gate)[:, 0], color=colour, lw=2.5, alpha=0.4)
        axes[1].plot(t, run.states["axon"][gate][0, :, 0] / (1 << GATE_FRACTION), color=colour, lw=0.8, label=gate)
    axes[1].set(ylabel="gates (wide: double precision)", xlabel="ms", xlim=(0, 50))
    axes[1].legend(fontsize=8, loc="upper right")
    axes[2].plot(CURRENTS, curves["double precision"], color="C1", lw=3, alpha=0.6, label="Runge-Kutta, double precision")
    axes[2].plot(CURRENTS, curves["integers"], "k.", label="integers")
    axes[2].set(xlabel="constant current, uA/cm2", ylabel="spikes a second")
    axes[2].legend(fontsize=8)
    figure.savefig(path, dpi=90)
    plt.close(figure)


def main() -> None:
    """Run axon and curve, print how far apart the spikes are, draw the picture."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-o", "--output", type=Path, default=Path("build/neurons"), help="folder to write into")
    parser.add_argument("--rtl", action="store_true", help="also run the compiled RTL and compare every word and clock")
    options = parser.parse_args()
    network, counts, steps = clamp_network(100)
    try:
        run = simulate(network, counts, steps)
        if options.rtl:
            from in_rtl import check_in_rtl
            check_in_rtl(network, {"clamp": counts}, steps)
        curve, many = rate_network()
        spikes = simulate(curve, {}, many).spikes["axons"][0].astype(bool)
    except RanvierError as error:
        parser.exit(2, f"squid: {error}\n")
    exact = float_clamp(100)
    constant = run_axon({"v_spike": LEVEL}, np.tile(CURRENTS, (many, 1)), STEP_MS)
    curves = {"integers": rates(spikes), "double precision": rates(constant.spikes)}
    options.output.mkdir(parents=True, exist_ok=True)
    times = [np.flatnonzero(found) * STEP_MS for found in (exact.spikes[:, 0], run.spikes["axon"][0, :, 0])]
    print_rows("Spikes of the clamped axon, ms", ("double precision", "integers"),
               [(f"{a:.2f}", f"{b:.2f}") for a, b in zip(*times, strict=True)])
    print_rows("Spikes a second", ("uA/cm2", *curves),
               [(f"{i:g}", *(f"{found[n]:.1f}" for found in curves.values())) for n, i in enumerate(CURRENTS)])
    draw(run, exact, curves, options.rtl, options.output / "squid.png")
    print(f"{options.output / 'squid.png'}" + (", model and RTL equal" if options.rtl else ""))


if __name__ == "__main__":
    main()
