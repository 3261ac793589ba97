"""Conversion: conventional networks to spiking networks of integers."""
