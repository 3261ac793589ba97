"""Hodgkin and Huxley's axon in NEURON 9.0.2, for `squid.npz`: what an independent simulator says.

    python3 -m venv build/neuron-venv && build/neuron-venv/bin/pip install neuron==9.0.2
    build/neuron-venv/bin/python examples/neurons/neuron_trace.py -o examples/neurons/squid.npz

One section of 10 x 10 um with mechanism `hh` at 6.3 degrees, from -65 mV; 0.1 nA from 10 to 90 ms. NEURON's tables of rates, of 200
entries, are switched off. It steps implicitly (first order) or by Crank and Nicolson (second), so both are kept, each at a dt halved from
0.025 ms on.
"""

import argparse
from pathlib import Path

import numpy as np
from neuron import h

DT = [0.025 / 2 ** n for n in range(6)]


def crossings(t, v):
    """Times at which v crosses 0 upwards, on straight lines between samples."""
    k = np.flatnonzero((v[:-1] < 0) & (v[1:] >= 0))
    return t[k] + (t[k + 1] - t[k]) * -v[k] / (v[k + 1] - v[k])


def run(dt, order):
    """Times and membranes of 100 ms."""
    h.load_file("stdrun.hoc")
    axon = h.Section(name="axon")
    axon.L = axon.diam = 10
    axon.insert("hh")
    h.usetable_hh = 0
    h.celsius, h.secondorder, h.dt, h.steps_per_ms = 6.3, order, dt, 1 / dt
    clamp = h.IClamp(axon(0.5))
    clamp.delay, clamp.dur, clamp.amp = 10, 80, 0.1
    t, v = h.Vector().record(h._ref_t), h.Vector().record(axon(0.5)._ref_v)
    h.finitialize(-65)
    h.continuerun(100)
    return np.array(t), np.array(v)


def main():
    """Write spike times for every dt and both orders, and the membrane every 0.1 ms at the smallest dt."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-o", "--output", type=Path, required=True, help="file to write")
    output = parser.parse_args().output
    spikes = {(order, n): crossings(*run(dt, order)) for order in (0, 2) for n, dt in enumerate(DT)}
    t, v = run(DT[-1], 2)
    every = round(0.1 / DT[-1])
    np.savez_compressed(output, dt=DT, implicit=np.stack([spikes[0, n] for n in range(len(DT))]),
                        crank_nicolson=np.stack([spikes[2, n] for n in range(len(DT))]), t=t[::every], v=v[::every].astype(np.float32))
    print(output, output.stat().st_size, "bytes;", spikes[2, len(DT) - 1])


if __name__ == "__main__":
    main()
