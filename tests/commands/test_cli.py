"""The command line: help, the way from file to report, JSON, and one line for every mistake."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from ranvier import Result as DeviceResult
from ranvier import __version__, cli
from ranvier.device.remote import LinkBackend as RemoteBackend
from ranvier.files.network import load_network, save_network
from ranvier.model.network.network import Network
from ranvier.model.network.population import Population
from ranvier.model.network.projection import Projection
from tests.command_line import Result, Run, runner

INPUTS, HIDDEN, CLASSES, PICTURES = 16, 12, 3, 24


@pytest.fixture
def ranvier(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """The command `ranvier` in this process."""
    return runner(monkeypatch, capsys)


def dense_onnx(path: Path, *, bad: float | None = None, relu: bool = False) -> Path:
    """A small chain Gemm, Clip (or Relu), Gemm with random weights."""
    rng = np.random.default_rng(3)
    first = rng.normal(0, 0.5, (INPUTS, HIDDEN)).astype(np.float32)
    if bad is not None:
        first[2, 3] = bad
    tensors = {"w": first, "b": rng.normal(0, 0.1, HIDDEN).astype(np.float32), "lo": np.float32(0), "hi": np.float32(1),
               "v": rng.normal(0, 0.5, (HIDDEN, CLASSES)).astype(np.float32), "c": np.zeros(CLASSES, np.float32)}
    nodes = [helper.make_node("Gemm", ["x", "w", "b"], ["y"], "hidden"),
             helper.make_node("Relu", ["y"], ["z"]) if relu else helper.make_node("Clip", ["y", "lo", "hi"], ["z"], "clip"),
             helper.make_node("Gemm", ["z", "v", "c"], ["logits"], "output")]
    graph = helper.make_graph(nodes, "g", [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", INPUTS])],
                              [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", CLASSES])],
                              [numpy_helper.from_array(np.asarray(value), name) for name, value in tensors.items()])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


@dataclass(frozen=True)
class Files:
    """A folder with a network on its way: ONNX, pictures with labels, and the converted network."""

    folder: Path
    onnx: Path
    pictures: Path
    network: Path


@pytest.fixture
def files(tmp_path: Path, ranvier: Run) -> Files:
    rng = np.random.default_rng(5)
    found = Files(tmp_path, dense_onnx(tmp_path / "m.onnx"), tmp_path / "p.npz", tmp_path / "n.ranvier")
    np.savez(found.pictures, pictures=rng.integers(0, 256, (PICTURES, INPUTS), np.uint8),
             labels=rng.integers(0, CLASSES, PICTURES))
    done = ranvier("convert", found.onnx, "--calibrate", found.pictures, "-o", found.network)
    assert done.code == 0, done.err
    return found


def assert_refused(result: Result, *words: str) -> None:
    """Exit code 2 and one line that begins with 'error:' and has the words; else only bars of steps that ended well."""
    assert result.code == 2, (result.code, result.err)
    lines = [line for line in result.err.splitlines() if line.strip() and "━ 100/100 " not in line]
    assert len(lines) == 1 and lines[0].startswith("error: "), result.err
    for word in words:
        assert word in lines[0], f"{word!r} is not in {lines[0]!r}"
    assert result.out == ""


# Help


@pytest.mark.parametrize("name", sorted(cli.cli.commands))
def test_help_has_an_example(ranvier: Run, name: str) -> None:
    done = ranvier(name, "--help")
    assert done.code == 0 and "Example" in done.out and f"  ranvier {name}" in done.out and "--json" in done.out


def test_help_and_version(ranvier: Run) -> None:
    assert all(name in ranvier("--help").out for name in ("convert", "run", "report", "demo", "verify", "doctor"))
    assert __version__ in ranvier("--version").out
    assert ranvier().code == 2


def test_module_and_command_are_one(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-m", "ranvier", "report", str(tmp_path)], capture_output=True, text=True, check=False)
    assert_refused(Result(done.returncode, done.stdout, done.stderr), "report.json")
    script = Path(sys.executable).with_name("ranvier")
    told = subprocess.run([script, "--version"], capture_output=True, text=True, check=True).stdout
    assert told == f"ranvier, version {__version__}\n"


# The way from file to report


def test_from_onnx_to_report(ranvier: Run, files: Files) -> None:
    out = files.folder / "out"
    ran = ranvier("run", files.network, "--input", files.pictures, "-o", out)
    assert ran.code == 0 and "accuracy" in ran.out and "clocks per sample" in ran.out
    shown = ranvier("report", out)
    assert shown.code == 0 and "accuracy" in shown.out
    with np.load(out / "readouts.npz") as saved:
        assert saved["readouts"].shape == (PICTURES, CLASSES)
        np.testing.assert_array_equal(saved["classes"], saved["readouts"].argmax(axis=1))
    assert not [path for path in files.folder.rglob("*") if path.name.startswith(".")]


def test_convert_prints_the_layers_and_the_semantics(ranvier: Run, files: Files) -> None:
    done = ranvier("convert", files.onnx, "--calibrate", files.pictures, "-o", files.network)
    assert "worst layer: " in done.out and "semantics of hidden (if): " in done.out and "subtract" in done.out
    for words in ("accuracy of the conventional network", "spiking network, 1 tick ", "8 ticks", "calibration samples used"):
        assert words in done.out and done.out.index(words) < done.out.index("activation error")
    assert load_network(files.network).weight_bits == 4


def test_json(ranvier: Run, files: Files) -> None:
    out = files.folder / "out"
    converted = ranvier("convert", files.onnx, "--calibrate", files.pictures, "-o", files.network, "--json").json
    assert converted["network"] == str(files.network) and converted["worst"] and len(converted["layers"]) == 2
    assert converted["accuracy"]["measure"] == "accuracy" and list(converted["accuracy"]["spiking"]) == ["1", "2", "4", "8"]
    assert len(converted["advice"]) == len(converted["advice_lines"]) and not any("=" in line for line in converted["advice_lines"])
    ran = ranvier("run", files.network, "--input", files.pictures, "--ticks", 6, "--limit", 10, "-o", out, "--json").json
    assert ran["ticks"] == 6 and ran["samples"] == 10 and 0 <= ran["accuracy"] <= 1 and ran["counters"]["spikes"] > 0
    assert ran["semantics"]["hidden"]["strict"] is False and ran["clocks_per_sample_stream"] > 0
    assert ranvier("report", out, "--json").json == ran
    assert {finding["name"] for finding in ranvier("doctor", "--json").json} >= {"python", "verilator", "g++"}


def test_ticks_come_from_the_network(ranvier: Run, files: Files) -> None:
    ranvier("convert", files.onnx, "--ticks", 7, "-o", files.network)
    assert ranvier("run", files.network, "--input", files.pictures, "--json").json["ticks"] == 7


def test_every_number_of_cores_gives_the_same_readouts(ranvier: Run, files: Files) -> None:
    found = []
    for cores, lanes in ((1, 4), (4, 8), (5, 64), (16, 64)):
        out = files.folder / f"{cores}x{lanes}"
        done = ranvier("run", files.network, "--input", files.pictures, "--cores", cores, "--lanes", lanes, "-o", out)
        assert done.code == 0, done.err
        with np.load(out / "readouts.npz") as saved:
            found.append(saved["readouts"])
    assert all(np.array_equal(found[0], other) for other in found[1:])


# RTL: these two share one small fabric, and one more build that can draw


def test_rtl_equals_the_model(ranvier: Run, files: Files) -> None:
    golden = ranvier("run", files.network, "--input", files.pictures, "--cores", 1, "--lanes", 4, "--json").json
    rtl = ranvier("run", files.network, "--on", "fabric:", "--input", files.pictures, "--compare", "golden:", "--cores", 1,
                  "--lanes", 4, "--json")
    assert rtl.code == 0 and rtl.json["rtl_mismatches"] == 0 and rtl.json["rtl_samples"] == PICTURES
    for same in ("accuracy", "counters", "clocks_per_sample_stream", "weight_limit_share"):
        assert rtl.json[same] == golden[same], same


def test_fault_is_found_and_kept(ranvier: Run, files: Files) -> None:
    out = files.folder / "out"
    done = ranvier("run", files.network, "--on", "fabric:", "--input", files.pictures, "--compare", "golden:", "--inject-fault",
                   "--cores", 1, "--lanes", 4, "-o", out, "--json")
    assert done.code == 1
    mismatch = done.json["mismatch"]
    population = {p.name: p for p in load_network(files.network).populations}[mismatch["population"]]
    assert mismatch["tick"] >= 0 and 0 <= mismatch["neuron"] < population.size and mismatch["expected"] != mismatch["found"]
    line = next(line for line in done.err.splitlines() if line.startswith("MISMATCH: "))
    for word in (f"tick {mismatch['tick']} ", f"population {population.name}", f"neuron {mismatch['neuron']}",
                 f"expected {mismatch['expected']}", f"found {mismatch['found']}"):
        assert word in line
    kept = {Path(path).name for path in mismatch["reproducer"]}
    assert kept == {"network.ranvier", "input.npz", "fabric.json", "mismatch.json", "waveform.vcd"}
    assert all(f"  kept: {path}" in done.err and Path(path).stat().st_size > 50 for path in mismatch["reproducer"])
    assert "$enddefinitions" in (out / "mismatch" / "waveform.vcd").read_text()
    assert ranvier("report", out).code == 0


# Mistakes


def convert(ranvier: Run, files: Files, *, model: Path | None = None, calibrate: Path | None = None,
            output: Path | None = None) -> Result:
    output = output or files.folder / "new.ranvier"
    before = sorted(files.folder.rglob("*"))
    done = ranvier("convert", model or files.onnx, "--calibrate", calibrate or files.pictures, "-o", output)
    assert sorted(files.folder.rglob("*")) == before, "something was written"
    return done


def run(ranvier: Run, files: Files, *more: object, network: Path | None = None, pictures: Path | None = None) -> Result:
    out = files.folder / "out"
    done = ranvier("run", network or files.network, "--input", pictures or files.pictures, "-o", out, *more)
    assert not out.exists() or not list(out.iterdir()), "something was written"
    return done


@pytest.mark.parametrize("name", ["m", "p"])
def test_convert_refuses_missing_files_and_folders(ranvier: Run, files: Files, name: str) -> None:
    option = {"m": "model", "p": "calibrate"}[name]
    assert_refused(convert(ranvier, files, **{option: files.folder / "no.such"}), "no.such", "no such file")
    assert_refused(convert(ranvier, files, **{option: files.folder}), str(files.folder), "regular file")
    truncated = files.folder / "cut"
    truncated.write_bytes(getattr(files, {"m": "onnx", "p": "pictures"}[name]).read_bytes()[:200])
    assert_refused(convert(ranvier, files, **{option: truncated}), "cut")


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_convert_refuses_weights_that_are_no_numbers(ranvier: Run, files: Files, bad: float) -> None:
    assert_refused(convert(ranvier, files, model=dense_onnx(files.folder / "bad.onnx", bad=bad)), "bad.onnx", "'w'")


def test_convert_refuses_calibration_of_another_shape(ranvier: Run, files: Files) -> None:
    other = files.folder / "other.npz"
    np.savez(other, pictures=np.zeros((5, INPUTS + 1), np.uint8))
    assert_refused(convert(ranvier, files, calibrate=other), "other.npz", f"(n, {INPUTS})")


def test_convert_refuses_a_relu_without_calibration(ranvier: Run, files: Files) -> None:
    """The step's bar has begun by then, and goes."""
    done = ranvier("convert", dense_onnx(files.folder / "relu.onnx", relu=True), "-o", files.folder / "new.ranvier")
    assert_refused(done, "relu.onnx", "--calibrate")
    assert done.err.count("\n") == 1
    assert not (files.folder / "new.ranvier").exists()


