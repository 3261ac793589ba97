"""How many spike words an outbox must hold where a row has several: three. Two would lose words; the fourth place is spare, so a depth of 3
would give the same fabric's answers.
"""

from __future__ import annotations

import itertools
from collections import deque

import numpy as np
import pytest

from ranvier.mapping.mapper import map_network
from ranvier.model.errors import RanvierError
from ranvier.model.fabric.config import CoreConfig, FabricConfig, InputConfig
from ranvier.model.fabric.timing import outbox_depth
from ranvier.verify.random_networks import random_network


def worst_level(nodes: int, word_groups: int, rows: tuple[int, ...], phase: int, planes: int = 1) -> int:
    """Words in the outbox at most, with one that arrives, as a queue sees it that takes none in the clock of a read while it is full.

    Rows of so many groups follow each other as soon as they may. A row completes a word every ``word_groups`` groups and its last one with
    its last group; it holds its unit for ``nodes`` clocks a plane of a word or more. Every ``nodes`` clocks a plane of a word is
    sent that was there before; with its last one the word leaves.
    """
    arrivals, start = set(), phase
    for groups in rows:
        ends = [*range(word_groups, groups, word_groups), groups]
        arrivals |= {start + end for end in ends}
        start += max(groups, nodes * planes * len(ends))
    waiting: deque[int] = deque()
    sent = 0
    worst = 0
    for clock in range(start + nodes * planes * (len(rows) + 4)):
        sends = clock % nodes == 0 and bool(waiting)
        sent += sends
        leaves = sends and sent % planes == 0
        if clock in arrivals:
            worst = max(worst, len(waiting) + 1)
            waiting.append(clock)
        if leaves:
            waiting.popleft()
    assert not waiting
    return worst


def test_an_outbox_holds_what_waits_where_rows_begin_with_their_words() -> None:
    """Every ring and word that a configuration allows in small, every pair and triple of rows, every phase."""
    levels = set()
    for nodes, word_groups in itertools.product(range(2, 7), (2, 4, 8)):
        if word_groups < nodes:       # the configuration refuses it
            continue
        shapes = sorted({1, word_groups - 1, word_groups, word_groups + 1, 2 * word_groups, 2 * word_groups + 1, 4 * word_groups - 1,
                         4 * word_groups + 1} - {0})
        for rows in (*itertools.product(shapes, repeat=2), *itertools.product(shapes[-4:], repeat=3)):
            levels |= {worst_level(nodes, word_groups, rows, phase) for phase in range(nodes)}
    assert max(levels) == 3
    assert all(outbox_depth(lanes, word_bits) >= 3 for lanes in (8, 16, 32, 64) for word_bits in (4, 8, 16, 32) if lanes > word_bits)
    assert worst_level(2, 4, (5, 1), 0) == 3        # two words at once, and a short row right behind


@pytest.mark.parametrize("planes", [2, 3, 8])
def test_an_outbox_holds_as_many_words_where_each_has_several_planes(planes: int) -> None:
    levels = set()
    for nodes, word_groups in itertools.product(range(2, 5), (4, 8, 32)):
        if word_groups < nodes * planes:       # the configuration refuses it
            continue
        shapes = (1, word_groups - 1, word_groups, word_groups + 1, 2 * word_groups + 1)
        for rows in itertools.product(shapes, repeat=2):
            levels |= {worst_level(nodes, word_groups, rows, phase, planes) for phase in range(nodes)}
            # Rows of one word each, and of a core whose rows have no more lanes than a word.
            if max(rows) <= word_groups:
                assert max(worst_level(nodes, word_groups, rows * 3, phase, planes) for phase in range(nodes)) <= 2
    assert max(levels) == 3


def test_rows_of_several_words_begin_with_one() -> None:
    """What the other test takes for granted: in a fabric whose rows have more lanes than a word has bits."""
    config = FabricConfig(cores=2, core=CoreConfig(lanes=16, sweep_lanes=2), input=InputConfig(sweep_lanes=2), word_bits=8)
    rows = 0
    for seed in range(60):
        network = random_network(np.random.default_rng(seed), config, max_neurons=40, max_hidden=2)
        try:
            placement = map_network(network, config)
        except RanvierError:        # it does not fit
            continue
        for row in itertools.chain.from_iterable(placement.units):
            rows += 1
            assert (row.start - row.part.start) % config.word_bits == 0
    assert rows > 15, rows
