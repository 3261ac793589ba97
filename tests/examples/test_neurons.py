"""The examples of neurons: recordings are read with care, the axon is NEURON's, Izhikevich's twenty behaviours are what their names say."""

from __future__ import annotations

import importlib
import struct
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ranvier import Network, Population, RanvierError, simulate
from ranvier.model.neurons.squid_axon import run_axon

NEURONS = Path(__file__).resolve().parents[2] / "examples" / "neurons"


def _load(name: str) -> Any:
    """Import `examples/neurons/<name>.py`: the examples are not a package, and import one another by name."""
    sys.path.insert(0, str(NEURONS))
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove(str(NEURONS))


axon, behaviours, cell, in_rtl, recordings, sheet, squid = (
    _load(name) for name in ("axon", "behaviours", "cell", "in_rtl", "recordings", "sheet", "squid"))

# Recordings


def _wave(samples: list[float], note: bytes, order: str = ">", kind: int = 2, version: int = 5) -> bytes:
    """An Igor binary wave, written from the format's description: 0.25 ms between samples, in pA."""
    header = struct.pack(order + "hhiii", version, 0, 320 + 4 * len(samples), 0, len(note)).ljust(64, b"\0")
    wave = bytearray(320)
    struct.pack_into(order + "ih", wave, 12, len(samples), kind)
    struct.pack_into(order + "4i", wave, 68, len(samples), 0, 0, 0)
    struct.pack_into(order + "d", wave, 84, 0.00025)
    wave[148:150] = b"pA"
    return header + bytes(wave) + np.array(samples, order + "f4").tobytes() + note


@pytest.mark.parametrize("order", [">", "<"])
def test_a_wave_is_read_in_either_byte_order(order: str) -> None:
    wave = recordings.read_wave(_wave([1.5, -2.25, 7], b"TYPE:pulse;", order), "wave")
    assert (wave.samples.tolist(), wave.dt, wave.unit, wave.note) == ([1.5, -2.25, 7], 0.00025, "pA", "TYPE:pulse;")


@pytest.mark.parametrize(("data", "word"), [
    (b"", "no Igor binary wave"), (_wave([1], b"", version=2), "no Igor binary wave"), (_wave([1], b"", kind=4), "single precision"),
    (_wave([1, 2, 3], b"note")[:-5], "ends before")])
def test_what_is_no_such_wave_is_refused_by_name(data: bytes, word: str) -> None:
    with pytest.raises(RanvierError, match=f"B6.ibw: .*{word}"):
        recordings.read_wave(data, "B6.ibw")


def test_another_archive_is_refused_before_it_is_opened(tmp_path: Path) -> None:
    other = tmp_path / "other.tar.gz"
    other.write_bytes(b"no archive at all")
    with pytest.raises(RanvierError, match="not bluepyefe-2.3.63.tar.gz as published"):
        recordings.read_cells(other)
    with pytest.raises(RanvierError, match="cannot be read"):
        recordings.read_cells(tmp_path / "missing")


def test_a_wrong_archive_ends_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["cell.py", "--archive", str(tmp_path / "missing"), "-o", str(tmp_path / "out")])
    with pytest.raises(SystemExit) as ended:
        cell.main()
    said = capsys.readouterr().err
    assert ended.value.code == 2 and said.startswith("cell: ") and said.count("\n") == 1 and not (tmp_path / "out").exists()


def test_a_spike_is_an_upward_crossing() -> None:
    membrane = np.array([-70, -30, -20, 10, -60, -21, -60, 30.0, -70])
    assert recordings.spike_times(membrane, 0.25).tolist() == [0.5, 1.75]


# The fitted cell

#: As `examples/neurons/cell.py` fitted cell B8, rounded.
B8 = cell.Neuron(tau=23.9, rheobase=75.05, reset=-1.234, b=0.0017647, tau_w=162.1)


