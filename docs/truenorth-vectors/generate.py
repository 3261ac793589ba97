"""Writes ``vectors.json``: every leak mode and reset of TrueNorth's neuron, with and without random numbers, from the plain reference.

    python docs/truenorth-vectors/generate.py

The vectors are one network: two inputs, `excite` and `inhibit`, and a neuron for each case, which both reach. The file has the
parameters of every neuron, the inputs of every step, and what the plain reference makes of them.
"""

from __future__ import annotations

import json
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from ranvier.model.network.network import Network
from ranvier.model.network.population import Population
from ranvier.model.network.projection import Projection
from ranvier.model.network.semantics import Semantics
from ranvier.model.run.reference import run_reference

STEPS, SEED = 48, 20260
FILE = Path(__file__).with_name("vectors.json")
#: Sign of the leak and what epsilon says of it.
LEAKS = {"rising": (3, 0), "falling": (-3, 0), "divergent": (3, 1), "convergent": (-3, 1)}
#: What a spike does, gamma, and whether the negative threshold saturates, kappa.
RESETS = {f"{name}, {below}": (gamma, kappa) for (gamma, name), (kappa, below) in product(
    enumerate(("to R", "linear", "none")), enumerate(("mirrored", "saturating")))}
#: c and TM: which parts are random.
RANDOM = {"plain": (0, 0), "random leak": (1, 0), "random threshold": (0, 4), "random both": (1, 4)}


def cases() -> list[dict[str, Any]]:
    """A neuron of each case, by what it is and its parameters."""
    found = []
    for n, ((leak, (sign, epsilon)), (reset, (gamma, kappa)), (random, (c, tm))) in enumerate(
            product(LEAKS.items(), RESETS.items(), RANDOM.items())):
        found.append({
            "leak_mode": leak, "reset_mode": reset, "random": random,
            "parameters": {"alpha": 20 + n % 7, "beta": 15 + n % 5, "leak": sign * (40 if c else 1), "epsilon": epsilon, "kappa": kappa,
                           "gamma": gamma, "v_reset": n % 9 - 4, "v_init": n % 5 - 2, "c": c, "tm": tm, "inclusive": n // 3 % 2},
            "weights": [9 + n % 4, -8 - n % 5]})
    return found


def network(neurons: list[dict[str, Any]]) -> Network:
    """The network of all cases."""
    parameters = {name: np.array([neuron["parameters"][name] for neuron in neurons]) for name in neurons[0]["parameters"]}
    return Network(
        (Population("inputs", 2, "input", theta=1),
         Population("neurons", len(neurons), "truenorth", parameters, Semantics(reset="none"), seed=SEED, v_min=-2000, v_max=2000)),
        (Projection.dense("inputs", "neurons", np.array([neuron["weights"] for neuron in neurons]).T),),
        state_bits=20, weight_bits=8, input_bits=1)


def inputs() -> list[list[int]]:
    """Values of `excite` and `inhibit` in each step: phases in which either prevails."""
    rng = np.random.default_rng(SEED)
    return [[int(rng.random() < (0.7 if step // 12 % 2 == 0 else 0.1)), int(rng.random() < (0.1 if step // 12 % 2 == 0 else 0.7))]
            for step in range(STEPS)]


def vectors() -> dict[str, Any]:
    """The content of the file."""
    neurons, values = cases(), inputs()
    run = run_reference(network(neurons), {"inputs": values}, STEPS, endless=True)
    for n, neuron in enumerate(neurons):
        neuron["number"] = n
        neuron["v"] = [row[n] for row in run.membranes["neurons"]]
        neuron["spikes"] = "".join(str(row[n]) for row in run.spikes["neurons"])
    return {"about": "TrueNorth's neuron: membrane stored and spike given in each step; see docs/number-format.md",
            "command": "python docs/truenorth-vectors/generate.py", "seed": SEED, "state_bits": 20, "v_min": -2000, "v_max": 2000,
            "inputs": ["".join(str(row[n]) for row in values) for n in range(2)], "neurons": neurons}


def text(value: dict[str, Any]) -> str:
    """The file's text: a line for each neuron."""
    neurons = ",\n    ".join(json.dumps(neuron) for neuron in value["neurons"])
    head = json.dumps({**value, "neurons": []}, indent=2)
    return head.replace('"neurons": []', f'"neurons": [\n    {neurons}\n  ]') + "\n"


if __name__ == "__main__":
    FILE.write_text(text(vectors()))
