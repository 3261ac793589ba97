"""Which language: model, RTL on a part, the linear classifier beside them, the boards, and a picture.

    python examples/language/run.py               # needs the texts: python examples/language/prepare.py
    python examples/language/run.py --sentences   # own sentences instead, without any download
    python examples/language/run.py --text "Wo ist der Bahnhof?"
"""

from __future__ import annotations

import argparse
import io
import sys
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import numpy.typing as npt
from language_network import CHARACTERS, CODES, LINEAR, NETWORK, RUN, answers_of, linear_answers, neurons_of, read, spikes_of
from language_texts import LANGUAGES, TEXTS, load_sentences, load_texts, pieces

from ranvier import Network, RanvierError, load_network, map_network, run_golden_set, run_rtl_set
from ranvier.bitstream.prediction import link_bytes
from ranvier.bitstream.room import check_fabric, chip_of, needs
from ranvier.boards import BOARDS, Board
from ranvier.commands.build import form
from ranvier.files.safe import write_atomic, write_json
from ranvier.model.fabric.config import FabricConfig

matplotlib.use("Agg")

#: Boards, and the clock that is assumed for the network's own fabric (nothing was placed for it).
BOARDS_HZ = {"icebreaker": 24_000_000, "ulx3s": 60_000_000}
#: Characters a second that a fast reader reads, or a fast speaker says.
REAL_TIME = 30
#: Rates of the host link in baud: what a device begins with, and the highest. A byte is ten bits.
LINK_RATES, LINE_BITS = (1_000_000, 3_000_000), 10

Ints = npt.NDArray[np.int64]


class Pieces:
    """Pieces of text of equal length, with their languages, and what was chosen after each step."""

    def __init__(self, title: str, texts: dict[str, list[str]]) -> None:
        self.title = title
        self.neurons = neurons_of([text for code in CODES for text in texts[code]])
        self.labels: Ints = np.repeat(np.arange(len(CODES)), [len(texts[code]) for code in CODES])
        self.model: Ints = np.zeros((0, 0), np.int64)
        self.linear: Ints = np.zeros((0, 0), np.int64)
        self.clamps = 0

    def judge(self, network: Network, weights: npt.NDArray[Any]) -> None:
        self.model, self.clamps = answers_of(network, self.neurons)
        self.linear = linear_answers(weights, self.neurons)

    def accuracy(self, answers: Ints) -> npt.NDArray[np.float64]:
        """Share of right answers after each step: the mean over languages, each of which counts the same."""
        right = answers == self.labels[:, None]
        each: npt.NDArray[np.float64] = np.stack([right[self.labels == n].mean(axis=0) for n in range(len(CODES))])
        return each.mean(axis=0)

    def confusion(self) -> npt.NDArray[np.float64]:
        """Share (language, answer) after the last step."""
        found = np.zeros((len(CODES), len(CODES)))
        np.add.at(found, (self.labels, self.model[:, -1]), 1)
        return found / found.sum(axis=1, keepdims=True)

    def part(self, count: int) -> Ints:
        """Neurons of so many pieces, spread evenly over all."""
        return self.neurons[np.linspace(0, len(self.neurons) - 1, min(count, len(self.neurons))).astype(int)]


def fabric_of(board: Board, network: Network) -> FabricConfig:
    """One core of the board's fabric, as large as the network needs: fourteen languages are one row of it. Raises `RanvierError`."""
    fabric = form(board.fabric, network, cores=1)
    check_fabric(board, fabric, tailored=True)
    return fabric


def on_board(name: str, network: Network, neurons: Ints) -> dict[str, Any]:
    """Memories of a board that the network takes, and how fast it is, by the mapper and the cycle model."""
    board = BOARDS[name]
    fabric, chip = fabric_of(board, network), chip_of(board)
    placement = map_network(network, fabric)
    assert chip is not None
    need = needs(board.device_config(fabric), chip)
    run = run_golden_set(placement, spikes_of(neurons), neurons.shape[1], encoded=True)
    clocks = int(run.cycles.clocks.sum()) / neurons.size
    linked = link_bytes(placement)
    return {"board": board.title, "cores": fabric.cores, "lanes": fabric.core.lanes, "clock_hz": BOARDS_HZ[name],
            "block_rams": need.block_rams, "block_rams_of": chip.block_rams, "sprams": need.sprams,
            "clocks_per_character": round(clocks, 1), "characters_per_second": round(BOARDS_HZ[name] / clocks),
            "link_bytes_per_character": linked, "link_characters_per_second": [round(rate / LINE_BITS / linked, 1) for rate in LINK_RATES]}


