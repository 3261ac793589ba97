"""Networks of RANC (Mack et al., "RANC: reconfigurable architecture for neuromorphic computing", 2020), from its two formats.

- The simulator's JSON: ``cores``, ``output_bus``, and often ``packets``.
- The hardware's images: ``csram_NNN.mem`` (a neuron a line, 368 bits) and ``tc_NNN.mem`` (an axon's type a line), NNN = x + width * y.

RANC is the deterministic part of TrueNorth. Its RTL resets below the negative threshold, its simulator also at it: `EQUALITIES`.
A packet that is sent in tick t with the field ``destination_tick`` d reaches its axon in tick t + 1 + d. Ticks count from 1, so step s of
the network is tick s + 1, and what the host sends before it, ``packets[0]`` of RANC, is there in its first step.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..files.safe import load_json, read_bounded, shown
from ..model.errors import RanvierError
from ..model.network.network import Network
from ..model.run.golden import GoldenRun
from .truenorth import INPUT, Axon, Core, Target, build_network

__all__ = ["EQUALITIES", "Bus", "Place", "RancFile", "bus_lines", "core_name", "input_values", "load_packets", "ranc_network",
           "read_images", "read_json", "sent_packets"]

#: What happens at the negative threshold: in ``rtl`` nothing, in ``simulator`` the reset.
EQUALITIES = ("rtl", "simulator")
#: Axons and neurons of a core of the hardware.
AXONS = NEURONS = 256
#: Later than that a packet would meet the word of the current tick.
LAST_TICK = 14

Place = tuple[int, int]
Packets = list[list[dict[str, Any]]]

#: Fields of a line of csram after the connections: their bits, and whether they are signed.
_FIELDS = {"current_potential": (9, True), "reset_potential": (9, True), **{f"weight_{n}": (9, True) for n in range(4)}, "leak": (9, True),
           "positive_threshold": (9, True), "negative_threshold": (9, True), "reset_mode": (1, False), "dx": (9, True), "dy": (9, True),
           "destination_axon": (8, False), "destination_tick": (4, False)}
_LINE = AXONS + sum(bits for bits, _ in _FIELDS.values())
_NEURON = ("reset_potential", "leak", "positive_threshold", "negative_threshold", "destination_axon", "destination_tick",
           "current_potential", "reset_mode")
_RANGES = {"destination_axon": (0, 1 << 16), "destination_tick": (0, 15), "reset_mode": (0, 1)}


@dataclass(frozen=True)
class Bus:
    """Where outputs go: a place outside of all cores, and how many outputs there are."""

    place: Place
    outputs: int


@dataclass(frozen=True, eq=False)
class _Cell:
    """A core as its file has it."""

    axons: Sequence[int]
    neurons: Sequence[Mapping[str, Any]]
    connections: npt.NDArray[np.int64]    #: (neurons, axons)


@dataclass(frozen=True, eq=False)
class RancFile:
    """What a file or folder holds.

    cores
        Each core by its place (x, y).
    grid
        Columns and rows; None where the file does not say, and the places of cores and bus do.
    packets
        What the host sends, a list for each tick.
    """

    name: str
    cores: Mapping[Place, _Cell]
    bus: Bus | None
    grid: Place | None
    packets: Packets


# --- reading ----------------------------------------------------------------------------------------------------------


def read_json(path: str | os.PathLike[str], grid: Place | None = None, bus: Bus | None = None) -> RancFile:
    """The simulator's file; ``grid`` and ``bus`` go before what it says. Raises `RanvierError`."""
    owner, value = shown(path), load_json(path)
    if not isinstance(value, dict) or not isinstance(value.get("cores"), list) or not value["cores"]:
        raise RanvierError(f"{owner}: cores: there are none; give RANC's simulator JSON, an object with a list of cores")
    cores: dict[Place, _Cell] = {}
    for number, item in enumerate(value["cores"]):
        place, cell = _cell(f"{owner}: core {number}", item)
        if place in cores:
            raise RanvierError(f"{owner}: core {number}: the coordinates {list(place)} are there twice; a place has one core")
        cores[place] = cell
    if bus is None and "output_bus" in value:
        said = value["output_bus"]
        if not isinstance(said, dict):
            raise RanvierError(f"{owner}: output_bus: it must be an object with coordinates and num_outputs")
        bus = Bus(_place(f"{owner}: output_bus", said.get("coordinates"), "coordinates"),
                  _whole(f"{owner}: output_bus", said.get("num_outputs"), "num_outputs", 1, 1 << 16))
    return RancFile(owner, cores, bus, grid, _packets(owner, value.get("packets", [])))