def test_convert_says_what_the_inputs_and_the_answer_mean(ranvier: Run, files: Files) -> None:
    done = ranvier("convert", files.onnx, "--calibrate", files.pictures, "--samples", "pictures", "--labels", "labels", "--mean", "0.5",
                   "--std", "0.25,0.5", "--input-range", "-1", "300", "--answer", "class", "-o", files.network)
    assert done.code == 0, done.err
    assert load_network(files.network).info["input"] == {"range": [-1.0, 300.0], "mean": [0.5], "std": [0.25, 0.5]}
    assert ranvier("run", files.network, "--input", files.pictures, "--samples", "pictures", "--labels", "labels").code == 0
    for options, words in ((("--mean", "x"), "--mean is 'x'"), (("--std", "0"), "std: 0"), (("--answer", "binary"), "3 outputs"),
                           (("--input-range", "0", "16"), "--input-range LOW HIGH"), (("--mean", "1,2,3"), "mean: 3 numbers")):
        assert_refused(ranvier("convert", files.onnx, "--calibrate", files.pictures, *options, "-o", files.network), words)
    assert_refused(ranvier("convert", files.onnx, "--labels", "y", "-o", files.network), "--calibrate")


def test_convert_cannot_write(ranvier: Run, files: Files) -> None:
    assert_refused(convert(ranvier, files, output=files.folder / "none" / "n.ranvier"), "n.ranvier", "cannot be written")
    assert_refused(convert(ranvier, files, output=files.pictures / "n.ranvier"), "n.ranvier", "cannot be written")
    assert_refused(convert(ranvier, files, output=files.folder), "cannot be written")


