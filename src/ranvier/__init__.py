"""Ranvier: spiking neural networks on FPGAs with open tools, and the same spikes at every stage."""

__version__ = "0.1.0"
