"""Bounds of networks, and the type of their integers."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["MAX_DELAY", "MAX_NEURONS", "MAX_SPIKE_BITS", "MAX_STEP", "WORD", "Ints"]

Ints = npt.NDArray[np.int64]

#: Longest delay of a projection in source steps, and of a hop in hardware ticks.
MAX_DELAY = 15
#: Widest count that a spike carries, in bits.
MAX_SPIKE_BITS = 8
#: Largest stride and dilation of a kernel.
MAX_STEP = 1024
#: Neurons of a population.
MAX_NEURONS = 1 << 20
#: Every integer of a network lies in -WORD to WORD - 1.
WORD = 1 << 31