def in_rtl(network: Network, neurons: Ints) -> dict[str, Any]:
    """Pieces in the compiled RTL of the iCEBreaker's fabric: every spike, membrane, counter and clock compared with the model."""
    placement = map_network(network, fabric_of(BOARDS["icebreaker"], network))
    result = run_rtl_set(placement, spikes_of(neurons), neurons.shape[1], encoded=True)
    if result.mismatch is not None:
        raise RanvierError(f"language: RTL and model differ: {result.mismatch}")
    return {"samples": result.samples, "differing_words": result.mismatches, "clocks": result.clocks}


def draw(path: Path, domains: list[Pieces]) -> None:
    """Accuracy against characters read, and which language is taken for which."""
    from matplotlib import pyplot as plt
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.6), layout="constrained")
    read_so_far = np.arange(domains[0].neurons.shape[1]) + RUN
    for domain, colour in zip(domains, ("tab:blue", "tab:orange"), strict=False):
        left.plot(read_so_far, 100 * domain.accuracy(domain.model), color=colour, label=f"{domain.title}: spiking, 4-bit weights")
        left.plot(read_so_far, 100 * domain.accuracy(domain.linear), color=colour, linestyle=":", label=f"{domain.title}: linear, float")
    left.set(xlabel="characters read", ylabel="right (%)", xlim=(0, None), ylim=(0, 101), title="The answer grows as the text is read")
    left.grid(alpha=0.3)
    left.legend(loc="lower right", fontsize=8)
    shares = 100 * domains[0].confusion()
    right.imshow(np.log10(shares + 0.1), cmap="Blues")
    for row, column in np.argwhere(shares >= 0.05):
        right.text(column, row, f"{shares[row, column]:.0f}" if row == column else f"{shares[row, column]:.1f}", ha="center", va="center",
                   fontsize=6.5, color="white" if row == column else "black")
    right.set_xticks(range(len(CODES)), CODES, fontsize=8)
    right.set_yticks(range(len(CODES)), [LANGUAGES[code][0] for code in CODES], fontsize=8)
    right.set(xlabel="answer", title=f"{domains[0].title}, {read_so_far[-1]} characters: answers in %")
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=100)
    plt.close(figure)
    write_atomic(path, buffer.getvalue())


def table(report: dict[str, Any]) -> str:
    """The report as lines to read."""
    lines = [f"{'':32}{'pieces':>8}{'spiking':>10}{'linear':>10}   right after {report['characters']} characters"]
    lines += [f"{row['title']:32}{row['pieces']:>8,}{row['spiking']:>9.2f}%{row['linear']:>9.2f}%" for row in report["domains"]]
    rtl = report["rtl"]
    lines += ["", f"RTL: {rtl['samples']} pieces, {rtl['differing_words']} differing words, {rtl['clocks']:,} clocks", ""]
    for row in report["boards"]:
        sprams = f" and {row['sprams']} SPRAMs" if row["sprams"] else ""
        lines += [f"{row['board']}: {row['cores']} x {row['lanes']} lanes, at least {row['block_rams']} of {row['block_rams_of']} block "
                  f"RAMs{sprams}",
                  f"    {row['clocks_per_character']:,.0f} clocks a character: {row['characters_per_second']:,} characters a second at "
                  f"{row['clock_hz'] / 1e6:.0f} MHz (assumed: not placed), {row['characters_per_second'] // REAL_TIME} times a fast reader"]
        slow, fast = row["link_characters_per_second"]
        lines.append(f"    the host link writes {row['link_bytes_per_character']:,} bytes a character: {slow} characters a second at 1 "
                     f"Mbaud, {fast} at 3")
    return "\n".join(lines)