def test_the_fabrics_adaptive_neuron_is_the_one_that_was_fitted() -> None:
    """Counts are equal and first spikes a step apart at most; without the adaptation they are far from it."""
    currents = [94.0, 141.0, 184.0, 228.0, 275.0]
    run = simulate(cell.fabric_network(B8, currents), {}, 8000)
    found = cell.outcomes(run.spikes["cell"][0], B8.dt)
    wanted = cell.outcomes(cell.run_float([B8], currents, 8000)[:, 0], B8.dt)
    assert [o.count for o in found] == pytest.approx([o.count for o in wanted], abs=1)
    assert np.abs(np.array([o.latency for o in found]) - [o.latency for o in wanted]).max() <= B8.dt
    assert all(o.count > 0 for o in found)
    assert not run.clamps["cell"].any()


def test_a_fit_finds_the_neuron_that_made_the_spikes(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("_CANDIDATES", 100), ("_BEST", 12), ("_ROUNDS", 8)):
        monkeypatch.setattr(cell, name, value)
    truth = cell.Neuron(tau=20.0, rheobase=60.0, reset=0.2)
    currents, length = [70.0, 100.0, 150.0], 1600
    times = [(np.flatnonzero(column) + 1) * truth.dt for column in cell.run_float([truth], currents, length)[:, 0].T]
    steps = [recordings.Step(current, truth.dt, 0, length, np.zeros(length), spikes)
             for current, spikes in zip(currents, times, strict=True)]
    fitted = cell.outcomes(cell.run_float([cell.fit(steps, adaptive=False)], currents, length)[:, 0], truth.dt)
    for found, spikes in zip(fitted, times, strict=True):
        assert found.count == pytest.approx(len(spikes), rel=0.1)
        assert found.latency == pytest.approx(spikes[0], abs=2)


# The axon

TRACE = np.load(NEURONS / "squid.npz")
#: uA/cm2 of 0.1 nA through a cylinder of 10 x 10 um.
DENSITY = 0.1e-3 / (np.pi * 10 * 10 * 1e-8)


def _clamp(t: float) -> float:
    return DENSITY if 10 <= t < 90 else 0.0


def test_runge_kutta_and_neuron_meet_as_steps_become_small() -> None:
    """NEURON's second order at equal dt: the spike times come to 1e-3 ms of each other, each halving by about a quarter."""
    apart = [np.abs(axon.spike_times(axon.runge_kutta, _clamp, dt, 100) - TRACE["crank_nicolson"][k]).max()
             for k, dt in enumerate(TRACE["dt"][:3])]
    assert apart[2] < 1e-3
    assert all(3 < before / after < 6 for before, after in zip(apart, apart[1:], strict=False))


def test_the_membrane_is_neurons_too() -> None:
    dt = 0.0125
    states = axon.trace(axon.runge_kutta, _clamp, dt, round(100 / dt))
    assert np.abs(states[::round(0.1 / dt), 0] - TRACE["v"]).max() < 0.1


@pytest.mark.parametrize(("method", "order"), [("runge_kutta", 4), ("exponential_euler", 1)])
def test_the_order_of_convergence(method: str, order: int) -> None:
    """The membrane after the first spike against one of a much smaller step: each halving divides the error by 2 to the order."""
    step = getattr(axon, method)
    exact = axon.trace(axon.runge_kutta, _clamp, 0.003125, 6400)[-1, 0]
    errors = [abs(axon.trace(step, _clamp, dt, round(20 / dt))[-1, 0] - exact) for dt in (0.025, 0.0125, 0.00625)]
    for before, after in zip(errors, errors[1:], strict=False):
        assert np.log2(before / after) == pytest.approx(order, abs=0.15)


def test_exponential_euler_comes_to_neurons_spikes() -> None:
    """Of first order, so that twice the times of half a step minus those of the whole step are of second."""
    whole, half = (axon.spike_times(axon.exponential_euler, _clamp, dt, 100) for dt in (0.00625, 0.003125))
    limit = (4 * TRACE["crank_nicolson"][-1] - TRACE["crank_nicolson"][-2]) / 3
    assert np.abs(2 * half - whole - limit).max() < 1e-3


# Izhikevich's behaviours


