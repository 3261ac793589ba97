"""Simulation: the fabric compiled by Verilator, its comparison with the model, and the cocotb benches."""