def load_packets(path: str | os.PathLike[str]) -> Packets:
    """Packets from a JSON file of their own: a list of lists, or an object that has one as ``packets``."""
    value = load_json(path)
    return _packets(shown(path), value.get("packets", []) if isinstance(value, dict) else value)


def read_images(folder: str | os.PathLike[str], grid: Place, bus: Bus | None = None) -> RancFile:
    """The hardware's images in ``folder``, of a grid of so many columns and rows. Raises `RanvierError`."""
    owner = shown(folder)
    try:
        names = sorted(entry for entry in os.listdir(folder) if re.fullmatch(r"(csram|tc)_\d+\.mem", entry))
    except OSError as error:
        raise RanvierError(f"{owner}: {(error.strerror or str(error)).lower()}; check the name and the permissions") from None
    found: dict[str, dict[int, str]] = {"csram": {}, "tc": {}}
    for name in names:
        kind, number = name[:-4].split("_")
        if int(number) in found[kind]:
            raise RanvierError(f"{owner}: {name}: core {int(number)} is there twice; {found[kind][int(number)]} is its image too")
        found[kind][int(number)] = name
    if not names:
        raise RanvierError(f"{owner}: there are no images csram_NNN.mem and tc_NNN.mem; name the folder that holds them")
    for core in sorted(set(found["csram"]) ^ set(found["tc"])):
        has, lacks = ("csram", "tc") if core in found["csram"] else ("tc", "csram")
        raise RanvierError(f"{owner}: {found[has][core]} has no {lacks}_{core:03}.mem beside it; a core needs both")
    cores: dict[Place, _Cell] = {}
    for core, image in found["csram"].items():
        place = core % grid[0], core // grid[0]
        if place[1] >= grid[1]:
            raise RanvierError(f"{owner}: {image}: core {core} is outside of the grid of {grid[0]} x {grid[1]}; give a larger --grid")
        cores[place] = _images(Path(folder), image, found["tc"][core])
    return RancFile(owner, cores, bus, grid, [])


def _images(folder: Path, csram: str, types: str) -> _Cell:
    lines, axons = _bits(folder / csram, NEURONS, _LINE), _bits(folder / types, AXONS, 2)
    neurons = []
    for line in lines:
        at, fields = AXONS, {}
        for name, (bits, signed) in _FIELDS.items():
            value = int(line[at:at + bits], 2)
            fields[name] = value - (1 << bits) if signed and value >> bits - 1 else value
            at += bits
        neurons.append({**fields, "weights": [fields[f"weight_{n}"] for n in range(4)],
                        "destination_core_offset": [fields["dx"], fields["dy"]]})
    # The leftmost bit is that of the last axon.
    connections = np.array([[int(bit) for bit in line[AXONS - 1::-1]] for line in lines], np.int64)
    return _Cell([int(line, 2) for line in axons], neurons, connections)


def _bits(path: Path, lines: int, width: int) -> list[str]:
    try:
        found = read_bounded(path).decode("ascii").split()
    except UnicodeDecodeError:
        raise RanvierError(f"{shown(path)}: it is not text of 0 and 1; give RANC's image") from None
    if len(found) != lines:
        raise RanvierError(f"{shown(path)}: it has {len(found)} lines; it must have {lines}: give the image of a whole core")
    for number, line in enumerate(found):
        if len(line) != width or set(line) - {"0", "1"}:
            raise RanvierError(f"{shown(path)}: line {number + 1} has {len(line)} characters; it must have {width} of 0 and 1 (RANC with "
                               f"{AXONS} axons, {NEURONS} neurons, 4 weights, words of 9 bits)")
    return found