@pytest.fixture(scope="module")
def run() -> dict[str, dict[str, Any]]:
    """Of every behaviour, in integers: spike times in ms, v in mV of its own steps, times, stimulus without its constant part."""
    network, inputs, steps = behaviours.behaviour_network()
    done = simulate(network, inputs, steps)
    found = {}
    for n, behaviour in enumerate(behaviours.BEHAVIOURS):
        spikes = done.spikes["cells"][0, :behaviour.steps, n] != 0
        t, v = np.arange(behaviour.steps) * behaviour.dt, done.membranes["cells"][0, :behaviour.steps, n]
        found[behaviour.name] = {"times": t[spikes], "t": t, "v": v / 2 ** (behaviours.STATE_BITS - 8),
                                 "exact": t[behaviours.float_run(behaviour)[2]]}
    return found


def _gaps(times: Any) -> Any:
    return np.diff(times)


def _bursts(times: Any, gap: float) -> list[int]:
    """Spikes of each burst: what is closer than ``gap`` ms belongs together."""
    return [len(part) for part in np.split(times, np.flatnonzero(np.diff(times) > gap) + 1)]


def test_counts_and_times_are_those_of_double_precision(run: dict[str, dict[str, Any]]) -> None:
    for name, found in run.items():
        assert len(found["times"]) == len(found["exact"]) > 0, name
        assert np.abs(found["times"] - found["exact"]).max() <= 2, name


def test_tonic_spiking(run: dict[str, dict[str, Any]]) -> None:
    """Spikes as long as the current is on, in the end evenly."""
    times = run["tonic spiking"]["times"]
    assert times[0] > 10 and len(times) >= 4 and _gaps(times)[-1] == pytest.approx(_gaps(times)[-2], rel=0.05)


def test_phasic_spiking(run: dict[str, dict[str, Any]]) -> None:
    """One spike at the beginning of a current that stays."""
    assert len(run["phasic spiking"]["times"]) == 1 and 20 < run["phasic spiking"]["times"][0] < 60


def test_tonic_bursting(run: dict[str, dict[str, Any]]) -> None:
    """Burst after burst as long as the current is on."""
    bursts = _bursts(run["tonic bursting"]["times"], 15)
    assert len(bursts) >= 4 and min(bursts[:-1]) >= 3


def test_phasic_bursting(run: dict[str, dict[str, Any]]) -> None:
    """One burst at the beginning of a current that stays."""
    times = run["phasic bursting"]["times"]
    assert len(_bursts(times, 15)) == 1 and len(times) >= 3 and times[-1] < 100


def test_mixed_mode(run: dict[str, dict[str, Any]]) -> None:
    """A burst first, then single spikes."""
    bursts = _bursts(run["mixed mode"]["times"], 15)
    assert bursts[0] >= 2 and len(bursts) >= 3 and set(bursts[1:]) == {1}


def test_spike_frequency_adaptation(run: dict[str, dict[str, Any]]) -> None:
    """The gaps between spikes grow."""
    gaps = _gaps(run["spike frequency adaptation"]["times"])
    assert len(gaps) >= 4 and np.all(np.diff(gaps) > 0) and gaps[-1] > 5 * gaps[0]


def test_class_1_excitability(run: dict[str, dict[str, Any]]) -> None:
    """A current that grows makes a rate that grows from almost nothing."""
    gaps = _gaps(run["class 1 excitable"]["times"])
    assert np.all(np.diff(gaps) < 0) and gaps[0] > 2 * gaps[-1]


def test_class_2_excitability(run: dict[str, dict[str, Any]]) -> None:
    """Spikes begin with a high rate: the first gap is not twice the last, though the current has grown for as long again."""
    gaps = _gaps(run["class 2 excitable"]["times"])
    assert len(gaps) >= 10 and gaps[0] < 2 * gaps[-1] and gaps[0] < 30


def test_spike_latency(run: dict[str, dict[str, Any]]) -> None:
    """The spike comes long after the pulse of 3 ms from 10 ms on has ended."""
    times = run["spike latency"]["times"]
    assert len(times) == 1 and times[0] > 13 + 5


