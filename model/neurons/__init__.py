"""The kinds of neuron: what each computes, in plain integers and for whole batches, and what a fabric must know of it."""