def _cell(owner: str, item: Any) -> tuple[Place, _Cell]:
    if not isinstance(item, dict):
        raise RanvierError(f"{owner}: it must be an object with coordinates, axons, neurons and connections")
    place = _place(owner, item.get("coordinates"), "coordinates")
    lists = {name: item.get(name) for name in ("axons", "neurons", "connections")}
    for name, values in lists.items():
        if not isinstance(values, list):
            raise RanvierError(f"{owner}: {name} must be a list")
    axons, neurons, rows = (lists[name] or [] for name in ("axons", "neurons", "connections"))
    if len(axons) > AXONS or not 0 < len(neurons) <= NEURONS or len(rows) > len(neurons):
        raise RanvierError(f"{owner}: {len(axons)} axons, {len(neurons)} neurons and {len(rows)} rows of connections; there are at most "
                           f"{AXONS} axons, 1 to {NEURONS} neurons and a row for each")
    types = [_whole(owner, kind, f"axon {n}", 0, 3) for n, kind in enumerate(axons)] + [0] * (AXONS - len(axons))
    for n, neuron in enumerate(neurons):
        _check_neuron(f"{owner}: neuron {n}", neuron)
    connections = np.zeros((len(neurons), AXONS), np.int64)
    for n, row in enumerate(rows):
        if not isinstance(row, list) or len(row) > AXONS or any(type(bit) is not int or bit not in (0, 1) for bit in row):
            raise RanvierError(f"{owner}: row {n} of connections must be at most {AXONS} numbers 0 or 1")
        connections[n, :len(row)] = row
    return place, _Cell(types, neurons, connections)


def _check_neuron(owner: str, neuron: Any) -> None:
    if not isinstance(neuron, dict):
        raise RanvierError(f"{owner}: it must be an object")
    for name in _NEURON:
        low, high = _RANGES.get(name, (-1 << 17, (1 << 17) - 1))
        _whole(owner, neuron.get(name), name, low, high)
    _place(owner, neuron.get("destination_core_offset"), "destination_core_offset")
    weights = neuron.get("weights")
    if not isinstance(weights, list) or len(weights) != 4:
        raise RanvierError(f"{owner}: weights must be a list of 4 integers")
    for weight in weights:
        _whole(owner, weight, "a weight", -256, 255)


def _packets(owner: str, value: Any) -> Packets:
    if not isinstance(value, list) or any(not isinstance(tick, list) for tick in value):
        raise RanvierError(f"{owner}: packets must be a list with a list of packets for each tick")
    for n, tick in enumerate(value):
        for packet in tick:
            about = f"{owner}: packets of tick {n}"
            if not isinstance(packet, dict):
                raise RanvierError(f"{about}: a packet must be an object with destination_core, destination_axon and destination_tick")
            _place(about, packet.get("destination_core"), "destination_core")
            _whole(about, packet.get("destination_axon"), "destination_axon", 0, AXONS - 1)
            _whole(about, packet.get("destination_tick"), "destination_tick", 0, LAST_TICK)
    return value


def _whole(owner: str, value: Any, name: str, least: int, most: int) -> int:
    if type(value) is not int or not least <= value <= most:
        raise RanvierError(f"{owner}: {name} is {str(value)[:40] if value is not None else 'missing'}; it must be {least} to {most}")
    return value


def _place(owner: str, value: Any, name: str) -> Place:
    if not isinstance(value, list) or len(value) != 2 or any(type(n) is not int or abs(n) > 1 << 16 for n in value):
        raise RanvierError(f"{owner}: {name} must be two integers, x and y")
    return value[0], value[1]


# --- building ---------------------------------------------------------------------------------------------------------


def core_name(place: Place) -> str:
    """Name of the population of the core there."""
    return f"core_{place[0]}_{place[1]}"


