"""The driver: networks on boards, on the simulated device and in the model, through one interface."""

from ..model.mismatch import Mismatch
from .device import Device, simulation_config
from .port import Port
from .result import Result
from .serial_port import PortInfo, known_ports

__all__ = ["Device", "Mismatch", "Port", "PortInfo", "Result", "known_ports", "simulation_config"]