def test_run_refuses_missing_files_and_folders(ranvier: Run, files: Files) -> None:
    for wrong, word in ((files.folder / "no.such", "no such file"), (files.folder, "regular file"), (files.onnx, "zip")):
        assert_refused(run(ranvier, files, network=wrong), str(wrong), word)
        assert_refused(run(ranvier, files, pictures=wrong), str(wrong), "npz" if word == "zip" else word)


@pytest.mark.parametrize(("pictures", "words"), [
    (np.zeros((4, INPUTS - 1), np.uint8), f"(n, {INPUTS})"),
    (np.zeros((0, INPUTS), np.uint8), "n at least 1"),
    (np.full((4, INPUTS), 300), "0 to 255"),
    (np.full((4, INPUTS), np.nan), "NaN"),
    (np.full((4, INPUTS), 7.0), "0 to 1"),
])
def test_run_refuses_wrong_pictures(ranvier: Run, files: Files, pictures: Any, words: str) -> None:
    wrong = files.folder / "wrong.npz"
    np.savez(wrong, pictures=pictures)
    assert_refused(run(ranvier, files, pictures=wrong), "wrong.npz", words)


def test_run_refuses_a_network_that_does_not_fit(ranvier: Run, files: Files) -> None:
    """One row of it needs more weight words than a weight memory can have: which memory, how much, what would help."""
    inputs = (1 << 16) + 8
    network = Network((Population("input", (1, 1, inputs), "input", {"theta": 255, "v_min": 0, "v_max": 255}),
                       Population("out", (1, 1, 4), "li", {"v_min": -100, "v_max": 100})),
                      (Projection.dense("input", "out", np.eye(inputs, 4, dtype=np.int64)),), state_bits=20)
    large, pictures = files.folder / "large.ranvier", files.folder / "large.npz"
    save_network(network, large)
    np.savez(pictures, pictures=np.zeros((1, inputs), np.uint8))
    assert_refused(run(ranvier, files, "--on", "fabric:", network=large, pictures=pictures), "large.ranvier", "weight", str(inputs),
                   str(1 << 16), "use ")