def test_subthreshold_oscillation(run: dict[str, dict[str, Any]]) -> None:
    """After the one spike v swings around its rest, less and less."""
    found = run["subthreshold oscillation"]
    assert len(found["times"]) == 1
    after = found["v"][found["t"] > found["times"][0] + 10]
    rest = found["v"][found["t"] < 20][-1]
    turns = np.flatnonzero(np.diff(np.sign(np.diff(after[np.r_[True, np.diff(after) != 0]]))))
    swings = np.abs(np.diff(after[np.r_[True, np.diff(after) != 0]][turns + 1]))
    assert after.max() > rest > after.min() and swings[0] > 0.3 and swings[1] < swings[0]


def test_resonator(run: dict[str, dict[str, Any]]) -> None:
    """Of two pairs of pulses, 20 and 40 ms apart, only that with the neuron's own period makes it spike."""
    times = run["resonator"]["times"]
    assert len(times) == 1 and times[0] > 320


def test_integrator(run: dict[str, dict[str, Any]]) -> None:
    """Of two pairs of pulses only the closer one makes it spike."""
    times = run["integrator"]["times"]
    assert len(times) == 1 and 100 / 11 + 5 < times[0] < 70


def test_rebound_spike(run: dict[str, dict[str, Any]]) -> None:
    """An inhibitory pulse from 20 to 25 ms, and a spike once it has ended."""
    times = run["rebound spike"]["times"]
    assert len(times) == 1 and times[0] > 25


def test_rebound_burst(run: dict[str, dict[str, Any]]) -> None:
    """An inhibitory pulse, and a burst once it has ended."""
    times = run["rebound burst"]["times"]
    assert len(_bursts(times, 15)) == 1 and len(times) >= 3 and times[0] > 25


def test_threshold_variability(run: dict[str, dict[str, Any]]) -> None:
    """The same pulse makes no spike at 10 ms, and one at 80 ms, soon after an inhibitory one."""
    times = run["threshold variability"]["times"]
    assert len(times) == 1 and times[0] > 80


def test_bistability(run: dict[str, dict[str, Any]]) -> None:
    """A pulse makes it spike on and on, and another ends that."""
    found = run["bistability"]
    times = found["times"]
    assert times[0] > 37.5 and len(times) >= 4 and _gaps(times).max() < 45 and found["t"][-1] - times[-1] > 2 * 45


def test_depolarising_afterpotential(run: dict[str, dict[str, Any]]) -> None:
    """After the spike v rises above its rest once more, instead of falling below."""
    found = run["depolarising afterpotential"]
    assert len(found["times"]) == 1
    after = found["v"][found["t"] > found["times"][0] + 0.5]
    assert after[0] < after.max() - 1 and after.max() > -60 and after.min() > -71


def test_accommodation(run: dict[str, dict[str, Any]]) -> None:
    """A current that grows slowly to 8 makes no spike, one that grows fast to 4 does."""
    times = run["accommodation"]["times"]
    assert len(times) == 1 and times[0] > 300


def test_inhibition_induced_spiking(run: dict[str, dict[str, Any]]) -> None:
    """It spikes while it is inhibited, from 50 to 250 ms, and only then."""
    times = run["inhibition-induced spiking"]["times"]
    assert len(times) >= 3 and times[0] > 50 and times[-1] < 255 and _gaps(times).min() > 20


def test_inhibition_induced_bursting(run: dict[str, dict[str, Any]]) -> None:
    """It bursts while it is inhibited; the last burst may begin as the inhibition ends."""
    times = run["inhibition-induced bursting"]["times"]
    bursts = _bursts(times, 15)
    assert len(bursts) >= 2 and min(bursts) >= 3 and times[0] > 50 and times[-1] < 275


# The sheet


def test_the_sheets_noise_and_weights_have_the_papers_distributions() -> None:
    current = (sheet.noise(200) - sheet.MIDDLE) * sheet.NOISE_WEIGHTS * sheet.UNIT
    for part, deviation in ((current[:, :800], 5), (current[:, 800:], 2)):
        assert part.mean() == pytest.approx(0, abs=4 * deviation / np.sqrt(part.size))
        assert part.std() == pytest.approx(deviation, rel=0.02)
    _, weights = sheet.draw_cells()
    assert weights[:800].min() == 0 and weights[:800].max() == 64 and weights[800:].min() == -128 and weights[800:].max() == 0


