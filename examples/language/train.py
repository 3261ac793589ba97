"""Train the network and the linear classifier on the first 80 % of each book: two minutes each on one core.

    python examples/language/prepare.py
    python examples/language/train.py

It needs torch: pip install .[train]
"""

from __future__ import annotations

import argparse
import io
import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from language_network import CODES, LINEAR, NETWORK, SIZE, WEIGHT_BITS, network_of, neurons_of
from language_texts import TEXTS, Texts, load_texts

from ranvier import RanvierError, save_network
from ranvier.files.safe import write_atomic

#: A weight's unit; the largest weight counts 7 of them.
UNIT = 0.25
BATCH_EACH, RATE, DROPPED, SPARSE = 24, 0.03, 0.2, 2e-5
#: Steps of the pieces that are trained on; each batch draws one length.
LEAST_STEPS, MOST_STEPS = 16, 62


def quantise(weights: torch.Tensor) -> torch.Tensor:
    """The nearest weights that the hardware can have, in units. Symmetric, so no language has a larger word than another."""
    most = (1 << WEIGHT_BITS - 1) - 1
    return (weights / UNIT).round().clamp(-most, most)


def train(texts: Texts, steps: int, seed: int, integer: bool) -> npt.NDArray[np.float32]:
    """Weights (`SIZE`, languages), in units for ``integer``.

    Cross-entropy of the membranes after a piece of random length, Adam with a falling rate. A fifth of the events is left out at random,
    which spreads what is known over many runs of characters; and a price on every weight leaves few of them. That is also what leaves room
    for the proof of headroom in a word of 13 bits.
    """
    torch.manual_seed(seed)
    books = [torch.tensor(neurons_of([texts.train[code]])[0]) for code in CODES]
    labels = torch.arange(len(CODES)).repeat_interleave(BATCH_EACH)
    weights = torch.zeros(SIZE, len(CODES), requires_grad=True)
    optimiser = torch.optim.Adam([weights], lr=RATE)
    for step in range(steps):
        optimiser.param_groups[0]["lr"] = RATE * (1 - step / steps) + 1e-4
        length = int(torch.randint(LEAST_STEPS, MOST_STEPS + 1, ()))
        places = [torch.randint(0, len(book) - length, (BATCH_EACH, 1)) + torch.arange(length) for book in books]
        events = torch.cat([book[place] for book, place in zip(books, places, strict=True)])
        used = weights + (quantise(weights) * UNIT - weights).detach() if integer else weights
        kept = (torch.rand(events.shape) > DROPPED).float()[..., None]
        loss = torch.nn.functional.cross_entropy((used[events] * kept).sum(1), labels) + SPARSE * weights.abs().sum()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        if step % 500 == 0:
            print(f"  step {step} of {steps}: loss {float(loss.detach()):.3f}", flush=True)
    found: npt.NDArray[np.float32] = (quantise(weights) if integer else weights).detach().numpy()
    return found


def main() -> None:
    """Write language.ranvier and linear.npz."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--texts", type=Path, default=TEXTS, help="what prepare.py has written")
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("-o", "--output", type=Path, default=NETWORK.parent, help="folder to write into")
    options = parser.parse_args()
    torch.set_num_threads(1)
    try:
        texts = load_texts(options.texts)
        print("the spiking network")
        network = network_of(train(texts, options.steps, options.seed, True).astype(np.int64))
        print("the linear classifier")
        buffer = io.BytesIO()
        np.savez_compressed(buffer, weights=train(texts, options.steps, options.seed, False).astype(np.float16))
        options.output.mkdir(parents=True, exist_ok=True)
        save_network(network, options.output / NETWORK.name)
        write_atomic(options.output / LINEAR.name, buffer.getvalue())
    except RanvierError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
