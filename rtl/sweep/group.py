"""What the sweep must know of a group of neurons on its way through the pipeline."""

from __future__ import annotations

from amaranth.lib import data

from ranvier.model.fabric.config import FabricConfig, bits_for
from ranvier.model.fabric.layout import row_word

from ..neurons.unit import rule_layout

__all__ = ["group_layout"]


def group_layout(config: FabricConfig, unit: str, *, position: bool) -> data.StructLayout:
    """A group of a ``core`` or of the ``input`` unit; ``position`` says whether each group carries its place in the spike word."""
    part = config.part(unit)
    fields = {f.name: f.bits for f in row_word(config, unit).fields}
    return data.StructLayout({
        "rule": rule_layout(config.options(unit)),
        "state_address": bits_for(part.state_depth - 1),
        "drive_address": bits_for(part.drive_depth - 1),
        "dynamics_address": bits_for(part.dynamics_depth - 1),
        "readout": 1,                                   # its membranes are kept as readouts
        "parity": 1,                                    # of the window's number
        "position": fields["position"] if position else 0,    # its place in the spike word
        "emit": 1,                                      # the spike word leaves with it
        "address": bits_for(config.spike_depth - 1),    # of the spike word, or of its first plane
        **({"plane_step": fields["plane_step"]} if "plane_step" in fields else {}),    # from there to the next plane's
    })