def ranc_network(file: RancFile, equality: str, packets: Packets | None = None, *, state_bits: int = 20) -> Network:
    """The network of ``file``; its inputs are the axons that packets name and those with synapses to which no neuron sends.

    ``packets`` are those that the network is to take besides the file's. ``network.info["ranc"]`` says which axon each input is, the
    bus, and what each neuron sends; `input_values`, `bus_lines` and `sent_packets` read it. Raises `RanvierError`.
    """
    if equality not in EQUALITIES:
        raise RanvierError(f"ranc: equality is {equality!r}; it must be one of {', '.join(EQUALITIES)}")
    grid = file.grid or _extent(file)
    for place in [*file.cores, *([file.bus.place] if file.bus else [])]:
        if not _inside(place, grid):
            raise RanvierError(f"{file.name}: core {list(place)}: it is outside of the grid of {grid[0]} x {grid[1]}; give a larger --grid")
    if file.bus is not None and file.bus.place in file.cores:
        raise RanvierError(f"{file.name}: output_bus: there is a core at {list(file.bus.place)}; the bus has a place of its own")
    # RANC's order of cores: row after row.
    ordered = sorted(file.cores.items(), key=lambda item: item[0][::-1])
    sends = {place: [_sent(file, grid, place, n, neuron) for n, neuron in enumerate(cell.neurons)] for place, cell in ordered}
    reached = {(place, axon) for rows in sends.values() for place, axon, _ in rows}
    named = {((packet["destination_core"][0], packet["destination_core"][1]), packet["destination_axon"])
             for tick in [*file.packets, *(packets or [])] for packet in tick}
    for place, _ in sorted(named):
        if place not in file.cores:
            raise RanvierError(f"{file.name}: core {list(place)}: it is missing; a packet of the host goes to it")
    connected = {(place, int(axon)) for place, cell in file.cores.items() for axon in np.flatnonzero(cell.connections.any(axis=0))}
    inputs = sorted(named | connected - reached)
    cores = [_core(file, place, cell, sends[place], equality) for place, cell in ordered]
    axons: list[Axon] = [(core_name(place), axon) for place, axon in inputs]
    bus = None if file.bus is None else {"coordinates": list(file.bus.place), "num_outputs": file.bus.outputs}
    info = {"ranc": {"equality": equality, "inputs": [[*place, axon] for place, axon in inputs], "output_bus": bus,
                     "sends": {core_name(place): [[*to, axon, tick] for to, axon, tick in rows] for place, rows in sends.items()}}}
    return build_network(cores, axons, state_bits=state_bits, info=info)


def _extent(file: RancFile) -> Place:
    places = [*file.cores, *([file.bus.place] if file.bus else [])]
    return max(x for x, _ in places) + 1, max(y for _, y in places) + 1


def _inside(place: Place, grid: Place) -> bool:
    return 0 <= place[0] < grid[0] and 0 <= place[1] < grid[1]


def _sent(file: RancFile, grid: Place, place: Place, n: int, neuron: Mapping[str, Any]) -> tuple[Place, int, int]:
    """Where a neuron's packets go: core, axon, and their ``destination_tick``."""
    dx, dy = neuron["destination_core_offset"]
    to, axon, tick = (place[0] + dx, place[1] + dy), neuron["destination_axon"], neuron["destination_tick"]
    who = f"{file.name}: core {list(place)}: neuron {n}"
    if not _inside(to, grid):
        raise RanvierError(f"{who}: destination_core_offset {[dx, dy]} leads to {list(to)}, outside of the grid of {grid[0]} x {grid[1]}")
    if file.bus is not None and to == file.bus.place:
        if axon >= file.bus.outputs:
            raise RanvierError(f"{who}: destination_axon is {axon}; the output bus has {file.bus.outputs} outputs")
    elif to not in file.cores:
        raise RanvierError(f"{file.name}: core {list(to)}: it is missing; neuron {n} of core {list(place)} sends to it"
                           + ("" if file.bus else ": name the output bus with --output-bus if it is there"))
    elif axon >= AXONS:
        raise RanvierError(f"{who}: destination_axon is {axon}; it must be 0 to {AXONS - 1}")
    elif tick > LAST_TICK:
        raise RanvierError(f"{who}: destination_tick is {tick}; it must be 0 to {LAST_TICK}, later would meet the current tick")
    return to, axon, tick


