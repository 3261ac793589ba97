"""One suite over every backend: the model, the device in simulation down to its UART pins, and a board.

A board takes part where ``RANVIER_SERIAL`` names its port.
"""

from __future__ import annotations

import os
import pty
import random
import select
import termios
import threading
import time
import tty
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import ranvier
import ranvier.device.device
from ranvier.commands.demo import find_digits
from ranvier.device import Device, Mismatch, Result, simulation_config
from ranvier.device.golden import GoldenBackend
from ranvier.device.remote import LinkBackend
from ranvier.mapping.mapper import map_network
from ranvier.model.errors import RanvierError
from ranvier.model.fabric.config import CoreConfig, FabricConfig
from ranvier.model.fabric.device_config import DeviceConfig, LinkConfig
from ranvier.model.fabric.image import address, control_address
from ranvier.model.fabric.layout import Control, Counter, Memory
from ranvier.model.link.protocol import FLAG, Command, frame
from ranvier.model.network.network import Network
from ranvier.model.network.population import Population
from ranvier.model.network.projection import Projection
from ranvier.model.run.reference import run_reference
from ranvier.sim.device import SimulatedPort, flipped, symbol_of
from ranvier.verify.random_networks import Inputs, random_inputs, random_network

#: Small enough for quick loading; a short record and little patience, so that runs wait for the host and commands are refused as busy.
#: It opens at the usual rate, from which the tests change to a quick one.
SMALL = DeviceConfig(FabricConfig(cores=2, core=CoreConfig(lanes=4, sweep_lanes=4)), clock_hz=48_000_000, baud=1_000_000,
                     link=LinkConfig(buffer_bytes=1024, record_depth=16, patience_log2=12))
QUICK = 12_000_000
SERIAL = os.environ.get("RANVIER_SERIAL")
TARGETS = ["golden:", "rtl:", *([f"serial:{SERIAL}"] if SERIAL else [])]


@pytest.fixture(scope="module", params=TARGETS)
def device(request: pytest.FixtureRequest) -> Iterator[Device]:
    """Each backend, opened once."""
    more: dict[str, Any] = {} if request.param.startswith("serial:") else {"config": SMALL, "baud": QUICK}
    with Device.open(request.param, **more) as made:
        yield made


def golden_for(device: Device) -> Device:
    """The model of the same fabric."""
    return Device.open("golden:", config=simulation_config(device.identity.fabric))


def drawn(seed: int, fabric: FabricConfig, per_step: bool | None = None, pictures: int = 3, ticks: int = 4) -> tuple[Network, Inputs]:
    """A random network that fits ``fabric``, and inputs for it."""
    for attempt in range(100):
        rng = np.random.default_rng(1000 * seed + attempt)
        network = random_network(rng, fabric, max_neurons=10, max_hidden=3, seed=seed)
        try:
            map_network(network, fabric)
        except RanvierError:
            continue
        return network, random_inputs(rng, network, pictures, ticks, per_step)
    raise AssertionError(f"no network for seed {seed}")


def spiking(network: Network) -> list[str]:
    return [p.name for p in network.populations if p.spiking]


def assert_same(device: Device, network: Network, inputs: Any, ticks: int, **more: Any) -> Result:
    """The device's answer is the golden model's: readouts, spikes, clocks and counters. The golden model's is the reference's."""
    if isinstance(device._backend, GoldenBackend):
        found = device.run(inputs, ticks, **more)
        assert_reference(found, network, inputs, ticks, **more)
        return found
    with golden_for(device) as golden:
        golden.load(network)
        expected = golden.run(inputs, ticks, **more)
    found = device.run(inputs, ticks, **more)
    difference = expected.mismatch(found)
    assert difference is None, f"{network.info}: {difference}"
    return found


#: Multiplications that the reference is asked for at most, about: it makes each of them in Python.
MOST_OPERATIONS = 3_000_000