def evaluate(network: Network, weights: npt.NDArray[Any], domains: list[Pieces], samples: int) -> dict[str, Any]:
    """Everything that is printed, as plain JSON values. ``samples`` go through the RTL, an equal part of each domain."""
    for domain in domains:
        domain.judge(network, weights)
    part = np.concatenate([domain.part(-(-samples // len(domains))) for domain in domains])
    rows = [{"title": domain.title, "pieces": len(domain.labels), "clamps": domain.clamps,
             "spiking": round(100 * float(domain.accuracy(domain.model)[-1]), 2),
             "linear": round(100 * float(domain.accuracy(domain.linear)[-1]), 2),
             "spiking_after": {n: round(100 * float(domain.accuracy(domain.model)[n - RUN]), 2)
                               for n in (8, 16, 32) if n - RUN < domain.neurons.shape[1]}} for domain in domains]
    return {"characters": domains[0].neurons.shape[1] + RUN - 1, "domains": rows, "rtl": in_rtl(network, part),
            "boards": [on_board(name, network, part) for name in BOARDS_HZ]}


def _show(network: Network, text: str) -> None:
    content, membranes = read(network, text)
    steps = len(membranes)
    for step in sorted({*range(0, steps, max(1, steps // 8)), steps - 1}):
        best, second = np.argsort(-membranes[step], kind="stable")[:2]
        print(f"{content[:step + RUN][-40:]:>40}  {LANGUAGES[CODES[best]][0]} {membranes[step][best]}, "
              f"{LANGUAGES[CODES[second]][0]} {membranes[step][second]}")


def _domains(options: argparse.Namespace) -> list[Pieces]:
    if options.sentences:
        print(f"own sentences only: their figures are no measurement. The data: `python examples/language/prepare.py`, of which "
              f"{Path(__file__).parent / 'README.md'} tells packages, sizes and licences.")
        return [Pieces("own sentences", {code: [text[:CHARACTERS] for text in texts] for code, texts in load_sentences().items()})]
    texts = load_texts(options.texts)
    return [Pieces("same books, last 20 %", {code: pieces(text, CHARACTERS) for code, text in texts.book.items()}),
            Pieces("declaration of human rights", {code: pieces(text, CHARACTERS) for code, text in texts.declaration.items()})]


def main() -> None:
    """Print the table; write report.json, spikes.npz and language.png."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-o", "--output", type=Path, default=TEXTS.parent, help="folder to write into")
    parser.add_argument("--texts", type=Path, default=TEXTS, help="what prepare.py has written")
    parser.add_argument("--sentences", action="store_true", help="run on the example's own sentences")
    parser.add_argument("--samples", type=int, default=56, help="pieces that go through the RTL")
    parser.add_argument("--network", type=Path, default=NETWORK)
    parser.add_argument("--text", help="read this text alone and print how the answer grows")
    options = parser.parse_args()
    try:
        network = load_network(options.network)
        if options.text is not None:
            _show(network, options.text)
            return
        if options.samples < 1:
            raise RanvierError(f"language: --samples is {options.samples}; it must be at least 1")
        domains = _domains(options)
        with np.load(LINEAR, allow_pickle=False) as archive:
            report = evaluate(network, archive["weights"], domains, options.samples)
        options.output.mkdir(parents=True, exist_ok=True)
        draw(options.output / "language.png", domains)
        write_json(options.output / "report.json", report)
        _write_spikes(options.output / "spikes.npz", domains[0])
    except RanvierError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    print(table(report))
    print(f"\n{options.output}: report.json, spikes.npz, language.png")


def _write_spikes(path: Path, domain: Pieces, count: int = 56) -> None:
    """Some pieces as spikes of the input, uint8 (steps, n, neurons), with labels, for `ranvier run` and `ranvier energy`."""
    chosen = np.linspace(0, len(domain.labels) - 1, min(count, len(domain.labels))).astype(int)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, spikes=spikes_of(domain.neurons[chosen]).swapaxes(0, 1), labels=domain.labels[chosen])
    write_atomic(path, buffer.getvalue())


if __name__ == "__main__":
    main()
