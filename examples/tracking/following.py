"""From frames to events, from a heat map to positions, from positions to tracks, and how far they are from the reference.

Positions are (row, column) in pixels of the video at half size. The network sees events of a quarter of its size, four pixels to an input
neuron, and gives a heat map with a value for each 4 x 4 half-size pixels.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper
from scipy import ndimage
from scipy.optimize import linear_sum_assignment

from ranvier import Network, Population, simulate
from ranvier.encoders import send_on_delta
from ranvier.model.convolution import field_sums, grouped_kernel, receptive_fields

#: Of the encoder: an event for so large a change of the logarithm of intensity (with ``DARK`` added, so that noise in the dark is none).
CONTRAST, DARK = 0.15, 8.0
#: Half-size pixels of a value of the heat map, and where the first one's centre lies.
PITCH, FIRST = 4.0, -0.5
#: A position counts as found within so many half-size pixels.
NEAR = 12.0

Floats = npt.NDArray[np.float64]
Positions = list[Floats]


def events(quarter: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    """Frames [frames, height, width] as the network's values 0 or 1, uint8 [frames, height / 2, width / 2, 2]: brighter, darker.

    An input neuron has the events of 2 x 2 pixels. The first frame has none, as nothing has changed.
    """
    counts = send_on_delta(np.log(quarter + DARK), threshold=CONTRAST, padding=True, most=1)
    height, width = (n // 2 * 2 for n in counts.shape[1:])
    fields = counts[:, :height, :width].reshape(len(counts), height // 2, 2, width // 2, 2)
    return np.stack([(sign * fields).max(axis=(2, 4)) > 0 for sign in (1, -1)], axis=-1).astype(np.uint8)


def contrasts(quarter: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    """Frames as the network on frames takes them, float32 [frames, height / 2, width / 2, 2]: how much brighter and how much darker than
    the median of its frame, in the logarithm of intensity, means of 2 x 2 pixels."""
    height, width = (n // 2 * 2 for n in quarter.shape[1:])
    logs = np.log(quarter[:, :height, :width] + DARK)
    away = (logs - np.median(logs, axis=(1, 2), keepdims=True)).reshape(len(logs), height // 2, 2, width // 2, 2).mean(axis=(2, 4))
    return np.stack([np.maximum(away, 0), np.maximum(-away, 0)], axis=-1).astype(np.float32)


def unfolded(heat: npt.NDArray[Any], shape: tuple[int, int, int]) -> npt.NDArray[Any]:
    """Readouts [..., n] of (height, width, 4) neurons as a map [..., 2 * height, 2 * width]: a pixel's channels are its quarters."""
    height, width, _ = shape
    cells = heat.reshape(*heat.shape[:-1], height, width, 2, 2)
    return np.moveaxis(cells, -2, -3).reshape(*heat.shape[:-1], 2 * height, 2 * width)


def peaks(heat: npt.NDArray[Any], threshold: float) -> Floats:
    """Positions (n, 2) where a map [height, width] has its largest value of 5 x 5 and at least ``threshold``.

    Each is the centre of what of 3 x 3 values stands above the least of them.
    """
    found = np.argwhere((heat == ndimage.maximum_filter(heat, 5)) & (heat >= threshold))
    padded = np.pad(heat.astype(np.float64), 1, mode="edge")
    offsets = np.array([-1.0, 0.0, 1.0])
    places: list[Floats] = []
    for row, column in found:
        field_ = padded[row:row + 3, column:column + 3]
        above = field_ - field_.min()
        total = above.sum() or 1.0
        place = np.array([row + (above.sum(1) @ offsets) / total, column + (above.sum(0) @ offsets) / total])
        if all(np.abs(place - other).max() > 1 for other in places):    # a plateau is one peak
            places.append(place)
    return np.array(places).reshape(-1, 2) * PITCH + FIRST