def assert_reference(found: Result, network: Network, inputs: Any, ticks: int, record: list[str] | None = None,
                     pixel_bits: int | None = None, progress: object = None) -> None:
    """Readouts and spikes are the reference's, of as many pictures as it has time for; of all, the counts of spikes and clamps are too."""
    arrays = dict(inputs) if isinstance(inputs, dict) else {network.inputs[0].name: np.asarray(inputs)}
    if pixel_bits == 4:
        arrays = {name: np.rint(values / 17).astype(np.int64) * 17 for name, values in arrays.items()}
    pictures = len(next(iter(arrays.values())))
    each = ticks * (1 + sum(p.matrix.size for p in network.projections))
    some = min(pictures, max(1, MOST_OPERATIONS // each))
    runs = [run_reference(network, {name: values[n] for name, values in arrays.items()}, ticks) for n in range(some)]
    for n, run in enumerate(runs):
        for name, values in found.readouts.items():
            assert values[n].tolist() == run.readouts[name], f"{network.info}: picture {n}, readout {name}"
        for name, fired in found.spikes.items():
            assert fired[n].astype(int).tolist() == run.spikes[name], f"{network.info}: picture {n}, spikes of {name}"
    if some == pictures:
        spikes = sum(sum(map(sum, steps)) for run in runs for steps in run.spikes.values())
        clamps = sum(sum(steps) for run in runs for steps in run.clamps.values())
        assert found.counters[:, Counter.SPIKES].sum() == spikes and found.counters[:, Counter.CLAMPS].sum() == clamps
    assert found.cycles.shape == (pictures,) and found.cycles.min() > 0


def relay(hidden: int = 6) -> Network:
    """Every input spike shows in the output, which nothing reads but the host."""
    ends = (Population("in", (1, 1, hidden), "input", {"theta": 100, "v_min": 0, "v_max": 255}),
            Population("out", (1, 1, hidden), "if", {"theta": 1, "v_min": 0, "v_max": 3}))
    return Network(ends, (Projection.dense("in", "out", np.eye(hidden, dtype=np.int64)),))


# Answers


@pytest.mark.parametrize("seed", range(8))
def test_random_networks(device: Device, seed: int) -> None:
    network, inputs = drawn(seed, device.identity.fabric)
    device.load(network, verify=seed < 3)
    found = assert_same(device, network, inputs, 4, record=spiking(network))
    assert found.cycles.shape == (3,) and found.counters.shape == (device.identity.fabric.nodes, len(Counter))
    assert list(found.spikes) == spiking(network) and all(values.dtype == np.int64 for values in found.readouts.values())


@pytest.mark.parametrize("seed", range(20, 25))
def test_new_values_in_every_step(device: Device, seed: int) -> None:
    network, inputs = drawn(seed, device.identity.fabric, per_step=True, ticks=6)
    device.load(network)
    assert_same(device, network, inputs, 6, record=spiking(network))


def test_spikes_from_the_host(device: Device) -> None:
    """Bits, one a neuron and step; theta of 1 makes an input neuron pass them on."""
    network = Network((Population("in", (1, 1, 9), "input", {"theta": 1, "v_min": 0, "v_max": 255}),
                       Population("z", (1, 1, 3), "li", {"v_min": -100, "v_max": 100})),
                      (Projection.dense("in", "z", np.arange(27).reshape(9, 3) % 7 - 3),))
    spikes = np.random.default_rng(3).integers(0, 2, (4, 5, 9))
    device.load(network)
    found = assert_same(device, network, spikes, 5, record=["in"], pixel_bits=1)
    np.testing.assert_array_equal(found.spikes["in"], spikes)
    np.testing.assert_array_equal(found.counts["in"], spikes.sum(axis=1))
    with pytest.raises(RanvierError, match="pixel_bits is 1, and a value is 2"):
        device.run(spikes * 2, 5, pixel_bits=1)


@pytest.mark.parametrize("bits", [None, 8, 4])
def test_pixels_of_fewer_bits(device: Device, bits: int | None) -> None:
    network, inputs = drawn(31, device.identity.fabric, per_step=False)
    device.load(network)
    found = assert_same(device, network, inputs, 4, pixel_bits=bits)
    if bits == 4:
        rounded = {name: np.rint(values.astype(float) / 17).astype(int) * 17 for name, values in inputs.items()}
        assert assert_same(device, network, rounded, 4).mismatch(found) is None


def test_what_is_recorded_by_default(device: Device) -> None:
    """Populations that no projection starts from. Nothing of the others comes back."""
    network = relay()
    device.load(network)
    pictures = np.full((2, 6), 200)
    found = assert_same(device, network, pictures, 5)
    assert list(found.spikes) == ["out"] and found.counts["out"].sum() > 0 and found.readouts == {}
    assert assert_same(device, network, pictures, 5, record=[]).spikes == {}


def test_a_long_run_with_a_full_record(device: Device) -> None:
    """More spike words than the record holds: the fabric waits until the host has taken some, and none is lost."""
    network = relay()
    device.load(network)
    found = assert_same(device, network, np.array([[255, 0, 255, 100, 50, 1], [0, 0, 0, 0, 0, 0], [255] * 6]), 150, record=["in", "out"])
    assert found.counts["in"][0, 0] == 150


def test_a_long_run_with_new_values_and_a_full_record(device: Device) -> None:
    network = relay()
    device.load(network)
    assert_same(device, network, np.random.default_rng(2).integers(0, 256, (2, 60, 6)), 60, record=["in", "out"])


def test_a_run_that_takes_longer_than_the_devices_patience(device: Device) -> None:
    network, inputs = drawn(41, device.identity.fabric, per_step=False, ticks=900)
    device.load(network)
    assert assert_same(device, network, inputs, 900, record=[]).cycles.min() > 1 << SMALL.link.patience_log2


def test_more_pictures_than_a_block(device: Device) -> None:
    network, inputs = drawn(51, device.identity.fabric, per_step=False, pictures=140, ticks=1)
    device.load(network)
    done: list[tuple[int, int]] = []
    assert_same(device, network, inputs, 1, progress=lambda n, total: done.append((n, total)))
    assert done[-1] == (140, 140)


def test_networks_one_after_the_other_and_resets(device: Device) -> None:
    for seed in (61, 62, 61):
        network, inputs = drawn(seed, device.identity.fabric)
        device.load(network)
        first = assert_same(device, network, inputs, 4)
        device.reset()
        device.clear()
        assert first.mismatch(device.run(inputs, 4)) is None
    assert device.read_back() == device.read_back() > 20


def test_info(device: Device) -> None:
    info = device.info()
    assert info["configuration"] == device.identity.fabric.digest and info["fabric"] == device.identity.fabric.to_json()
    assert info["link"] == {} or info["link"]["bad_frames"] == info["link"]["overruns"] == info["link"]["replies_lost"] == 0


# Refusals


def test_what_a_run_refuses(device: Device) -> None:
    network = relay()
    device.load(network)
    good = np.zeros((2, 6), np.int64)
    for arguments, words in (
            ({"inputs": good, "ticks": 65536}, "ticks is 65536; a window has 1 to 65535"),
            ({"inputs": good, "ticks": 0}, "ticks is 0"),
            ({"inputs": good, "ticks": 2.5}, "ticks is 2.5"),
            ({"inputs": good[:, :5]}, "shape"),
            ({"inputs": good + 256}, "0 to 255"),
            ({"inputs": good * 1.0 + 2}, "0 to 1"),
            ({"inputs": good[:0]}, "empty"),
            ({"inputs": {"no": good}}, "no input population of that name"),
            ({"inputs": good, "record": ["no"]}, "no population 'no'"),
            ({"inputs": good, "pixel_bits": 3}, "pixel_bits is 3"),
            ({"inputs": good, "ticks": 65535}, "65536 ticks of the fabric; spikes can be recorded in up to 65535")):
        with pytest.raises(RanvierError, match=words):
            device.run(**arguments)     # type: ignore[arg-type]
    assert_same(device, network, good + 200, 4)


def test_networks_that_do_not_fit(device: Device) -> None:
    board = device.identity.board
    with pytest.raises(RanvierError, match=f"{board}: .*weight_bits is 4, the network was made for 8: .* with --weight-bits 4.*tailored"):
        device.load(Network(relay().populations, relay().projections, weight_bits=8))
    large = Network((Population("in", (1, 1, 2), "input", {"theta": 255, "v_min": 0, "v_max": 255}),
                     Population("z", (1, 1, 90_000), "li", {"v_min": -100, "v_max": 100})),
                    (Projection.dense("in", "z", np.ones((2, 90_000), np.int64)),))
    with pytest.raises(RanvierError, match=f"{board}: .*weight_depth.*tailored"):
        device.load(large)
    with pytest.raises(RanvierError, match="load a network first"):
        device.run(np.zeros((1, 2), np.int64))


def test_a_placement_for_another_bitstream(device: Device) -> None:
    fabric = device.identity.fabric
    other = fabric.replace(spike_depth=fabric.spike_depth * 2)
    with pytest.raises(RanvierError, match=f"configuration hash {other.digest}, .* has {fabric.digest}; program the bitstream"):
        device.load(map_network(relay(), other))
    device.load(map_network(relay(), fabric))
    assert_same(device, relay(), np.full((1, 6), 200), 4)


def test_before_loading_and_after_closing() -> None:
    device = Device.open("golden:test", config=SMALL)
    assert device.identity.board == "test"
    with pytest.raises(RanvierError, match="load a network first"):
        device.run(np.zeros((1, 6), np.int64))
    device.close()
    with pytest.raises(RanvierError, match="closed"):
        device.load(relay())


@pytest.mark.parametrize("target", ["", "golden", "nonsense:", "rtl:x", "serial:", "/dev/ttyUSB0"])
def test_targets_that_are_none(target: str) -> None:
    with pytest.raises(RanvierError, match="is not golden:, rtl: or serial:PORT"):
        Device.open(target)


# The line


class NoisyPort(SimulatedPort):
    """A line that inverts a bit of a byte now and then, both ways, when ``seed`` is set.

    A frame of the buffer's length is spoilt about half the time, so that six attempts in a row are rare.
    """

    seed: int | None = None

    def write(self, data: bytes, /) -> int:
        if self.seed is None:
            return super().write(data)
        rng = np.random.default_rng([self.seed, self.simulator.clocks])
        hit = rng.random(len(data)) < 1 / 1200
        self.simulator.send(flipped(byte, int(rng.integers(10))) if bad else symbol_of(byte) for byte, bad in zip(data, hit, strict=True))
        return len(data)

    def read(self, size: int = 1, /) -> bytes:
        found = bytearray(super().read(size))
        if self.seed is not None and found:
            rng = np.random.default_rng([self.seed, self.simulator.clocks, 1])
            for place in np.flatnonzero(rng.random(len(found)) < 1 / 1200):
                found[place] ^= 1 << int(rng.integers(8))
        return bytes(found)


@contextmanager
def over(port: SimulatedPort, baud: int = QUICK) -> Iterator[Device]:
    with Device.over(port, baud=baud, timeout=port.silence) as device:
        device._backend.silence = port.silence      # type: ignore[attr-defined]
        yield device


@pytest.mark.parametrize("seed", range(2))
def test_a_noisy_line_changes_nothing(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    # The session's numbers are part of each frame's length on the line, and so of where the noise hits: they are drawn from the seed, too.
    monkeypatch.setattr("ranvier.device.session.random.SystemRandom", lambda: random.Random(seed))
    port = NoisyPort(SMALL)
    with over(port) as device:
        port.seed = seed
        network, inputs = drawn(70 + seed, SMALL.fabric, pictures=6)
        device.load(network, verify=True)
        assert_same(device, network, inputs, 4, record=spiking(network))
        link = device.info()["link"]
        assert link["sent_again"] > 0 and link["bad_frames"] > 0 and link["overruns"] == 0, link


@pytest.mark.parametrize(("baud", "skew"), [(2_000_000, 0.0), (4_000_000, 0.03), (4_000_000, -0.03), (6_000_000, 0.02)])
def test_other_rates_and_clocks_that_are_a_little_off(baud: int, skew: float) -> None:
    port = SimulatedPort(SMALL, skew=skew)
    with over(port, baud) as device:
        before = device.info()["link"]
        device.load(relay(), verify=True)
        assert_same(device, relay(), np.full((3, 6), 200), 4)
        assert device.info()["link"] == before and before["divisor"] == 48_000_000 // baud


def test_a_host_that_died_in_the_middle() -> None:
    """Half a frame, another rate, a run that waits: the next host finds a device that works."""
    port = SimulatedPort(SMALL)
    first = LinkBackend(port, rate=4_000_000, silence=port.silence)
    network, inputs = drawn(80, SMALL.fabric, per_step=True)
    first.load(map_network(network, SMALL.fabric), None)
    first._session.write(control_address(SMALL.fabric, Control.TICKS), 4, 4, 4, 1, 1)
    first._session.write(control_address(SMALL.fabric, Control.COMMAND), 1)      # a run that gets no values
    port.write(bytes([FLAG]) + frame(7, Command.WRITE, 0, bytes(40))[:20])
    port.baudrate = 1_000_000
    port.write(bytes([FLAG, FLAG]))
    port.send_break(0.0001)
    with over(port) as device:
        with pytest.raises(RanvierError, match="got no good answer in 6 attempts"):     # the run is still waiting
            device._backend._session.read(address(0, Memory.STATE, 0), 1)    # type: ignore[attr-defined]
        device.load(network, verify=True)
        assert_same(device, network, inputs, 4)


def test_the_reset_pin_ends_the_session_and_loading_again_helps() -> None:
    port = SimulatedPort(SMALL)
    network, inputs = drawn(81, SMALL.fabric)
    with over(port) as device:
        device.load(network)
        before = device.run(inputs, 4)
        port.simulator.press_reset()
        with pytest.raises(RanvierError, match="check the cable, that the board was not reset"):    # it is at its first rate again
            device.run(inputs, 4)
        assert before.mismatch(device.run(inputs, 4)) is None     # the memories have kept the network
        assert device.info()["link"]["baud"] == QUICK
        port.simulator.press_reset()
        port.baudrate = 1_000_000
        with pytest.raises(RanvierError, match="was reset and has forgotten the session"):
            device.run(inputs, 4)


def test_lost_spike_words_are_an_error() -> None:
    """17 words in a tick, and a record of 16: one is lost, and the run says so."""
    network = Network((Population("in", (1, 1, 1024), "input", {"theta": 1, "v_min": 0, "v_max": 255}),
                       Population("out", (1, 1, 4), "if", {"theta": 1, "v_min": 0, "v_max": 3})),
                      (Projection.dense("in", "out", np.ones((1024, 4), np.int64)),))
    with over(SimulatedPort(SMALL)) as device:
        device.load(network)
        with pytest.raises(RanvierError, match="1 spike words were lost, the record of 16 words was full.*record fewer populations"):
            device.run(np.full((1, 1024), 255), 2, record=["in", "out"])
        assert_same(device, network, np.full((2, 1024), 255), 3, record=["in"])


# A serial port of the system


@contextmanager
def behind_a_pty(port: SimulatedPort) -> Iterator[str]:
    """The name of a serial port whose other end is ``port``. Rates are taken over, breaks cannot be seen."""
    master, slave = pty.openpty()
    tty.setraw(master)
    stop = threading.Event()
    speeds = {getattr(termios, f"B{rate}"): rate for rate in (115200, 1_000_000, 1_500_000, 2_000_000, 3_000_000, 4_000_000)}

    def serve() -> None:
        port.timeout = 20e-6
        while not stop.is_set():
            ready, _, _ = select.select([master], [], [], 0 if port.simulator.waiting else 0.002)
            rate = speeds.get(termios.tcgetattr(master)[4])
            if rate is not None and rate != port.baudrate:
                port.baudrate = rate
            if ready:
                port.write(os.read(master, 4096))
            found = port.read(1 << 16)
            if found:
                os.write(master, found)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield os.ttyname(slave)
    finally:
        stop.set()
        thread.join()
        os.close(slave)
        os.close(master)


def test_a_serial_port_of_the_system() -> None:
    """pyserial at one end of a pseudo terminal, the simulated device at the other."""
    port = SimulatedPort(SMALL)
    network, inputs = drawn(90, SMALL.fabric)
    with behind_a_pty(port) as name:
        with Device.open(f"serial:{name}", timeout=5.0) as device:
            assert device.info()["link"]["baud"] == 3_000_000
            device.load(network, verify=True)
            assert_same(device, network, inputs, 4, record=spiking(network))
            with pytest.raises(RanvierError, match="another program uses the port"):
                Device.open(f"serial:{name}")
        with Device.open(f"serial:{name}", baud=2_000_000, timeout=5.0) as device:      # left at its first rate
            assert device.info()["link"]["baud"] == 2_000_000


def test_a_port_that_is_none() -> None:
    with pytest.raises(RanvierError, match="/dev/no-such-port: there is no such port .*check the cable and the name"):
        Device.open("serial:/dev/no-such-port")
    with pytest.raises(RanvierError, match="cannot be opened as a serial port"):
        Device.open("serial:/dev/null")


def test_a_serial_port_without_a_device() -> None:
    master, slave = pty.openpty()
    try:
        with pytest.raises(RanvierError, match="no answer; check that this is the board's UART"):
            Device.open(f"serial:{os.ttyname(slave)}", timeout=0.02)
    finally:
        os.close(master)
        os.close(slave)


@pytest.mark.parametrize("line", [b"\r\n[  12.3] usb: hello\r\n", b"~" * 50], ids=["console", "flags"])
def test_a_port_that_talks_all_the_time(line: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is listened to for ten seconds in all, here one, whatever the silence that is asked for; then one line says so."""
    assert ranvier.device.device._MOST_SECONDS == 10
    monkeypatch.setattr("ranvier.device.device._MOST_SECONDS", 1.0)
    master, slave = pty.openpty()
    tty.setraw(master)
    tty.setraw(slave)
    os.set_blocking(master, False)
    stop = threading.Event()

    def talk() -> None:
        while not stop.wait(0.01):
            with suppress(OSError):       # its buffer is full
                os.write(master, line)

    thread = threading.Thread(target=talk)
    thread.start()
    began = time.monotonic()
    try:
        with pytest.raises(RanvierError, match="bytes come back, but not those of a Ranvier device") as caught:
            Device.open(f"serial:{os.ttyname(slave)}", timeout=30.0)
    finally:
        stop.set()
        thread.join()
        os.close(master)
        os.close(slave)
    assert time.monotonic() - began < 6 and "\n" not in str(caught.value)


# Digits


@pytest.fixture(scope="module")
def digits() -> tuple[Network, Any]:
    conventional = ranvier.load_onnx(find_digits() / "digits.onnx")
    pictures = ranvier.load_pictures(find_digits() / "mnist_test.npz", conventional.input_size)[0]
    return ranvier.convert(conventional, steps=4).network, pictures[:5]


@pytest.mark.parametrize("target", TARGETS)
def test_digits(target: str, digits: tuple[Network, Any]) -> None:
    """The standard fabric, as anybody gets it."""
    network, pictures = digits
    with Device.open(target) as device:
        device.load(network)
        for more in ({}, {"pixel_bits": 4}, {"record": ["hidden"]}):
            found = assert_same(device, network, pictures, 4, **more)
            assert found.readouts["output"].argmax(axis=1).tolist() == [7, 2, 1, 0, 4]


def test_a_fabric_that_does_not_read_back() -> None:
    with Device.open("golden:", config=simulation_config(FabricConfig(reads_back=0))) as device, \
            pytest.raises(RanvierError, match="does not give its memories back"):
        device.read_back()


def test_a_mismatch_says_where_it_is() -> None:
    """One class for the comparison of devices and of the compiled fabric: sample, step, population, neuron, and how many differ."""
    network = relay()
    with Device.open("golden:", config=SMALL) as device:
        device.load(network)
        expected, found = (device.run(np.full((3, 6), 200), 4, record=spiking(network)) for _ in range(2))
    name = spiking(network)[0]
    found.spikes[name][2, 1, 3] ^= True
    found.spikes[name][2, 3, 0] ^= True
    found.cycles[1] += 7
    mismatch = expected.mismatch(found)
    was = int(expected.spikes[name][2, 1, 3])
    assert mismatch == Mismatch("spike", window=2, step=1, population=name, neuron=3, expected=was, found=1 - was, total=3)
    assert str(mismatch) == f"spike at sample 2, step 1, population {name}, neuron 3: expected {was}, found {1 - was}; 3 differ in all"
    clocks = replace(found, spikes=expected.spikes)
    assert str(expected.mismatch(clocks)).startswith("clocks at sample 1: expected ")
    short = replace(expected, cycles=expected.cycles[:2], spikes={})
    assert str(expected.mismatch(short)).startswith(f"count of spike values at the end of the run, population {name}: expected ")
