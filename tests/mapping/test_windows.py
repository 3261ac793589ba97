"""Convolutions on a fabric: the program, read back word by word from the image, adds the weights of a plain convolution."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from ranvier.mapping.mapper import map_network, tailor
from ranvier.model.errors import RanvierError
from ranvier.model.fabric.config import CoreConfig, FabricConfig, InputConfig
from ranvier.model.fabric.image import memory_image, split_address
from ranvier.model.fabric.layout import CHUNK_BITS, PASS_BITS, Memory, Op, memory_map, row_word, segment_word
from ranvier.model.fabric.placement import Placement, Row
from ranvier.model.network.network import Network
from ranvier.model.network.population import Population
from ranvier.model.network.projection import Projection

SMALL = FabricConfig(cores=2, core=CoreConfig(lanes=16, sweep_lanes=4), input=InputConfig(sweep_lanes=2), word_bits=16, state_bits=24,
                     windows=1)
Ints = npt.NDArray[np.int64]


def pair(shape: tuple[int, int, int], kernel: Ints, lanes: int = 16, cores: int = 2, spike_bits: int = 1, **how: object) -> Placement:
    """An input image, a convolution of it, and a second one of 1 x 1; on a tailored fabric."""
    source = Population("in", shape, "input")
    first = Projection.conv("in", "a", kernel, **how)  # type: ignore[arg-type]
    height, width = first.output_size(source)
    channels = kernel.shape[3]
    second = np.arange(channels * 3).reshape(1, 1, channels, 3) % 15 - 7
    network = Network((source, Population("a", (height, width, channels), "if", theta=3), Population("b", (height, width, 3), "li")),
                      (first, Projection.conv("a", "b", second)), state_bits=24, spike_bits=spike_bits)
    word_bits = 16 if spike_bits == 1 else 64
    return map_network(network, tailor(network, SMALL.replace(cores=cores, core={"lanes": lanes}, word_bits=word_bits)))


def memory(placement: Placement, unit: int, which: Memory) -> list[int]:
    """The words of a memory, from the writes alone."""
    layout = memory_map(placement.config, placement.config.unit(unit))[which]
    words = [0] * layout.depth
    for where, what in memory_image(placement).writes.tolist():
        at, number, offset = split_address(where)
        if (at, number) == (unit, which):
            word, chunk = divmod(offset, layout.chunk_step)
            words[word] |= what << chunk * CHUNK_BITS
    return words


def executed(placement: Placement, unit: int) -> list[tuple[int, int, dict[str, int], int, int]]:
    """Scans that the program of a core does in a tick: (row of the unit, op, its word, first spike word, pass), by the rules of the
    fabric."""
    config = placement.config
    program = [segment_word(config).unpack(word) for word in memory(placement, unit, Memory.PROGRAM)]
    width = 1 << next(f.bits for f in segment_word(config).fields if f.name == "base")
    found, at, row, y, offsets = [], 0, 0, 0, [0, 0, 0, 0]
    while program[at]["op"] != Op.END:
        word = program[at]
        at += 1
        if word["op"] == Op.STEP:
            offsets[word["step_register"]] += word["base"]
        elif word["op"] == Op.LOOP:
            y += 1
            if y > word["y_most"]:
                y, offsets = 0, [0, 0, 0, 0]
            else:
                at = word["to"]
        else:
            if word["op"] == Op.DOUBLE or (word["words"] and word["y_least"] <= y <= word["y_most"]):
                found.append((row, word["op"], word, (word["base"] + offsets[word["step_register"]]) % width, y))
            row += word["row_last"]
    assert row == len(placement.units[unit])
    return found


def lanes_of(word: int, config: FabricConfig) -> list[int]:
    """The signed weights of a weight word."""
    lanes = [word >> lane * config.weight_bits & (1 << config.weight_bits) - 1 for lane in range(config.core.lanes)]
    return [weight - (weight >> config.weight_bits - 1 << config.weight_bits) for weight in lanes]


def matrices(placement: Placement) -> dict[str, Ints]:
    """What a spike on each bit of each plane adds to each neuron, by destination: (source neurons of all populations x planes, neurons)."""
    config, network = placement.config, placement.network
    owners: dict[int, tuple[str, int, int]] = {}    # spike buffer address, times the bits of a word, plus the bit
    for name, parts in placement.parts.items():
        for part in parts if network.by_name[name].spiking else ():
            for neuron, position in zip(range(part.start, part.stop), part.positions(part.start, part.stop), strict=True):
                for plane in range(network.spike_bits):
                    word = position // config.word_bits + plane * part.words
                    key = (part.base + (word << part.slots_log2)) * config.word_bits + position % config.word_bits
                    assert key not in owners, "two neurons have the same bit"
                    owners[int(key)] = name, neuron, plane
    found = {f"{p.name} {q.source} {k}": np.zeros((network.by_name[q.source].size, p.size), np.int64)
             for p in network.populations for q in network.incoming(p.name) for k in range(network.spike_bits)}
    for unit, rows in enumerate(placement.units[:-1]):
        weights = [lanes_of(word, config) for word in memory(placement, unit, Memory.WEIGHTS)]
        added: list[tuple[int, str, int, list[int]]] = []    # in the row that is being done
        last_row = -1
        for row, op, word, base, _ in executed(placement, unit):
            if row != last_row:
                _deliver(rows[last_row], added, found) if last_row >= 0 else None
                added, last_row = [], row
            if op == Op.DOUBLE:
                added = [(n, s, k, [2 * w for w in values]) for n, s, k, values in added]
                continue
            for n in range(word["words"]):
                low = word["first"] if n == 0 else 0
                high = word["last"] if n == word["words"] - 1 else config.word_bits - 1
                for bit in range(low, high + 1):
                    owner = owners.get((base + (n << word["slots_log2"])) * config.word_bits + bit)
                    if owner is None:
                        continue
                    at = (word["weight_base"] + n * config.word_bits + bit) % (1 << (config.core.weight_depth - 1).bit_length())
                    name, neuron, plane = owner
                    added.append((neuron, name, plane, weights[at]))
        _deliver(rows[last_row], added, found) if last_row >= 0 else None
    return found


def _deliver(row: Row, added: list[tuple[int, str, int, list[int]]], found: dict[str, Ints]) -> None:
    places = row.places.tolist()
    for neuron, name, plane, lanes in added:
        assert not any(w for n, w in enumerate(lanes) if n not in places), "a lane without a neuron gets a weight"
        found[f"{row.part.population} {name} {plane}"][neuron, row.start:row.stop] += [lanes[n] for n in places]


def convolved(network: Network, projection: Projection) -> Ints:
    """The matrix of a projection, from its definition, tap by tap."""
    source, destination = network.by_name[projection.source], network.by_name[projection.destination]
    matrix = np.zeros((*source.shape, *destination.shape), np.int64)
    if projection.is_dense(source, destination):
        return projection.matrix
    kh, kw, inputs, outputs = projection.weights.shape
    for y, x, c, ky, kx, k in np.ndindex(destination.shape[0], destination.shape[1], outputs, kh, kw, inputs):
        sy = y * projection.stride[0] + ky * projection.dilation[0] - projection.padding[0]
        sx = x * projection.stride[1] + kx * projection.dilation[1] - projection.padding[2]
        if 0 <= sy < source.shape[0] and 0 <= sx < source.shape[1]:
            matrix[sy, sx, c // (outputs // projection.groups) * inputs + k, y, x, c] += projection.weights[ky, kx, k, c]
    return matrix.reshape(source.size, destination.size)


def check(placement: Placement) -> None:
    """Every plane of every source adds what the network says, in the place of its exponent."""
    found, network = matrices(placement), placement.network
    for name in {q.destination for q in network.projections}:
        for source in {q.source for q in network.incoming(name)}:
            wanted = sum(convolved(network, q) << q.exponent for q in network.incoming(name) if q.source == source)
            for plane in range(network.spike_bits):
                assert np.array_equal(found[f"{name} {source} {plane}"], wanted << plane), f"{source} -> {name}, plane {plane}"


EXTREMES: list[tuple[tuple[int, int, int], tuple[int, int, int, int], dict[str, object]]] = [
    ((6, 7, 2), (3, 3, 2, 5), {"padding": 1}),                                 # channels that are no power of two
    ((6, 7, 3), (3, 2, 3, 4), {"padding": (2, 1, 1, 0)}),                      # padding that differs on every side
    ((5, 9, 1), (1, 2, 1, 4), {"stride": (3, 4)}),                             # a stride beyond the kernel
    ((9, 9, 2), (3, 3, 2, 3), {"dilation": (2, 3), "padding": (0, 0, 5, 5)}),  # pixels that see nothing but padding in a kernel's column
    ((1, 1, 3), (3, 3, 3, 2), {"padding": 1}),                                 # an image of one pixel
    ((4, 3, 4), (2, 2, 1, 4), {"groups": 4}),                                  # depthwise
    ((3, 3, 2), (2, 2, 2, 20), {}),                                            # more channels than lanes
    ((4, 2, 1), (1, 1, 1, 1), {}),                                             # more pixels in a row of the core than in one of the image
    ((4, 5, 17), (3, 3, 17, 2), {"padding": 1}),                               # an input pixel that is wider than a spike word
    ((8, 1, 2), (5, 1, 2, 2), {"padding": (4, 4, 0, 0), "stride": (2, 1)}),    # borders wider than what lies between them
]


@pytest.mark.parametrize(("shape", "kernel", "how"), EXTREMES)
@pytest.mark.parametrize(("cores", "spike_bits"), [(1, 1), (3, 1), (2, 3)])
def test_extremes(shape: tuple[int, int, int], kernel: tuple[int, int, int, int], how: dict[str, object], cores: int,
                  spike_bits: int) -> None:
    rng = np.random.default_rng(1)
    check(pair(shape, rng.integers(-8, 8, kernel), cores=cores, spike_bits=spike_bits, **how))


@pytest.mark.parametrize("seed", range(24))
def test_random_convolutions(seed: int) -> None:
    rng = np.random.default_rng(seed)
    while True:
        shape, (kh, kw) = tuple(int(n) for n in rng.integers(1, (8, 8, 5))), rng.integers(1, 4, 2)
        groups = int(rng.choice([1, shape[2]]))
        dilation = rng.integers(1, 3, 2)
        extent = dilation * ([kh, kw] - np.int64(1)) + 1
        how = {"stride": tuple(rng.integers(1, 4, 2).tolist()), "dilation": tuple(dilation.tolist()), "groups": groups,
               "padding": tuple(int(rng.integers(0, extent[side // 2])) for side in range(4)), "exponent": int(rng.integers(0, 3))}
        kernel = rng.integers(-8, 8, (kh, kw, shape[2] // groups, groups * int(rng.integers(1, 4))))
        source = Population("in", shape, "input")
        if min(Projection.conv("in", "a", kernel, **how).output_size(source)) >= 1:
            break
    check(pair(shape, kernel, lanes=int(rng.choice([4, 16, 64])), cores=int(rng.integers(1, 4)), spike_bits=int(rng.integers(1, 3)), **how))


def test_dense_from_and_into_an_image() -> None:
    rng = np.random.default_rng(3)
    network = Network((Population("in", (3, 5, 1), "input"), Population("a", (3, 5, 3), "if"), Population("d", 7, "if")),
                      (Projection.conv("in", "a", rng.integers(-8, 8, (3, 3, 1, 3)), padding=1),
                       Projection.dense("a", "d", rng.integers(-8, 8, (45, 7))),
                       Projection.dense("d", "a", rng.integers(-8, 8, (7, 45)), delay=1, exponent=2)), state_bits=24)
    check(map_network(network, tailor(network, SMALL)))


def test_an_image_takes_the_descriptors_of_one_line() -> None:
    placement = pair((14, 14, 4), np.ones((3, 3, 4, 16), int), cores=1, padding=1)
    first, second = placement.loops[0]
    assert (first.rows, first.passes, second.rows, second.passes) == (14, 14, 4, 14)
    assert placement.config.core.row_depth == 14 + 4
    assert placement.config.core.program_depth == 14 * 3 + 2 + 4 + 2 + 1 <= 64
    assert len(placement.units[0]) == 14 * (14 + 4)


def test_lines_that_differ_are_unrolled() -> None:
    """Parameters of their own for each pixel, and more lines than a loop has passes."""
    network = Network((Population("in", (4, 4, 1), "input"), Population("a", (4, 4, 2), "if", theta=np.arange(1, 33))),
                      (Projection.conv("in", "a", np.ones((1, 1, 1, 2), int)),), state_bits=24)
    placement = map_network(network, tailor(network, SMALL))
    assert placement.loops == ((), ()) and placement.config.core.row_depth == 2    # on each of two cores
    check(placement)
    tall = pair(((1 << PASS_BITS) + 1, 1, 1), np.ones((1, 1, 1, 1), int), cores=1)
    assert tall.loops == ((),)


def test_a_kernel_is_stored_once_a_core() -> None:
    placement = pair((10, 16, 2), np.ones((3, 3, 2, 4), int), cores=1, padding=1)
    # Four pixels of 4 channels in a row of 16 lanes see 6 pixels of 2 channels, in 3 rows; and 4 channels of a pixel at a time.
    assert placement.config.core.weight_depth == 3 * 6 * 2 + 4 * 4


def test_membranes_and_descriptors_move_on_in_a_loop() -> None:
    placement = pair((6, 6, 1), np.ones((3, 3, 1, 8), int), cores=1, padding=1)
    (loop, *_), config = placement.loops[0], placement.config
    words = [row_word(config, "core").unpack(word) for word in memory(placement, 0, Memory.ROWS)]
    for n in range(loop.rows):
        assert words[n]["advance"] == (n == loop.rows - 1)
        for k in range(loop.passes):
            row = placement.units[0][loop.first + k * loop.rows + n]
            assert row.state_base == words[n]["state_base"] + k * words[n]["state_step"]
            place = row.part.base + (row.offset // config.word_bits << row.part.slots_log2)
            assert place == words[n]["word_address"] + k * words[n]["word_step"]


def test_blocks_cut_words_where_scans_begin_and_end() -> None:
    placement = pair((5, 9, 3), np.ones((3, 3, 3, 4), int), padding=1)
    for name, blocks in placement.blocks.items():
        assert blocks[0] == 0 and np.all(np.diff(blocks) > 0) and blocks[-1] < placement.network.by_name[name].size
    for segment in (s for rows in placement.units for row in rows for s in row.segments if s.source):
        part, blocks = segment.source, placement.blocks[segment.source.population]
        for position in (segment.begin, segment.end):
            before = part.start + int(part.neurons_before(position))
            assert before == part.stop or before in blocks


@pytest.mark.parametrize(("change", "message"), [
    ({"windows": 0}, "fabric: windows is 0; projection in -> a is a convolution: use a fabric with windows 1"),
    ({"spike_bits": 2, "word_bits": 32}, "fabric: spike_bits is 2; the network's spikes have 1: choose another fabric, or convert"),
    ({"core": {"weight_depth": 16}}, "population a: the weight memories are full after 0 of its 4 rows; a row needs 36 words"),
])
def test_what_a_fabric_was_built_without_is_named(change: dict[str, object], message: str) -> None:
    placement = pair((4, 4, 2), np.ones((3, 3, 2, 4), int), cores=1, padding=1)
    with pytest.raises(RanvierError, match=message):
        map_network(placement.network, placement.config.replace(**change))