def blobs(seen: npt.NDArray[np.uint8], keep: float, threshold: float, least: int) -> Positions:
    """Positions without a network: events [frames, height, width, 2] are summed with a leak, smoothed and cut at ``threshold``.

    A blob has at least ``least`` values.
    """
    total = np.zeros(seen.shape[1:3])
    found = []
    for step in seen:
        total = keep * total + step.sum(axis=-1)
        labels, count = ndimage.label(ndimage.uniform_filter(total, 3) > threshold)
        large = np.flatnonzero(np.bincount(labels.ravel(), minlength=count + 1)[1:] >= least) + 1
        centres = np.array(ndimage.center_of_mass(total, labels, large), np.float64).reshape(-1, 2)
        found.append(centres * 4.0 + 1.5)
    return found


def paired(a: Floats, b: Floats, most: float) -> list[tuple[int, int]]:
    """Pairs of positions no further apart than ``most``: the assignment of the most pairs, then of the least sum of distances."""
    if not len(a) or not len(b):
        return []
    distances = np.hypot(*(a[:, None] - b[None]).transpose(2, 0, 1))
    far = 1e4
    rows, columns = linear_sum_assignment(np.where(distances <= most, distances, far))
    return [(int(i), int(j)) for i, j in zip(rows, columns, strict=True) if distances[i, j] <= most]


@dataclass
class _Track:
    identity: int
    place: Floats
    unseen: int = 0
    age: int = 1


def link(positions: Positions, *, animals: int, reach: float = 30.0, patience: int = 28, sure: int = 3) -> list[dict[int, Floats]]:
    """Nearest-neighbour identities: of each frame, positions by identity 0 to ``animals`` - 1.

    Each frame's positions go to the tracks of the frame before, nearest first as a whole (`paired`) and within ``reach``. A track without
    one stays where it is, for ``patience`` frames, and for ever where no new track needs its identity: a fish that stands still has no
    events. A position without a track begins one. A track is given out once it was seen ``sure`` times.
    """
    tracks: list[_Track] = []
    given = []
    for found in positions:
        pairs = paired(np.array([t.place for t in tracks]).reshape(-1, 2), found, reach)
        taken, seen = {j for _, j in pairs}, {i for i, _ in pairs}
        for i, j in pairs:
            tracks[i].place, tracks[i].unseen, tracks[i].age = found[j], 0, tracks[i].age + 1
        for i, track in enumerate(tracks):
            track.unseen += i not in seen
        tracks = [t for t in tracks if t.age >= sure or not t.unseen]
        for j in (j for j in range(len(found)) if j not in taken):
            if len(tracks) == animals:
                stale = max(tracks, key=lambda t: t.unseen)
                if stale.unseen < patience:
                    continue
                tracks.remove(stale)
            free = min(set(range(animals)) - {t.identity for t in tracks})
            tracks.append(_Track(free, found[j]))
        given.append({t.identity: t.place for t in tracks if t.age >= sure})
    return given


@dataclass
class Score:
    """How positions compare with the reference: how many there are, how many of them are found and how many more were given, the distances
    of those found, and changes of identity."""

    reference: int = 0
    found: int = 0
    false: int = 0
    distances: list[float] = field(default_factory=list)
    switches: int = 0
    frames: int = 0

    def to_json(self, rate: float) -> dict[str, float]:
        """Shares and means; ``rate`` is in frames a second."""
        return {"found": self.found / max(self.reference, 1), "precision": self.found / max(self.found + self.false, 1),
                "median_error": float(np.median(self.distances)) if self.distances else float("nan"),
                "switches_a_minute": self.switches * 60 * rate / max(self.frames, 1)}


