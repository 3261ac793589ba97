"""A small network and inputs for it, to bring up a board with: 64-16-4, seeded weights, trained for nothing.

    python examples/patterns/make.py -o build/patterns --state-bits 12

It fits every board in minutes. What it computes means nothing, but model, simulation and board must agree on every bit of it.
"""

from __future__ import annotations

import argparse
import io
from pathlib import Path

import numpy as np

from ranvier import Network, Population, Projection, Semantics, save_network
from ranvier.files.safe import write_atomic

SEED, PICTURES = 1, 200


def network(state_bits: int) -> Network:
    """The network, with membranes of so many bits (12 for boards with an iCE40, 16 for the others)."""
    rng = np.random.default_rng(SEED)
    rule = Semantics()
    populations = (
        Population("input", (1, 1, 64), "input", {"theta": 255, "v_init": 127, "v_min": 0, "v_max": 255}, rule),
        Population("hidden", (1, 1, 16), "if", {"theta": 20, "v_min": -500, "v_max": 500}, rule),
        Population("output", (1, 1, 4), "li", {"v_min": -500, "v_max": 500}, rule))
    projections = (Projection.dense("input", "hidden", rng.integers(-7, 8, (64, 16))),
                   Projection.dense("hidden", "output", rng.integers(-7, 8, (16, 4))))
    return Network(populations, projections, state_bits=state_bits, weight_bits=4, input_bits=8)


def main() -> None:
    """Write patterns.ranvier and patterns.npz."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-o", "--output", type=Path, default=Path("build/patterns"), help="folder to write into")
    parser.add_argument("--state-bits", type=int, default=16, choices=range(12, 33), metavar="12..32", help="bits of a membrane")
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    save_network(network(options.state_bits), options.output / "patterns.ranvier")
    buffer = io.BytesIO()
    np.savez_compressed(buffer, pictures=np.random.default_rng(SEED).integers(0, 256, (PICTURES, 64), dtype=np.uint8))
    write_atomic(options.output / "patterns.npz", buffer.getvalue())
    print(f"{options.output / 'patterns.ranvier'}, {options.output / 'patterns.npz'}")


if __name__ == "__main__":
    main()