def test_run_refuses_several_inputs(ranvier: Run, files: Files) -> None:
    parts = [Population(name, (1, 1, 4), "input", {"theta": 255, "v_min": 0, "v_max": 255}) for name in "ab"]
    save_network(Network((*parts, Population("out", (1, 1, 2), "li")), ()), files.folder / "two.ranvier")
    assert_refused(run(ranvier, files, network=files.folder / "two.ranvier"), "two.ranvier", "2 input populations")


def test_run_cannot_write(ranvier: Run, files: Files) -> None:
    done = ranvier("run", files.network, "--input", files.pictures, "-o", files.pictures)
    assert_refused(done, str(files.pictures))
    assert_refused(ranvier("run", files.network, "--input", files.pictures, "-o", files.pictures / "x"), str(files.pictures))


def test_run_on_the_model_has_nothing_to_compare(ranvier: Run, files: Files) -> None:
    assert_refused(run(ranvier, files, "--compare", "golden:"), "--on rtl:, serial:PORT or fabric:")
    assert_refused(run(ranvier, files, "--inject-fault"), "--on rtl:, serial:PORT or fabric:")
    assert_refused(run(ranvier, files, "--on", "rtl:", "--inject-fault"), "--on fabric:")
    for form in (("--cores", 2), ("--tailor",)):
        assert_refused(run(ranvier, files, "--on", "serial:/dev/no-such-port", *form), "--cores, --lanes and --tailor are for simulation")


def test_run_tailors_the_fabric_and_names_the_limit(ranvier: Run, files: Files) -> None:
    """Answers stay, clocks do not grow, what is given stays, and without the option nothing is chosen."""
    options = ("run", files.network, "--input", files.pictures)
    standard, free, given = (json.loads(ranvier(*options, *more, "--json").out)
                             for more in ((), ("--tailor",), ("--tailor", "--cores", 2, "--lanes", 8)))
    assert "sizing" not in standard
    assert standard["accuracy"] == free["accuracy"] == given["accuracy"]
    assert free["clocks_per_sample_stream"] < standard["clocks_per_sample_stream"]
    assert (given["fabric"]["cores"], given["fabric"]["core"]["lanes"]) == (2, 8)
    for report in (free, given):
        limit = report["sizing"]["limit"]
        assert limit["name"] == max(("weights", "reads", "sweep"), key=lambda name: limit[name])
    table = ranvier(*options, "--tailor").out
    assert f"{free['sizing']['limit']['name']} (of all clocks: weights " in table and "sweep lanes a core" in table
    assert_refused(run(ranvier, files, "--on", "fabric:", "--baud", 1_000_000), "there is no line")


# Devices. This shares the standard fabric with the tests of devices.