def score(tracks: list[dict[int, Floats]], truth: list[dict[int, Floats]]) -> Score:
    """Frame for frame against the reference: pairs within `NEAR`, and a switch where a reference identity is paired with another one than
    when it was paired last (as in the CLEAR MOT measures). Identities below 0 are none."""
    total, last = Score(frames=len(truth)), dict[int, int]()
    for given, right in zip(tracks, truth, strict=True):
        names, wanted = list(given), list(right)
        a = np.array([right[n] for n in wanted]).reshape(-1, 2)
        b = np.array([given[n] for n in names]).reshape(-1, 2)
        pairs = paired(a, b, NEAR)
        total.reference += len(wanted)
        total.found += len(pairs)
        total.false += len(names) - len(pairs)
        for i, j in pairs:
            total.distances.append(float(np.hypot(*(a[i] - b[j]))))
            if wanted[i] >= 0:
                total.switches += last.get(wanted[i], names[j]) != names[j]
                last[wanted[i]] = names[j]
    return total


def named(positions: Positions, animals: int) -> list[dict[int, Floats]]:
    """All reference positions by identity: those that `link` gives, and -1, -2 ... for what it gives none."""
    result = []
    for places, tracks in zip(positions, link(positions, animals=animals, sure=1), strict=True):
        frame, without = dict[int, Floats](), -1
        names = {tuple(place): identity for identity, place in tracks.items()}
        for place in places:
            frame[names.get(tuple(place), without)] = place
            without -= tuple(place) not in names
        result.append(frame)
    return result


def unnamed(positions: Positions) -> list[dict[int, Floats]]:
    """Positions as tracks without identities, for `score`: their switches mean nothing."""
    return [dict(enumerate(found)) for found in positions]


def resized(network: Network, height: int, width: int) -> Network:
    """The network for (height, width) input pixels: kernels and parameters stay, as none of them belongs to a place."""
    rows, columns = -(-height // 2), -(-width // 2)
    populations = tuple(
        Population(p.name, (height, width, 2) if p.driven else (rows, columns, p.shape[2]), p.kind, p.parameters, p.semantics)
        for p in network.populations)
    return replace(network, populations=populations)


def heat_of(network: Network, seen: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The network's heat maps [frames, height, width] of events [frames, height, width, 2], as one endless window."""
    heat = network.by_name["heat"]
    run = simulate(network, {"events": seen.reshape(1, len(seen), -1)}, len(seen), record=False)
    return unfolded(run.readouts["heat"][0], heat.shape)


def heat_of_frames(twin: onnx.ModelProto, quarter: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The heat maps of the network on frames, which looks at each by itself.

    Its nodes are convolutions with ReLU between them. `ranvier.frontends.onnx` reads networks of fewer synapses than a whole frame has.
    """
    constants = {entry.name: numpy_helper.to_array(entry) for entry in twin.graph.initializer}
    layers = [node for node in twin.graph.node if node.op_type == "Conv"]
    found = []
    for first in range(0, len(quarter), 8):
        value = contrasts(quarter[first:first + 8])
        for node in layers:
            settings = {entry.name: helper.get_attribute_value(entry) for entry in node.attribute}
            kernel = constants[node.input[1]].transpose(2, 3, 1, 0)
            top, left, bottom, right = settings["pads"]
            fields = receptive_fields(value, kernel.shape[:2], tuple(settings["strides"]), (1, 1), (top, bottom, left, right))
            value = field_sums(fields, grouped_kernel(kernel, 1)) + constants[node.input[2]]
            if node is not layers[-1]:
                value = np.maximum(value, 0)
        found.append(value.reshape(len(value), -1))
    return unfolded(np.concatenate(found), value.shape[1:])


def best_threshold(maps: npt.NDArray[Any], positions: Positions) -> float:
    """The threshold of `peaks` with the largest F1 measure on every eighth map, of 24 between its median and its usual largest value."""
    top = float(np.median(maps.max(axis=(1, 2))))
    low = float(np.median(maps))
    best = (0.0, 0.0)
    for threshold in np.linspace(low, top, 26)[1:-1]:
        found = [peaks(heat, threshold) for heat in maps[::8]]
        total = score(unnamed(found), unnamed(positions[::8]))
        best = max(best, (2 * total.found / (total.found + total.false + total.reference), float(threshold)))
    return best[1]
