"""Train the spiking network and its twins on what `prepare.py` wrote, and write `measured.json` and `speech.ranvier`.

    python examples/speech/train.py spiking official        # the shipped network
    python examples/speech/train.py spiking left-out        # six trainings, each without one speaker
    python examples/speech/train.py frame-wise left-out     # so for gru and linear, and official

Each outcome goes into `measured.json` as it comes: of every test clip the answer after each step, as shares that are right. Spiking
networks are measured as integers, in `ranvier.simulate`. Needs torch, the extra `train`.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import fsdd
import numpy as np
import numpy.typing as npt
import prepare
import spiking
import torch
import twins

from ranvier import Network, RanvierError, save_network, simulate

HERE = Path(__file__).resolve().parent
EPOCHS = {"official": 30, "left-out": 16}


def outcome(answers: npt.NDArray[np.int64], digits: npt.NDArray[np.int64]) -> dict[str, Any]:
    """Of answers [clips, steps] the share that is right: after each step, and at the end."""
    right = (answers == digits[:, None]).mean(axis=0)
    return {"clips": len(digits), "accuracy": float(right[-1]), "while_spoken": [round(float(share), 4) for share in right]}


def cost(network: Network, spikes: npt.NDArray[np.uint8]) -> dict[str, Any]:
    """Synapses, and the mean spikes and synaptic operations of a clip: each spike that arrives within the window, times its synapses."""
    steps = spikes.shape[1]
    counts = simulate(network, spikes, steps, record=False, threads=1).counts
    operations = sum(counts[p.source][:, :steps - p.delay].sum(axis=1).mean() * network.by_name[p.destination].size
                     for p in network.projections)
    return {"weights": sum(p.weights.size for p in network.projections), "operations": round(float(operations)),
            "spikes": {name: round(float(found.sum(axis=1).mean()), 1) for name, found in counts.items()}}


def run(kind: str, split: str, folder: Path, epochs: int) -> dict[str, Any]:
    """One training; what it brought."""
    with np.load(folder / "spikes.npz") as archive:
        spikes, digits, speakers, indices = (archive[name] for name in ("spikes", "digits", "speakers", "indices"))
    tested = indices < fsdd.TESTED if split == "official" else speakers == split
    copies = np.load(folder / "copies.npy", mmap_mode="r")
    part, begun = np.ascontiguousarray(copies[:min(epochs, len(copies)), ~tested]), time.process_time()
    if kind == "gru":
        net = twins.train_gru(part, digits[~tested], epochs=epochs)
        with torch.no_grad():
            answers = net(torch.from_numpy(spikes[tested]).transpose(0, 1).float()).argmax(2).T.numpy()
        found = {**outcome(answers, digits[tested]), "weights": net.parameters_count, "operations": net.products * spikes.shape[1]}
    else:
        settings = spiking.SPIKING if kind == "spiking" else spiking.FRAME_WISE
        network = spiking.train(settings, part, digits[~tested], epochs=epochs).network(
            {"steps": int(spikes.shape[1]), "task": "spoken digits", "classes": 10})
        answers = simulate(network, spikes[tested], spikes.shape[1], record=False, threads=1).readouts["digit"].argmax(axis=2)
        found = {**outcome(answers, digits[tested]), **cost(network, spikes[tested])}
        if kind == "spiking" and split == "official":
            save_network(network, HERE / "speech.ranvier")
    return found | {"epochs": epochs, "seconds": round(time.process_time() - begun)}


def run_linear(split: str, recordings: fsdd.Recordings) -> dict[str, Any]:
    """Log-mel and a linear classifier: it needs the whole clip."""
    tested = recordings.official if split == "official" else recordings.speakers == split
    spectra = twins.spectra(recordings.clips)
    answers = twins.linear_answers(spectra[~tested], recordings.digits[~tested], spectra[tested])
    size = (spectra.shape[1] + 1) * twins.DIGITS
    accuracy = float((answers == recordings.digits[tested]).mean())
    return {"clips": int(tested.sum()), "accuracy": accuracy, "weights": size, "operations": size}


def keep(kind: str, split: str, found: dict[str, Any]) -> None:
    """Put an outcome into `measured.json`."""
    path = HERE / "measured.json"
    measured = json.loads(path.read_text()) if path.exists() else {}
    measured.setdefault(kind, {})[split] = found
    path.write_text(json.dumps(measured, indent=1, sort_keys=True) + "\n")


def main() -> None:
    """Read the options and do it."""
    parser = argparse.ArgumentParser(description="Train a network for spoken digits.")
    parser.add_argument("kind", choices=["spiking", "frame-wise", "gru", "linear"])
    parser.add_argument("split", help="official, left-out (all six speakers), or the name of one")
    parser.add_argument("--epochs", type=int, help="30, or 16 without a speaker")
    parser.add_argument("--data", help="recordings, for linear")
    parser.add_argument("--folder", type=Path, default=prepare.FOLDER, help="what prepare.py wrote")
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.kind != "linear" and not (options.folder / "copies.npy").exists():
        raise RanvierError(f"{options.folder}: no spikes to train with; run prepare.py first, and name its --output with --folder")
    recordings = fsdd.load(options.data) if options.kind == "linear" else None
    if recordings is None:
        with np.load(options.folder / "spikes.npz") as archive:
            names = sorted(set(archive["speakers"].tolist()))
    else:
        names = recordings.names
    if options.split not in ("official", "left-out", *names):
        raise RanvierError(f"train: there is no speaker {options.split!r}; it is official, left-out, or one of {', '.join(names)}")
    for split in names if options.split == "left-out" else [options.split]:
        epochs = options.epochs or EPOCHS["official" if split == "official" else "left-out"]
        found = run_linear(split, recordings) if recordings is not None else run(options.kind, split, options.folder, epochs)
        keep(options.kind, split, found)
        print(f"{options.kind}, {split}: {100 * found['accuracy']:.1f} %", flush=True)


if __name__ == "__main__":
    fsdd.told(main)
