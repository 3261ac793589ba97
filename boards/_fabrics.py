"""Overlays that more than one board has."""

from __future__ import annotations

from ranvier.model.fabric.config import CoreConfig, FabricConfig, InputConfig
from ranvier.model.fabric.device_config import LinkConfig

__all__ = ["ecp5_25f", "ecp5_85f", "gw1n_9", "up5k", "up5k_link"]


def up5k() -> FabricConfig:
    """iCE40 UP5K: one core of 16 lanes; the weights are in four SPRAMs, 16384 words of 16 x 4 bits.

    Its 5,280 logic cells are what there is least of. So membranes have 12 bits, weights no exponents, and the
    host reads readouts and counters but no other memory. What has one or two words is in registers.
    """
    return FabricConfig(
        cores=1, core=CoreConfig(lanes=16, sweep_lanes=1, program_depth=128, row_depth=32, weight_depth=16384, state_depth=256,
                                 drive_depth=256, dynamics_depth=2),
        input=InputConfig(sweep_lanes=2, row_depth=1, state_depth=512, drive_depth=1, dynamics_depth=1),
        state_bits=12, word_bits=16, spike_depth=256, levels=8, queue_depth=3, doubling=0, reads_back=0)


def up5k_link() -> LinkConfig:
    """Small buffers: an iCE40 UP5K has 30 block RAMs, of 512 bytes each."""
    return LinkConfig(buffer_bytes=1024, record_depth=64)


def ecp5_85f() -> FabricConfig:
    """ECP5 85F: three cores of 64 lanes, each with 33 of the 208 block RAMs; up to 16 words are cheap in LUT RAM.

    More fit, but not at 100 MHz (docs/decisions/0012).
    """
    return FabricConfig(
        cores=3, core=CoreConfig(lanes=64, sweep_lanes=2, program_depth=128, row_depth=32, weight_depth=1024, state_depth=512,
                                 drive_depth=512, dynamics_depth=16, readout_depth=32),
        input=InputConfig(sweep_lanes=8, row_depth=16, state_depth=256, drive_depth=16, dynamics_depth=16),
        word_bits=64, spike_depth=256, levels=8)


def ecp5_25f() -> FabricConfig:
    """ECP5 25F: one core like those of the 85F, 43 of its 56 block RAMs; two would need 76."""
    return ecp5_85f().replace(cores=1)


def gw1n_9() -> FabricConfig:
    """Gowin GW1N-9: one core of 16 lanes; 26 block RAMs of 2 KiB leave room for 2048 weight words."""
    return FabricConfig(
        cores=1, core=CoreConfig(lanes=16, sweep_lanes=1, program_depth=64, row_depth=32, weight_depth=2048, state_depth=128,
                                 drive_depth=128, dynamics_depth=16),
        input=InputConfig(sweep_lanes=2, row_depth=4, state_depth=128, drive_depth=8, dynamics_depth=4),
        word_bits=16, spike_depth=128, levels=8)