def test_the_sheet_spikes_as_in_double_precision() -> None:
    """Until its first burst, 45 ms, after which two runs of a chaotic network part."""
    counts = sheet.noise(45)
    found = simulate(sheet.sheet_network(), counts[None], 45).spikes["cells"][0].sum()
    exact = sheet.float_sheet(counts).sum()
    assert found == pytest.approx(exact, rel=0.15)
    assert found > 300


# The axon in integers


def test_the_librarys_axon_is_this_one() -> None:
    """Written apart, the same equations: Runge-Kutta's membranes of 20 ms and a spike are equal but for rounding."""
    dt, steps = 0.025, 800
    current = np.array([_clamp((step + 0.5) * dt) for step in range(steps)])[:, None]
    found = run_axon({"e_l": axon.E_L}, current, dt)
    wanted = axon.trace(axon.runge_kutta, _clamp, dt, steps)[1:]
    assert found.v.max() > 30
    for n, values in enumerate((found.v, found.m, found.h, found.n)):
        assert np.abs(values[:, 0] - wanted[:, n]).max() < 1e-6


def test_the_clamped_axon_spikes_as_in_double_precision() -> None:
    network, counts, steps = squid.clamp_network(24)
    spikes = np.flatnonzero(simulate(network, counts, steps).spikes["axon"][0, :, 0])
    exact = np.flatnonzero(squid.float_clamp(24).spikes[:, 0])
    assert len(spikes) == len(exact) == 2
    assert np.abs(spikes - exact).max() * squid.STEP_MS <= 0.05


def test_rates_are_those_between_the_first_and_the_last_spike() -> None:
    steps = round(squid.DURATION_MS / squid.STEP_MS)
    spikes = np.zeros((steps, 2), bool)
    spikes[[100, 8000, 9000, 10000], 0] = True
    assert squid.rates(spikes) == pytest.approx([100, 0])


def test_a_quadratic_integrate_and_fire_neuron_is_izhikevichs_without_recovery() -> None:
    """With a = b = d = 0, v' = k_2 (v - v_1) (v - v_2) + I; far above the rheobase its rate is that of the root of the current."""
    rheobase = 5 ** 2 / (4 * 0.04) - 140
    currents = rheobase + np.array([1.0, 4.0, 16.0])
    cells = Population("cells", 3, "izhikevich", a=0, b=0, c=-100, d=0, u_0=0, v_0=-100, dt=0.05, current=currents)
    spikes = simulate(Network((cells,), (), state_bits=24, weight_bits=2), {}, 4000).spikes["cells"][0]
    for n, current in enumerate(currents):
        gaps = np.diff(np.flatnonzero(spikes[:, n])) * 0.05
        root = np.sqrt(0.04 * (current - rheobase))
        wanted = sum(np.arctan(0.04 * x / root) for x in (30 + 62.5, -(-100 + 62.5))) / root
        assert len(gaps) > 3
        assert gaps.mean() == pytest.approx(wanted, rel=0.05)


# Model and RTL


@pytest.mark.verify
@pytest.mark.whole
def test_the_examples_are_the_same_in_rtl() -> None:
    """The behaviours in all their steps, the axon until its second spike, the fitted cell in 1,000 steps: every word and clock."""
    network, inputs, steps = behaviours.behaviour_network()
    assert in_rtl.check_in_rtl(network, {"stimulus": inputs}, steps).golden.spikes["cells"].any()
    network, counts, steps = squid.clamp_network(24)
    assert in_rtl.check_in_rtl(network, {"clamp": counts}, steps).golden.spikes["axon"].sum() == 2
    assert in_rtl.check_in_rtl(cell.fabric_network(B8, [94.0, 275.0]), {}, 1000).golden.spikes["cell"].any()
