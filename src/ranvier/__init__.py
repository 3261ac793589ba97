"""Ranvier: spiking neural networks on FPGAs with open tools, and the same spikes at every stage.

    import ranvier

    conventional = ranvier.load_onnx("digits.onnx")
    pictures, labels = ranvier.load_pictures("test.npz", conventional.input_size)
    network = ranvier.convert(conventional, steps=4, calibration=pictures[:1000]).network
    placement = ranvier.map_network(network, ranvier.choose_fabric(network, cores=2, lanes=64))
    model = ranvier.run_golden_set(placement, pictures, steps=4)
    rtl = ranvier.run_rtl_set(placement, pictures[:200], steps=4)       # compared bit by bit
    assert rtl.mismatch is None, rtl.mismatch
    print((ranvier.classify(model.readouts) == labels).mean(), rtl.clocks / rtl.samples)
"""

from . import startup as _startup  # noqa: F401  (first: it says how a command ends that is interrupted while the rest loads)
from .convert.convert import convert
from .device import Device, Result
from .files.network import load_network, save_network
from .files.samples import Samples, load_pictures, load_samples
from .frontends.onnx import load_onnx
from .mapping.choose import choose_fabric
from .mapping.mapper import map_network, tailor
from .mapping.size import tailor_size
from .model.errors import RanvierError
from .model.fabric.config import CoreConfig, FabricConfig, InputConfig
from .model.network.network import Network
from .model.network.population import Population
from .model.network.projection import Projection
from .model.network.semantics import Semantics
from .runs import classify, run_golden_set, run_rtl_set
from .simulation import Simulation, simulate

__version__ = "0.1.0"

__all__ = [
    "CoreConfig", "Device", "FabricConfig", "InputConfig", "Network", "Population", "Projection", "RanvierError", "Result", "Samples",
    "Semantics", "Simulation", "choose_fabric", "classify", "convert", "load_network", "load_onnx", "load_pictures", "load_samples",
    "map_network", "run_golden_set", "run_rtl_set", "save_network", "simulate", "tailor", "tailor_size",
]
