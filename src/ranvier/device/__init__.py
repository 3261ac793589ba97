"""The driver: networks on boards, on the simulated device and in the model, through one interface."""

from .device import Device, simulation_config
from .port import Port
from .result import Difference, Result
from .serial_port import PortInfo, known_ports

__all__ = ["Device", "Difference", "Port", "PortInfo", "Result", "known_ports", "simulation_config"]
