"""cocotb benches, one module for each block; `ranvier.sim.bench` builds and runs them."""
