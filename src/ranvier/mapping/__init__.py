"""Mapping: which neuron lives where on which fabric."""
