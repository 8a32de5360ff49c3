"""A target as an ONNX graph."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch

from phys_gan.errors import MissingError
from phys_gan.generation.export.target import Target

if TYPE_CHECKING:
    import onnx

__all__ = ["OPSET", "one_event", "require_onnx", "translate"]

OPSET = 18
"""The oldest version of the operators that has all that is needed; ONNX Runtime 1.14 reads it."""

_FORMAT = 8
"""The version of the file format that belongs to it."""


def require_onnx() -> None:
    """Raise unless what exporting needs is installed.

    Raises:
        MissingError: A package is not installed.
    """
    try:
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise MissingError(
            f"exporting needs the package '{error.name}', which is not installed",
            remedy="run pip install 'phys_gan[onnx]'",
            value=error.name,
        ) from error


def translate(target: Target) -> onnx.ModelProto:
    """Translate a target for any number of events.

    Only constants are folded. Further optimisation is left to the runtime: onnxscript's takes a
    factor that is nearly 1 (within 1e-5) for 1, which moves layer energies by parts in a thousand.
    """
    from onnxscript import optimizer

    shapes = [port.shape for port in target.inputs]
    # Neither 0 nor 1, which the tracer would take for constants.
    example = tuple(
        torch.full([3 if size == "N" else int(size) for size in shape], 0.5) for shape in shapes
    )
    batch = torch.export.Dim("N")
    with _quietly(), torch.no_grad():
        program = torch.onnx.export(
            target.eval(),
            example,
            dynamo=True,
            optimize=False,
            verbose=False,
            opset_version=OPSET,
            input_names=[port.name for port in target.inputs],
            output_names=[target.output.name],
            dynamic_shapes=(tuple({0: batch} for _ in shapes),),
            custom_translation_table=_translations(),
        )
        assert program is not None
        optimizer.inline(program.model)
        optimizer.fold_constants(program.model)
        optimizer.remove_unused_nodes(program.model)
    proto: onnx.ModelProto = program.model_proto
    _strip(proto)
    return proto


def one_event(proto: onnx.ModelProto) -> onnx.ModelProto:
    """Return the graph with all inputs and outputs for one event."""
    fixed = type(proto)()
    fixed.CopyFrom(proto)
    for value in (*fixed.graph.input, *fixed.graph.output):
        value.type.tensor_type.shape.dim[0].dim_value = 1
    return fixed


def _strip(proto: onnx.ModelProto) -> None:
    """Take out what no runtime needs: notes that name files of this machine, shapes in between."""
    graph = proto.graph
    del graph.value_info[:]
    for part in (graph, *graph.node, *graph.input, *graph.output, *graph.initializer):
        part.doc_string = ""
        del part.metadata_props[:]
    # Without the notes, the format is the one that came with these operators.
    proto.ir_version = _FORMAT


@contextmanager
def _quietly() -> Iterator[None]:
    """Keep the exporter's own notices, which nobody here can act upon, from the user."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def _translations() -> dict[Callable[..., Any], Callable[..., Any]]:
    """Return how to write what ONNX has no operator for."""
    from onnxscript import ir, opset18

    # Its annotations are those of scripts that are compiled, not of functions that are traced.
    op: Any = opset18

    def search(
        sorted_sequence: Any,
        self: Any,
        out_int32: bool = False,
        right: bool = False,
        side: str | None = None,
        sorter: Any = None,
    ) -> Any:
        """Count the values of a sorted row that are reached."""
        last = op.Constant(value_ints=[-1])
        value = op.Unsqueeze(self, last)
        compare = op.LessOrEqual if right or side == "right" else op.Less
        reached = op.Cast(compare(sorted_sequence, value), to=ir.DataType.INT64)
        return op.ReduceSum(reached, last, keepdims=0)

    def cumulative_product(self: Any, dim: int, dtype: Any = None) -> Any:
        """Multiply part by part along a dimension of fixed length."""
        length = self.shape[dim]
        if length == 1:
            return self
        parts = op.Split(self, num_outputs=length, axis=dim)
        products = [parts[0]]
        for part in parts[1:]:
            products.append(op.Mul(products[-1], part))
        return op.Concat(*products, axis=dim)

    def cosine(self: Any) -> Any:
        """Take the cosine in float32: ONNX Runtime 1.20 has no other."""
        return op.CastLike(op.Cos(op.Cast(self, to=ir.DataType.FLOAT)), self)

    def sine(self: Any) -> Any:
        """Take the sine in float32 as well."""
        return op.CastLike(op.Sin(op.Cast(self, to=ir.DataType.FLOAT)), self)

    aten = torch.ops.aten
    return {
        aten.searchsorted.Tensor: search,
        aten.cumprod.default: cumulative_product,
        aten.cos.default: cosine,
        aten.sin.default: sine,
    }
