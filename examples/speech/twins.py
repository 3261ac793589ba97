"""What stands beside the spiking network: a GRU on the same spikes, and a linear classifier of the log-mel spectrum."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import front_end
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from ranvier.encoders.audio import log_mel

__all__ = ["DIGITS", "GRU_SIZE", "MELS", "Gru", "linear_answers", "spectra", "train_gru"]

DIGITS = 10
#: Units of the GRU: as many parameters as the spiking network has weights, within 1 %.
GRU_SIZE = 95
MELS, FRAMES = 24, 20


class Gru(nn.Module):
    """A GRU whose outputs are read after each step and averaged over those heard so far: [steps, samples, 96] to [steps, samples, 10]."""

    def __init__(self, size: int = GRU_SIZE) -> None:
        super().__init__()
        self.cells, self.answer = nn.GRU(front_end.NEURONS, size), nn.Linear(size, DIGITS)

    def forward(self, spikes: Tensor) -> Tensor:
        outputs: Tensor = self.answer(functional.dropout(self.cells(spikes)[0], 0.2, self.training))
        return outputs.cumsum(0) / torch.arange(1, len(outputs) + 1)[:, None, None]

    @property
    def parameters_count(self) -> int:
        """Numbers that are trained."""
        return sum(value.numel() for value in self.parameters())

    @property
    def products(self) -> int:
        """Products of a step."""
        size = self.answer.in_features
        return 3 * size * (front_end.NEURONS + size) + size * DIGITS


def train_gru(copies: npt.NDArray[np.uint8], labels: npt.NDArray[np.int64], *, epochs: int, rate: float = 4e-3, batch: int = 64,
              seed: int = 0) -> Gru:
    """As `spiking.train`: the same copies, losses, batches and rates."""
    torch.manual_seed(seed)
    net, answers, rng = Gru(), torch.from_numpy(labels), np.random.default_rng(seed)
    optimizer = torch.optim.Adam(net.parameters(), rate)
    batches = -(-len(labels) // batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=epochs * batches, pct_start=0.1)
    for epoch in range(epochs):
        for rows in np.array_split(rng.permutation(len(labels)), batches):
            logits = net(torch.from_numpy(copies[epoch % len(copies), rows]).transpose(0, 1).float())
            late = logits[8:]
            cost = functional.cross_entropy(late.flatten(0, 1), answers[rows].repeat(len(late)), label_smoothing=0.05)
            cost = cost + functional.cross_entropy(logits[-1], answers[rows], label_smoothing=0.05)
            optimizer.zero_grad()
            cost.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            optimizer.step()
            schedule.step()
    return net.eval()


def spectra(clips: Sequence[npt.NDArray[Any]]) -> npt.NDArray[np.float64]:
    """Log-mel spectra [clips, 24 * 20]: each clip whole, stretched to 20 frames."""
    found = []
    for clip in clips:
        values = log_mel(np.pad(clip, (0, max(0, 256 - len(clip)))), front_end.RATE, mels=MELS, window=256, hop=80)
        places = np.linspace(0, len(values) - 1, FRAMES)
        found.append(np.stack([np.interp(places, np.arange(len(values)), band) for band in values.T]).reshape(-1))
    return np.array(found)


def linear_answers(training: npt.NDArray[np.float64], labels: npt.NDArray[np.int64], tested: npt.NDArray[np.float64],
                   penalty: float = 1e-3) -> npt.NDArray[np.int64]:
    """Digits of ``tested`` by a softmax of standardised values, trained to the end (L-BFGS)."""
    mean, spread = training.mean(0), training.std(0) + 1e-6
    x, y = torch.from_numpy((training - mean) / spread), torch.from_numpy(labels)
    weight = torch.zeros((x.shape[1] + 1, DIGITS), dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([weight], max_iter=100, line_search_fn="strong_wolfe")

    def cost() -> Tensor:
        optimizer.zero_grad()
        found = functional.cross_entropy(x @ weight[:-1] + weight[-1], y) + penalty * weight[:-1].square().sum()
        found.backward()  # type: ignore[no-untyped-call]
        return found

    optimizer.step(cost)
    with torch.no_grad():
        answers = torch.from_numpy((tested - mean) / spread) @ weight[:-1] + weight[-1]
    return np.asarray(answers.argmax(1).numpy(), np.int64)