def test_a_device_equals_the_model(ranvier: Run, files: Files) -> None:
    out = files.folder / "out"
    on_device = ("run", files.network, "--on", "rtl:", "--input", files.pictures, "--compare", "golden:")
    done = ranvier(*on_device, "--limit", 6, "--json", "-o", out)
    assert done.code == 0, done.err
    report = done.json
    assert report["mismatches"] == 0 and report["compared_samples"] == 6 and 0 <= report["accuracy"] <= 1
    assert report["board"] == "simulation" and report["clocks_per_sample"] > 0 and report["link"]["overruns"] == 0
    coarse = ranvier(*on_device, "--limit", 2, "--pixel-bits", 4)
    assert coarse.code == 0 and "clocks per sample, each by itself" in coarse.out and "mismatches" in coarse.out
    model = ranvier("run", files.network, "--input", files.pictures, "--limit", 6, "--json", "-o", files.folder / "model").json
    assert model["accuracy"] == report["accuracy"]
    with np.load(out / "readouts.npz") as found, np.load(files.folder / "model" / "readouts.npz") as expected:
        np.testing.assert_array_equal(found["readouts"], expected["readouts"])
    assert ranvier("report", out).code == 0


def test_a_device_that_differs(ranvier: Run, files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first difference is printed and kept."""
    def wrong(backend: RemoteBackend, job: Any, progress: Any) -> DeviceResult:
        found = right(backend, job, progress)
        next(iter(found.readouts.values()))[2, 1] += 5
        return found
    right = RemoteBackend.run
    monkeypatch.setattr(RemoteBackend, "run", wrong)
    out = files.folder / "out"
    done = ranvier("run", files.network, "--on", "rtl:", "--input", files.pictures, "--limit", 3, "--compare", "golden:", "--json",
                   "-o", out)
    assert done.code == 1 and "MISMATCH: readout at sample 2, population " in done.err and ", neuron 1: expected" in done.err
    kept = [Path(path) for path in done.json["mismatch"]["reproducer"]]
    assert {path.name for path in kept} == {"network.ranvier", "input.npz", "fabric.json", "mismatch.json"}
    assert all(path.is_file() for path in kept)


def test_info(ranvier: Run) -> None:
    for target in ("golden:", "rtl:"):
        shown = ranvier("info", target)
        assert shown.code == 0 and "2 cores x 64 lanes" in shown.out and ("baud rate" in shown.out) == (target == "rtl:")
        assert ranvier("info", target, "--json").json["fabric"]["cores"] == 2
    assert isinstance(ranvier("info", "--json").json["ports"], list) and ranvier("info").code == 0
    assert_refused(ranvier("info", "serial:/dev/no-such-port"), "/dev/no-such-port", "there is no such port", "check the cable")
    assert_refused(ranvier("info", "nonsense"), "golden:, rtl: or serial:PORT")
    assert_refused(ranvier("info", "serial:/dev/null"), "cannot be opened as a serial port")


@pytest.mark.parametrize("arguments", [
    ("run",), ("run", "x"), ("nonsense",), ("run", "x", "--input", "y", "--on", "nonsense"), ("convert", "x"),
    ("convert", "x", "-o", "y", "--ticks", "0"), ("convert", "x", "-o", "y", "--weight-bits", "5"), ("report", "x", "y"),
    ("demo", "--pictures", "0"), ("verify", "--networks", "none"), ("doctor", "--loud"),
    ("convert", "x", "-o", "y", "--percentile", "nan"),
])
def test_wrong_arguments(ranvier: Run, arguments: tuple[str, ...]) -> None:
    assert_refused(ranvier(*arguments))


def test_demo_refuses_folders_without_digits(ranvier: Run, files: Files) -> None:
    out = files.folder / "out"
    assert_refused(ranvier("demo", "--digits", files.folder, "-o", out), "digits.onnx")
    assert_refused(ranvier("demo", "--digits", files.onnx, "-o", out), "digits.onnx")
    assert not out.exists()
    assert_refused(ranvier("demo", "-o", files.pictures), str(files.pictures))


def test_file_names_are_shown_as_they_are(ranvier: Run, files: Files) -> None:
    """Brackets are not markup, and a line break does not make a second line."""
    out = files.folder / "[red]a[/b]"
    assert ranvier("run", files.network, "--input", files.pictures, "-o", out).code == 0
    done = ranvier("report", out)
    assert done.code == 0 and "[red]a[/b]" in done.out.replace("\n", "")
    assert_refused(ranvier("report", files.folder / "a\nb"), "report.json")
    assert_refused(ranvier("run", files.network, "--input", files.pictures, "-o", files.pictures / "a\nb"), r"a\nb")
