"""RANC's tick loop, written down from the description of its simulator and nothing else: no network, and no delays but words of axons."""

from __future__ import annotations

from typing import Any

__all__ = ["images", "random_cores", "run_ranc"]


def run_ranc(value: dict[str, Any], ticks: int, inclusive: bool) -> tuple[list[list[dict[str, Any]]], list[str]]:
    """What is sent in each tick, in the order of cores and neurons, and the lines of the output bus."""
    cores = sorted(value["cores"], key=lambda core: core["coordinates"][::-1])
    bus = value["output_bus"]
    arriving: dict[int, set[tuple[int, int, int]]] = {}

    def send(tick: int, core: list[int], axon: int, later: int) -> None:
        arriving.setdefault(tick + 1 + later, set()).add((core[0], core[1], axon))

    potentials = [[neuron["current_potential"] for neuron in core["neurons"]] for core in cores]
    for packet in value["packets"][0] if value["packets"] else []:
        send(0, packet["destination_core"], packet["destination_axon"], packet["destination_tick"])
    sent: list[list[dict[str, Any]]] = []
    lines, bits = [], [0] * bus["num_outputs"]
    for tick in range(1, ticks + 1):
        lines.append("".join(f"{bit} " for bit in bits))
        bits = [0] * bus["num_outputs"]
        for packet in value["packets"][tick] if tick < len(value["packets"]) else []:
            send(tick, packet["destination_core"], packet["destination_axon"], packet["destination_tick"])
        sent.append([])
        for core, values in zip(cores, potentials, strict=True):
            x, y = core["coordinates"]
            for n, neuron in enumerate(core["neurons"]):
                v = values[n]
                row = core["connections"][n] if n < len(core["connections"]) else []
                for axon, connected in enumerate(row):
                    if connected and (x, y, axon) in arriving.get(tick, ()):
                        v += neuron["weights"][core["axons"][axon] if axon < len(core["axons"]) else 0]
                v += neuron["leak"]
                negative = neuron["negative_threshold"]
                if v >= neuron["positive_threshold"]:
                    v = v - neuron["positive_threshold"] if neuron["reset_mode"] else neuron["reset_potential"]
                    to = [x + neuron["destination_core_offset"][0], y + neuron["destination_core_offset"][1]]
                    sent[-1].append({"source_core": [x, y], "source_neuron": n, "destination_core": to,
                                     "destination_axon": neuron["destination_axon"], "destination_tick": neuron["destination_tick"]})
                    if to == bus["coordinates"]:
                        bits[neuron["destination_axon"]] = 1
                    else:
                        send(tick, to, neuron["destination_axon"], neuron["destination_tick"])
                elif v < negative or inclusive and v == negative:
                    v = v - negative if neuron["reset_mode"] else -neuron["reset_potential"]
                values[n] = v
    return sent, lines


def random_cores(rng: Any, ticks: int) -> dict[str, Any]:
    """A small network: two or three cores, a bus, recurrence, axons that several neurons share, short lists."""
    places = [[0, 0], [1, 0], [0, 1]][:int(rng.integers(2, 4))]
    bus = [1, 1]
    cores = []
    for place in places:
        neurons, axons = int(rng.integers(3, 12)), int(rng.integers(4, 14))
        rows = []
        for _ in range(neurons):
            to = bus if rng.random() < 0.3 else places[rng.integers(len(places))]
            rows.append({"reset_potential": int(rng.integers(-4, 5)), "weights": [int(w) for w in rng.integers(-6, 9, 4)],
                         "leak": int(rng.integers(-3, 4)), "positive_threshold": int(rng.integers(1, 9)),
                         "negative_threshold": -int(rng.integers(0, 9)), "destination_core_offset": [to[0] - place[0], to[1] - place[1]],
                         "destination_axon": int(rng.integers(0, 5)), "destination_tick": int(rng.choice([0, 0, 0, 1, 5])),
                         "current_potential": int(rng.integers(-3, 4)), "reset_mode": int(rng.integers(2))})
        connections = (rng.random((neurons - 1, axons)) < 0.5).astype(int).tolist()
        cores.append({"coordinates": place, "axons": rng.integers(0, 4, axons - 1).tolist(), "neurons": rows, "connections": connections})
    packets = [[{"destination_core": places[rng.integers(len(places))], "destination_axon": int(rng.integers(0, 14)),
                 "destination_tick": int(rng.choice([0, 0, 2, 14]))} for _ in range(rng.integers(0, 6))] for _ in range(ticks)]
    return {"packets": packets, "output_bus": {"coordinates": bus, "num_outputs": 5}, "cores": cores}


def images(value: dict[str, Any], width: int) -> dict[str, str]:
    """The hardware's images of a network whose cores are whole: file names and their text."""
    def word(number: int, bits: int) -> str:
        return format(number & (1 << bits) - 1, f"0{bits}b")

    files = {}
    for core in value["cores"]:
        number = core["coordinates"][0] + width * core["coordinates"][1]
        lines = []
        for neuron, row in zip(core["neurons"], core["connections"], strict=True):
            numbers = [neuron["current_potential"], neuron["reset_potential"], *neuron["weights"], neuron["leak"],
                       neuron["positive_threshold"], neuron["negative_threshold"]]
            lines.append("".join(str(bit) for bit in reversed(row)) + "".join(word(n, 9) for n in numbers) + word(neuron["reset_mode"], 1)
                         + "".join(word(n, 9) for n in neuron["destination_core_offset"]) + word(neuron["destination_axon"], 8)
                         + word(neuron["destination_tick"], 4))
        files[f"csram_{number:03}.mem"] = "\n".join(lines) + "\n"
        files[f"tc_{number:03}.mem"] = "".join(word(kind, 2) + "\n" for kind in core["axons"])
    return files
