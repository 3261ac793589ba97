"""A node of the graph with its label, its attributes by type, and the values that go into it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx

from ...model.errors import RanvierError
from ..conventional import Floats
from .tensors import quoted
from .values import BATCH, Constant, Data, Value, finite

__all__ = ["Call", "Context", "key_of", "label_of"]

_A = onnx.AttributeProto


def key_of(node: Any) -> str:
    """The operator's name; with its domain where that is not the default one."""
    return str(node.op_type if node.domain in ("", "ai.onnx") else f"{node.domain}.{node.op_type}")


def label_of(node: Any, index: int) -> str:
    """The node for a message."""
    return f"node {quoted(node.name or '#' + str(index))} ({quoted(node.op_type)[1:-1]})"


@dataclass
class Context:
    """What holds for the whole walk. ``known_batch`` is the number of samples that the file names, or None."""

    opset: int
    folder: str | None
    known_batch: int | None
    notes: list[str] = field(default_factory=list)

    def note(self, text: str) -> None:
        """Keep a sentence for the user, once."""
        if text not in self.notes:
            self.notes.append(text)


@dataclass
class Call:
    """One node as its handler sees it; ``values`` has None for an optional input that is left out."""

    node: Any
    label: str
    values: list[Value | None]
    context: Context

    @property
    def names(self) -> tuple[str, str]:
        """Name and label of a layer that begins here."""
        return self.node.name, self.label

    def fail(self, text: str) -> RanvierError:
        """An error that names the node."""
        return RanvierError(f"{self.label}: {text}")

    # Inputs

    def value(self, index: int) -> Value | None:
        return self.values[index] if index < len(self.values) else None

    def data(self, index: int, what: str = "input") -> Data:
        """Input ``index`` as data."""
        value = self.value(index)
        if not isinstance(value, Data):
            raise self.fail(f"its {what} is no tensor that depends on the data; export the model again")
        return value

    def constant(self, index: int, what: str) -> Constant:
        """Input ``index`` as a constant."""
        value = self.value(index)
        if isinstance(value, Constant):
            return value
        name = quoted(self.node.input[index]) if index < len(self.node.input) else "that is missing"
        if isinstance(value, Data):
            raise self.fail(f"its {what} {name} depends on the data: two branches are multiplied or compared; "
                            "what is supported is a chain of dense layers with constant weights")
        raise self.fail(f"its {what} {name} is not a constant; export constant weights")

    def floats(self, index: int, what: str) -> Floats:
        """Input ``index`` as finite float64."""
        array = self.constant(index, what).array
        name = f"tensor {quoted(self.node.input[index])}"
        if array.dtype.kind != "f":
            raise self.fail(f"{name} holds {array.dtype}, not floats; use float32")
        return finite(array, self.label, name)

    def whole(self, index: int, what: str, *, sizes: bool = False) -> list[Any]:
        """Input ``index`` as a list of whole numbers; with ``sizes`` `BATCH` may be among them."""
        array = self.constant(index, what).array
        if array.ndim > 1 or array.size > 64 or not all(isinstance(n, int) or sizes and n is BATCH for n in array.ravel().tolist()):
            raise self.fail(f"its {what} must be a list of whole numbers; export the model again")
        return list(array.ravel().tolist())

    # Attributes

    def has(self, name: str) -> bool:
        """Whether the node has that attribute."""
        return any(attribute.name == name for attribute in self.node.attribute)

    def _attribute(self, name: str, kinds: tuple[int, ...]) -> Any:
        for attribute in self.node.attribute:
            if attribute.name == name:
                if attribute.ref_attr_name or attribute.type not in kinds:
                    raise self.fail(f"attribute {name} is not of its type; export the model again")
                return attribute
        return None

    def number(self, name: str, default: float | int | None, *, endless: bool = False) -> Any:
        """An attribute that is a finite (with ``endless`` also an infinite) number, or ``default``."""
        attribute = self._attribute(name, (_A.FLOAT, _A.INT))
        if attribute is None:
            return default
        value = attribute.f if attribute.type == _A.FLOAT else attribute.i
        if not math.isfinite(value) and not (endless and math.isinf(value)):
            raise self.fail(f"attribute {name} is {value}; export the model again")
        return value

    def integer(self, name: str, default: int) -> int:
        """An attribute that is a whole number, or ``default``."""
        attribute = self._attribute(name, (_A.INT,))
        return default if attribute is None else int(attribute.i)

    def integers(self, name: str) -> list[int] | None:
        """An attribute that is a list of whole numbers."""
        attribute = self._attribute(name, (_A.INTS,))
        return None if attribute is None else [int(n) for n in attribute.ints]

    def float_list(self, name: str) -> Floats:
        """An attribute that is a list of finite floats; empty where it is not there."""
        attribute = self._attribute(name, (_A.FLOATS,))
        values = np.array([] if attribute is None else attribute.floats, np.float64)
        return finite(values, self.label, f"attribute {name}")

    def text(self, name: str, default: str) -> str:
        """An attribute that is a text."""
        attribute = self._attribute(name, (_A.STRING,))
        return default if attribute is None else attribute.s.decode(errors="replace")

    def texts(self, name: str) -> list[str]:
        """An attribute that is a list of texts."""
        attribute = self._attribute(name, (_A.STRINGS,))
        return [] if attribute is None else [text.decode(errors="replace") for text in attribute.strings]

    def tensor(self, name: str) -> Any:
        """An attribute that is a tensor."""
        attribute = self._attribute(name, (_A.TENSOR,))
        return None if attribute is None else attribute.t

    def axis(self, value: int, rank: int) -> int:
        """An axis counted from the front."""
        if not -rank <= value < rank:
            raise self.fail(f"axis {value} is not there, its data has {rank}; export the model again")
        return value % rank

    def axes(self, rank: int) -> list[int] | None:
        """Axes as an attribute (before opset 13) or as the second input, as they are written; None where there are none."""
        if self.context.opset < 13 or self.has("axes"):
            return self.integers("axes")
        return None if self.value(1) is None else self.whole(1, "axes")
