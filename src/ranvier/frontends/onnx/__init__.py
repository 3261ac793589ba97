"""ONNX import: a dense network in the form that people's tools write it, read without trusting the file.

A file is read in this order: `foreign` and `file` say what it is, `tensors` decodes what it holds, `evaluate` walks
its nodes with the handlers of `constants` (known numbers), `operators` (data on its way through the network) and
`answers` (what is made of the last layer), `affine` does their arithmetic, and `layers` writes the dense layers.
Anything that is not understood is refused by the node's name and type, because a network that is silently read wrong
is worse than none. The operators are those of the ONNX specification, from version 7 of the default domain on.
"""

from .load import SUPPORTED, load_onnx

__all__ = ["SUPPORTED", "load_onnx"]
