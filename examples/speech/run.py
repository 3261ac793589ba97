"""Spoken digits by a spiking network: the model, the RTL, boards, the table and a picture.

    python examples/speech/run.py                                      # 20 synthetic clips of espeak-ng
    python examples/speech/run.py --data free-spoken-digit-dataset     # the official test set
    python examples/speech/run.py --wav me.wav                         # what the network takes it for

The RTL runs the first clips; every spike, membrane, counter and clock is compared with the model's.
"""

from __future__ import annotations

import argparse
import io
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import front_end
import fsdd
import numpy as np
import numpy.typing as npt

from ranvier import FabricConfig, Network, load_network, map_network, run_rtl_set, simulate, tailor, tailor_size
from ranvier.bitstream.room import fits
from ranvier.boards import BOARDS
from ranvier.encoders.audio import load_wav
from ranvier.files.safe import write_atomic
from ranvier.reports.tables import print_rows

HERE = Path(__file__).resolve().parent
KINDS = {"spiking": "recurrent, delayed, spiking", "frame-wise": "spiking, frame by frame", "gru": "GRU", "linear": "log-mel, linear"}
SPEAKERS = ("george", "jackson", "lucas", "nicolas", "theo", "yweweler")


@dataclass(frozen=True, eq=False)
class Heard:
    """What the network made of clips: spikes [clips, steps, neurons] in, answers [clips, steps] out."""

    spikes: npt.NDArray[np.uint8]
    membranes: npt.NDArray[np.int32]

    @property
    def answers(self) -> npt.NDArray[np.int64]:
        """The digit after each step; -1 as long as nothing was heard."""
        silent = (self.membranes == self.membranes[..., :1]).all(axis=2)
        return np.where(silent, -1, self.membranes.argmax(axis=2))

    def settled(self, clip: int) -> int:
        """The step from which on the answer of a clip stays."""
        answers = self.answers[clip]
        others = np.flatnonzero(answers != answers[-1])
        return int(others[-1]) + 1 if others.size else 0


def network_of(path: Path = HERE / "speech.ranvier") -> Network:
    """The trained network."""
    return load_network(path)


def listen(network: Network, clips: Any) -> Heard:
    """Clips through front end and model."""
    spikes = front_end.encode(clips)
    return Heard(spikes, simulate(network, spikes, front_end.STEPS, record=False).readouts["digit"])


def fabric_of(network: Network) -> FabricConfig:
    """The fabric that is simulated: what an iCEBreaker has room for, one core of 16 lanes."""
    return tailor(network, BOARDS["icebreaker"].fabric.replace(core={"lanes": 16, "sweep_lanes": 1}))


def board_rows(network: Network, spikes: npt.NDArray[np.uint8]) -> list[tuple[str, str]]:
    """For each board the fabric that the mapper chooses within its memories, and how much faster than speech it is."""
    rows = []
    for name in ("icebreaker", "ulx3s"):
        board = BOARDS[name]

        def room(fabric: FabricConfig, board: Any = board) -> bool:
            return fits(board, fabric)

        sized = tailor_size(network, steps=front_end.STEPS, inputs={"sound": spikes[:4]}, base=board.fabric, most=board.fabric, room=room)
        clocks = sized.clocks / front_end.STEPS
        micros = 1e6 * clocks / board.clock_hz
        rows.append((board.title, f"{sized.config.cores} x {sized.config.core.lanes} lanes, {clocks:.0f} clocks a step, {micros:.1f} us at "
                                  f"{board.clock_hz // 1_000_000} MHz: a step of {1000 * front_end.FRAME // front_end.RATE} ms takes "
                                  f"1/{1e6 * front_end.FRAME / front_end.RATE / micros:,.0f} of its time"))
    return rows


def measured_rows(measured: dict[str, Any]) -> list[tuple[str, ...]]:
    """The stored table: a row for each network."""
    rows = []
    for kind, title in KINDS.items():
        found = measured.get(kind, {})
        any_one = found.get("official") or next(iter(found.values()), None)
        if any_one is None:
            continue
        left = {name: 100 * found[name]["accuracy"] for name in SPEAKERS if name in found}
        mean = f"{np.mean(list(left.values())):.1f}" if len(left) == len(SPEAKERS) else "-"
        official = f"{100 * found['official']['accuracy']:.1f}" if "official" in found else "-"
        rows.append((title, official, mean, *(f"{left[name]:.0f}" if name in left else "-" for name in SPEAKERS),
                     f"{any_one['weights']:,}", f"{any_one['operations']:,}"))
    return rows