def _core(file: RancFile, place: Place, cell: _Cell, sends: list[tuple[Place, int, int]], equality: str) -> Core:
    def column(name: str) -> npt.NDArray[np.int64]:
        return np.array([neuron[name] for neuron in cell.neurons], np.int64)

    alpha, beta, leak = column("positive_threshold"), -column("negative_threshold"), column("leak")
    for name, bad, must in (("positive_threshold", alpha < 0, "0 or more"), ("negative_threshold", beta < 0, "0 or less"),
                            ("leak", (leak < -256) | (leak > 255), "-256 to 255")):
        if np.any(bad):
            n = int(np.flatnonzero(bad)[0])
            raise RanvierError(f"{file.name}: core {list(place)}: neuron {n}: {name} is {cell.neurons[n][name]}; it must be {must}")
    parameters = {"alpha": alpha, "beta": beta, "leak": leak, "gamma": column("reset_mode"), "v_reset": column("reset_potential"),
                  "v_init": column("current_potential"), "inclusive": int(equality == "simulator")}
    targets = [None if file.bus is not None and to == file.bus.place else Target(core_name(to), axon, tick + 1) for to, axon, tick in sends]
    weights = np.array([neuron["weights"] for neuron in cell.neurons], np.int64)
    return Core(core_name(place), cell.connections.T, np.array(cell.axons), weights, targets, parameters)


# --- running ----------------------------------------------------------------------------------------------------------


def input_values(network: Network, packets: Packets, ticks: int) -> dict[str, npt.NDArray[np.uint8]]:
    """What the host gives in ``ticks`` ticks: the values of `INPUT`, uint8 (1, ticks, inputs). Later packets are left out."""
    inputs = {(x, y, axon): n for n, (x, y, axon) in enumerate(network.info["ranc"]["inputs"])}
    if not inputs:
        return {}
    values = np.zeros((1, ticks, len(inputs)), np.uint8)
    for k, tick in enumerate(packets):
        for packet in tick:
            where = (*packet["destination_core"], packet["destination_axon"])
            if where not in inputs:
                raise RanvierError(f"packets of tick {k}: axon {where[2]} of core {list(where[:2])} is no input of the network; give these "
                                   "packets to the import too")
            if k + packet["destination_tick"] < ticks:
                values[0, k + packet["destination_tick"], inputs[where]] = 1
    return {INPUT: values}


def sent_packets(network: Network, run: GoldenRun, sample: int = 0) -> Packets:
    """What the neurons send in each tick of a recorded run: RANC's packets, with the core and the neuron that sent each."""
    found: Packets = []
    sends = network.info["ranc"]["sends"]
    for step in range(run.spikes[next(iter(sends))].shape[1]):
        found.append([])
        for name, targets in sends.items():
            place = [int(n) for n in name.split("_")[1:]]
            for n in np.flatnonzero(run.spikes[name][sample, step]):
                x, y, axon, tick = targets[n]
                found[-1].append({"source_core": place, "source_neuron": int(n), "destination_core": [x, y], "destination_axon": axon,
                                  "destination_tick": tick})
    return found


def bus_lines(network: Network, packets: Sequence[Sequence[Mapping[str, Any]]]) -> list[str]:
    """The lines that RANC's simulator writes: one a tick, a bit and a blank for each output, of what was sent in the tick before it.

    So the first one is of zeros, and what is sent in the last tick has no line.
    """
    bus = network.info["ranc"]["output_bus"]
    if bus is None:
        raise RanvierError("ranc: the network has no output bus; give --output-bus X Y N to the import")
    lines = []
    for tick in [[], *packets][:len(packets)]:
        bits = [0] * bus["num_outputs"]
        for packet in tick:
            if packet["destination_core"] == bus["coordinates"]:
                bits[packet["destination_axon"]] = 1
        lines.append("".join(f"{bit} " for bit in bits))
    return lines
