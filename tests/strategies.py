"""Random networks for hypothesis; the counterexample that it prints is a seed."""

from __future__ import annotations

from hypothesis import strategies as st

from ranvier.verify.random_networks import Inputs, random_inputs, random_network

__all__ = ["Inputs", "random_inputs", "random_network", "seeds"]


def seeds() -> st.SearchStrategy[int]:
    """Seeds for `numpy.random.default_rng`."""
    return st.integers(0, 2**32 - 1)