def draw(path: Path, heard: Heard, digits: npt.NDArray[np.int64], title: str, measured: dict[str, Any]) -> None:
    """One clip's spikes and readout, and how often the answer is right after so much of a clip."""
    import matplotlib
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, (top, middle, low) = plt.subplots(3, 1, figsize=(7, 8), layout="constrained")
    milliseconds = 1000 * front_end.FRAME / front_end.RATE
    times = (np.arange(front_end.STEPS) + 1) * milliseconds
    clip = int(np.argmax(heard.answers[:, -1] == digits))
    steps, neurons = np.nonzero(heard.spikes[clip])
    top.scatter((steps + 1) * milliseconds, neurons, s=2, color="black")
    top.set(ylabel="input neuron", title=f"the word {digits[clip]}, {title}", xlim=(0, times[-1]))
    for digit in range(10):
        middle.plot(times, heard.membranes[clip, :, digit], label=str(digit), linewidth=2.5 if digit == digits[clip] else 1)
    middle.set(ylabel="membrane of the readout", xlim=(0, times[-1]))
    middle.legend(ncols=5, fontsize="small", title="digit")
    for kind, name in KINDS.items():
        found = measured.get(kind, {}).get("official", {}).get("while_spoken")
        if found:
            low.plot(times, 100 * np.array(found), label=f"{name}, official split")
    left = [measured["spiking"][name]["while_spoken"] for name in SPEAKERS if name in measured.get("spiking", {})]
    if left:
        low.plot(times, 100 * np.mean(left, axis=0), "--", label="recurrent, delayed, spiking, speakers left out")
    low.set(xlabel="heard, ms", ylabel="right, %", xlim=(0, times[-1]), ylim=(0, 100))
    low.legend(fontsize="small", loc="lower right")
    low.grid(alpha=0.3)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def say(network: Network, path: Path) -> None:
    """What the network takes a wav file for."""
    sound = load_wav(path, front_end.RATE)
    for note in sound.notes:
        print(f"{path}: {note}")
    if len(sound.samples) > front_end.STEPS * front_end.FRAME:
        print(f"{path}: it is longer than {front_end.STEPS * front_end.FRAME / front_end.RATE:g} s; the rest is not heard")
    heard = listen(network, [sound.samples])
    answer = int(heard.answers[0, -1])
    if answer < 0:
        print(f"{path}: nothing is heard")
    else:
        print(f"{path}: {answer}, from {(heard.settled(0) + 1) * 1000 * front_end.FRAME // front_end.RATE} ms on")


def main() -> None:
    """Read the options and do it."""
    parser = argparse.ArgumentParser(description="Spoken digits in the model, in RTL and on boards.")
    parser.add_argument("--data", help=f"recordings: folder or npz; or name them in {fsdd.VARIABLE}; without, synthetic clips")
    parser.add_argument("--wav", type=Path, action="append", default=[], help="a file to listen to, and nothing else; may be repeated")
    parser.add_argument("--rtl", type=int, default=3, help="clips that the RTL runs; 0 for none (default 3)")
    parser.add_argument("-o", "--output", type=Path, default=Path("build/speech"), help="folder for the picture and spikes.npz")
    options = parser.parse_args()
    network = network_of()
    for path in options.wav:
        say(network, path)
    if options.wav:
        return
    recordings, title = _clips(options.data)
    heard = listen(network, recordings.clips)
    right = int((heard.answers[:, -1] == recordings.digits).sum())
    rows = [("clips", title), ("right in the model", f"{right} of {len(recordings.digits)}, {100 * right / len(recordings.digits):.1f} %")]
    if options.rtl > 0:
        result = run_rtl_set(map_network(network, fabric_of(network)), heard.spikes[:options.rtl], front_end.STEPS, encoded=True,
                             folder=options.output / "mismatch")
        equal = f"{result.samples} clips, every word, counter and clock as in the model"
        rows.append(("RTL", str(result.mismatch or equal)))
    print_rows("Spoken digits", ("", ""), [*rows, *board_rows(network, heard.spikes)])
    measured = json.loads((HERE / "measured.json").read_text())
    print_rows("Measured by train.py: right, %, on the official split and on speakers left out",
               ("network", "official", "left out", *SPEAKERS, "weights", "operations a clip"), measured_rows(measured))
    draw(options.output / "speech.png", heard, recordings.digits, title, measured)
    _write_spikes(options.output / "spikes.npz", heard, recordings.digits)
    print(f"{options.output}: speech.png, spikes.npz")


def _write_spikes(path: Path, heard: Heard, digits: npt.NDArray[np.int64]) -> None:
    """What the network heard, uint8 (steps, clips, neurons), with labels, for `ranvier run` and `ranvier energy`."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, spikes=heard.spikes.swapaxes(0, 1), labels=digits)
    write_atomic(path, buffer.getvalue())


def _clips(data: str | None) -> tuple[fsdd.Recordings, str]:
    """The official test set where recordings are named, else the synthetic clips."""
    if data is None and not os.environ.get(fsdd.VARIABLE):
        print("synthetic clips of espeak-ng; name the recordings with --data for the official test set (examples/speech/README.md)")
        return fsdd.load(HERE / "synthetic.npz"), "synthetic (espeak-ng)"
    recordings = fsdd.load(data)
    for note in recordings.notes[:5]:
        print(note)
    return recordings.part(recordings.official), "official test set"


if __name__ == "__main__":
    fsdd.told(main)
