"""Networks of RANC: its own packets back, tick by tick, from both of its formats; and one line where a file is wrong."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ranvier.files.network import load_network
from ranvier.frontends.ranc import RancFile, bus_lines, input_values, ranc_network, read_images, read_json, sent_packets
from ranvier.frontends.truenorth import Core, Target, build_network
from ranvier.model.errors import RanvierError
from ranvier.model.network.network import Network
from ranvier.model.prng import Purpose, prng
from ranvier.model.run.golden import run_golden

from ..command_line import runner
from .ranc_oracle import images, random_cores, run_ranc

TICKS = 24


def write(folder: Path, value: Any) -> Path:
    path = folder / "cores.json"
    path.write_text(json.dumps(value))
    return path


def answers(network: Network, file: RancFile, ticks: int = TICKS) -> tuple[list[list[dict[str, Any]]], list[str]]:
    run = run_golden(network, input_values(network, file.packets, ticks), ticks, record=True, endless=True)
    sent = sent_packets(network, run)
    return sent, bus_lines(network, sent)


@pytest.mark.parametrize("equality", ["rtl", "simulator"])
def test_packets_come_back_tick_by_tick(tmp_path: Path, equality: str) -> None:
    packets = relays = 0
    for seed in range(12):
        value = random_cores(np.random.default_rng(seed), TICKS)
        file = read_json(write(tmp_path, value))
        network = ranc_network(file, equality)
        expected = run_ranc(value, TICKS, equality == "simulator")
        found = answers(network, file)
        assert found[0] == expected[0], f"seed {seed}"
        assert found[1] == expected[1], f"seed {seed}"
        packets += sum(map(len, found[0]))
        relays += sum(p.name.endswith("/axons") for p in network.populations)
    assert packets > 1000 and relays > 12


def test_both_equalities_differ(tmp_path: Path) -> None:
    """Else the choice would be without effect, and untested."""
    differing = 0
    for seed in range(30):
        value = random_cores(np.random.default_rng(seed), TICKS)
        differing += run_ranc(value, TICKS, True) != run_ranc(value, TICKS, False)
    assert differing > 5


def whole(seed: int) -> dict[str, Any]:
    """Random cores filled up to 256 axons and neurons, those added with no synapse and out of reach of their threshold."""
    value = random_cores(np.random.default_rng(seed), TICKS)
    for core in value["cores"]:
        idle = {**core["neurons"][0], "weights": [0] * 4, "leak": 0, "positive_threshold": 255, "negative_threshold": -256,
                "current_potential": 0, "destination_tick": 0, "destination_core_offset": [0, 0], "destination_axon": 255}
        core["neurons"] += [idle] * (256 - len(core["neurons"]))
        core["axons"] += [0] * (256 - len(core["axons"]))
        core["connections"] = [row + [0] * (256 - len(row)) for row in core["connections"]]
        core["connections"] += [[0] * 256] * (256 - len(core["connections"]))
    return value


def test_images_are_the_same_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    value = whole(3)
    folder = tmp_path / "images"
    folder.mkdir()
    for name, text in images(value, 2).items():
        (folder / name).write_text(text)
    (tmp_path / "packets.json").write_text(json.dumps(value["packets"]))
    run = runner(monkeypatch, capsys, "import", "ranc")
    out, lines, sent = tmp_path / "net.ranvier", tmp_path / "lines.txt", tmp_path / "sent.json"
    result = run(folder, "--equality", "rtl", "--grid", 2, 2, "--output-bus", 1, 1, 5, "--packets", tmp_path / "packets.json",
                 "--ticks", TICKS, "--lines", lines, "--sent", sent, "-o", out, "--json")
    assert result.code == 0, result.err
    expected = run_ranc(value, TICKS, False)
    assert json.loads(sent.read_text()) == expected[0] and sum(map(len, expected[0])) > 20
    assert lines.read_text().splitlines() == expected[1]
    assert result.json["cores"] == len(value["cores"]) and result.json["clamps"] == 0
    file = read_json(write(tmp_path, value))
    assert answers(load_network(out), file) == expected


def _without(value: dict[str, Any]) -> None:
    value["cores"] = value["cores"][:1]


def _edit(*path: Any, to: Any) -> Callable[[dict[str, Any]], None]:
    def edit(value: Any) -> None:
        for key in path[:-1]:
            value = value[key]
        value[path[-1]] = to
    return edit


_N0 = ("cores", 0, "neurons", 0)


@pytest.mark.parametrize(("damage", "message"), [
    (_without, r"core \[0, 1\]: it is missing; neuron 0 of core \[0, 0\] sends to it"),
    (_edit(*_N0, "destination_core_offset", to=[5, 0]), r"neuron 0: destination_core_offset \[5, 0\] leads to \[5, 0\], outside"),
    (_edit(*_N0, "destination_core_offset", to=[0, -1]), r"leads to \[0, -1\], outside of the grid"),
    (_edit("cores", 1, "coordinates", to=[0, 0]), r"core 1: the coordinates \[0, 0\] are there twice"),
    (_edit("output_bus", "coordinates", to=[0, 0]), r"there is a core at \[0, 0\]"),
    (_edit("output_bus", "num_outputs", to=0), "num_outputs is 0; it must be 1 to"),
    (_edit(*_N0, "negative_threshold", to=3), "neuron 0: negative_threshold is 3; it must be 0 or less"),
    (_edit(*_N0, "positive_threshold", to=-1), "neuron 0: positive_threshold is -1; it must be 0 or more"),
    (_edit(*_N0, "weights", to=[1, 2, 3]), "neuron 0: weights must be a list of 4 integers"),
    (_edit(*_N0, "weights", to=[1, 2, 3, 256]), "neuron 0: a weight is 256; it must be -256 to 255"),
    (_edit(*_N0, "leak", to=None), "neuron 0: leak is missing"),
    (_edit(*_N0, "leak", to=400), "neuron 0: leak is 400; it must be -256 to 255"),
    (_edit(*_N0, "reset_mode", to=2), "neuron 0: reset_mode is 2; it must be 0 to 1"),
    (_edit("cores", 0, "axons", to=[4]), "axon 0 is 4; it must be 0 to 3"),
    (_edit("cores", 0, "axons", to=[0] * 257), "257 axons"),
    (_edit("cores", 0, "connections", 0, 0, to=2), "row 0 of connections must be at most 256 numbers 0 or 1"),
    (_edit("cores", to=[]), "cores: there are none"),
    (_edit("packets", 0, to=[{"destination_core": [0, 0], "destination_axon": 256, "destination_tick": 0}]), "destination_axon is 256"),
    (_edit("packets", 0, to=[{"destination_core": [0, 0], "destination_axon": 1, "destination_tick": 15}]), "destination_tick is 15"),
    (_edit("packets", 0, to=[{"destination_core": [1, 1], "destination_axon": 1, "destination_tick": 0}]), "packet of the host goes to it"),
])
def test_a_damaged_file_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
                                    damage: Callable[[dict[str, Any]], None], message: str) -> None:
    value = copy.deepcopy(random_cores(np.random.default_rng(5), 3))
    value["cores"][0]["neurons"][1] |= {"destination_core_offset": [1, 0], "destination_tick": 0}
    damage(value)
    result = runner(monkeypatch, capsys, "import", "ranc")(write(tmp_path, value), "--equality", "rtl", "-o", tmp_path / "net.ranvier")
    assert result.code == 2 and result.err.count("\n") == 1
    assert re.search(message, result.err), result.err
    assert not (tmp_path / "net.ranvier").exists()


@pytest.mark.parametrize(("name", "change", "message"), [
    ("csram_000.mem", lambda text: text[:-2] + "\n", "csram_000.mem: line 256 has 367 characters; it must have 368"),
    ("csram_000.mem", lambda text: text[369:], "csram_000.mem: it has 255 lines; it must have 256"),
    ("csram_000.mem", lambda text: "2" + text[1:], "line 1 has 368 characters; it must have 368 of 0 and 1"),
    ("tc_001.mem", lambda text: text + "00\n", "tc_001.mem: it has 257 lines; it must have 256"),
    ("tc_001.mem", None, "csram_001.mem has no tc_001.mem beside it"),
    ("csram_0001.mem", lambda text: text, r"core 1 is there twice"),
    ("csram_004.mem", lambda text: text, r"csram_004.mem has no tc_004.mem"),
])
def test_a_damaged_image_is_one_line(tmp_path: Path, name: str, change: Callable[[str], str] | None, message: str) -> None:
    made = images(whole(5), 2)
    if change is None:
        del made[name]
    else:
        made[name] = change(made.get(name, made["csram_001.mem"]))
    for file, text in made.items():
        (tmp_path / file).write_text(text)
    with pytest.raises(RanvierError, match=message):
        read_images(tmp_path, (2, 2))


def test_options_that_need_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    run = runner(monkeypatch, capsys, "import", "ranc")
    path = write(tmp_path, random_cores(np.random.default_rng(1), 3))
    assert "--lines and --sent need --ticks" in run(path, "--equality", "rtl", "--lines", tmp_path / "l", "-o", tmp_path / "n").err
    assert "give --grid X Y" in run(tmp_path, "--equality", "rtl", "-o", tmp_path / "n").err
    assert "no images" in run(tmp_path, "--equality", "rtl", "--grid", 1, 1, "-o", tmp_path / "n").err


def _core(name: str = "a", **changes: Any) -> Core:
    values: dict[str, Any] = {"crossbar": np.eye(3, dtype=int), "types": np.array([0, 1, 3]),
                              "weights": np.array([[1, 2, 3, 4]] * 3), "targets": [None, Target("a", 0, 2), None]}
    return Core(name, **{**values, **changes})


def test_cores_become_weights_by_type() -> None:
    network = build_network([_core(crossbar=np.ones((3, 3), int), weights=np.array([[1, 2, 3, 255], [4, 5, 6, 7], [-256, 0, 0, 0]]),
                                   parameters={"alpha": 9})], [("a", 1), ("a", 2)])
    by_source = {p.source: p for p in network.projections}
    assert by_source["input"].weights[0, 0].tolist() == [[2, 5, 0], [255, 7, 0]]
    assert by_source["a"].weights[0, 0].tolist() == [[0, 0, 0], [1, 4, -256], [0, 0, 0]] and by_source["a"].delay == 2
    assert network.weight_bits == 16 and network.state_bits == 20


def test_random_synapses_draw_for_each_synapse_and_step() -> None:
    """Every membrane of a core with both sorts of synapses, axons that share one, and itself as a source, by the rule of the synapse."""
    rng, seed, size, axons, steps = np.random.default_rng(8), 991, 6, 5, 200
    core = Core("a", rng.integers(0, 2, (axons, size)), rng.integers(0, 4, axons), rng.integers(-256, 256, (size, 4)),
                [Target("a", int(n), 1 + n % 2) for n in rng.integers(0, axons, size)],
                {"alpha": 4, "beta": 90, "gamma": 1, "seed": seed, "v_min": -100000, "v_max": 100000}, rng.integers(0, 2, (size, 4)))
    network = build_network([core], [("a", 0), ("a", 2), ("a", 4)])
    values = rng.integers(0, 2, (1, steps, 3)).astype(np.uint8)
    run = run_golden(network, {"input": values}, steps, record=True, endless=True)
    assert core.stochastic is not None
    v, arriving, acted = [0] * size, [set() for _ in range(steps + 3)], 0
    for step in range(steps):
        arriving[step] |= {axon for axon, value in zip((0, 2, 4), values[0, step], strict=True) if value}
        for n in range(size):
            for axon in sorted(arriving[step]):
                s, kind = int(core.weights[n][core.types[axon]]), core.types[axon]
                if core.crossbar[axon][n] and core.stochastic[n][kind]:
                    rho = prng(seed ^ 1 << 30, step, axon * size + n, int(Purpose.NEURON)) >> 8 & 255
                    v[n] += int(np.sign(s)) * (abs(s) >= rho)
                    acted += abs(s) >= rho
                elif core.crossbar[axon][n]:
                    v[n] += s
            if v[n] >= 4:
                v[n] -= 4
                target = core.targets[n]
                assert target is not None
                arriving[step + target.delay].add(target.axon)
            elif v[n] < -90:
                v[n] += 90
        assert run.membranes["a"][0, step].tolist() == v, f"step {step}"
    assert acted > 50


@pytest.mark.parametrize(("cores", "inputs", "message"), [
    ([_core(), _core()], [], "core a: the name is there twice"),
    ([_core("input")], [], "core input: the name is there twice"),
    ([_core(targets=[None] * 2)], [], "2 targets for 3 neurons"),
    ([_core(targets=[Target("b", 0)] * 3)], [], "core b: it is missing; neuron 0 of core a sends to it"),
    ([_core(targets=[Target("a", 3)] * 3)], [], "core a: it has no axon 3"),
    ([_core(targets=[Target("a", 0, 16)] * 3)], [], "neuron 0 has the delay 16; it must be 1 to 15"),
    ([_core()], [("a", 7)], "input 0 sends"),
    ([_core(types=np.array([0, 1, 4]))], [], "types must be 3 numbers from 0 to 3"),
    ([_core(weights=np.full((3, 4), 256))], [], "weights must be 3 x 4 integers from -256 to 255"),
    ([_core(crossbar=np.full((3, 3), 2))], [], "crossbar"),
    ([_core(stochastic=np.eye(3, dtype=int))], [], "stochastic must be 3 x 4 bits"),
    ([], [], "there are none"),
])
def test_cores_that_do_not_fit_are_refused(cores: list[Core], inputs: list[tuple[str, int]], message: str) -> None:
    with pytest.raises(RanvierError, match=message):
        build_network(cores, inputs)
