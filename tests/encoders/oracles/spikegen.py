"""What snnTorch makes of the random values of `draws.py`.

    python -m venv ENV && ENV/bin/pip install torch==2.13.0 snntorch==1.0.0
    ENV/bin/python tests/encoders/oracles/spikegen.py
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import snntorch
import torch
from draws import codes
from snntorch import spikegen

OUTPUT = Path(__file__).resolve().parents[2] / "cases" / "encoders" / "spikegen.npz"


def main() -> None:
    latencies, deltas = [], []
    for case in codes():
        spikes = spikegen.latency(torch.from_numpy(case.values.copy()), num_steps=case.steps, **case.latency).numpy() != 0
        # The step of the spike, or 255 where there is none: there is never a second one.
        assert spikes.sum(axis=0).max() <= 1
        latencies.append(np.where(spikes.any(axis=0), spikes.argmax(axis=0), 255).astype(np.uint8))
        deltas.append(spikegen.delta(torch.from_numpy(case.signal.copy()), **case.delta).numpy().astype(np.int8))
    np.savez_compressed(OUTPUT, latency=np.array(latencies), delta=np.array(deltas), version=np.array(snntorch.__version__))


if __name__ == "__main__":
    main()
