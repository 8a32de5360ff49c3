"""The ONNX graph of a target, :func:`translate`, and its parity with torch, :func:`compare`."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from phys_gan.errors import DataError, MissingError
from phys_gan.generation.export.target import Arrays, Target
from phys_gan.randomness import stream

if TYPE_CHECKING:
    import onnx

OPSET = 18
"""The oldest version of the operators that has all that is needed; ONNX Runtime 1.14 reads it."""
_FORMAT = 8
"""The version of the file format that belongs to it."""
_LIMIT = 1e-5
"""Largest difference allowed, relative to the largest cell of the event."""
_INSIDE, _BEYOND = 24, (0.0, 0.1, 0.9, 1.0, 1.0, 1.1, 10.0, 1000.0)
_TRIALS = 8

Cells = NDArray[np.float32]


@dataclass(frozen=True)
class Parity:
    """Difference between ONNX Runtime and torch on the same inputs.

    Attributes:
        worst: Largest difference relative to the largest cell of its event.
        events: Events compared.
        undecided: Those of them that are left out: a cell lies at a threshold, so that a change
            in the last digits of the input makes it appear or vanish.
        limit: Largest difference allowed.
    """

    worst: float
    events: int
    undecided: int
    limit: float = _LIMIT


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

    Only constants are folded. Further optimisation is left to the runtime: onnxscript's replaces a
    factor of nearly 1 (within 1e-5) by 1, which changes layer energies by parts in a thousand.
    """
    from onnxscript import optimizer

    shapes = [port.shape for port in target.inputs]
    # Neither 0 nor 1, which the tracer would take for constants.
    example = tuple(
        torch.full([3 if size == "N" else int(size) for size in shape], 0.5) for shape in shapes
    )
    batch = torch.export.Dim("N")
    # Users cannot act upon the exporter's own notices.
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")
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
    finally:
        logger.setLevel(level)
    proto: onnx.ModelProto = program.model_proto
    # No runtime needs the notes, which name files of this machine, or the shapes in between.
    graph = proto.graph
    del graph.value_info[:]
    for part in (graph, *graph.node, *graph.input, *graph.output, *graph.initializer):
        part.doc_string = ""
        del part.metadata_props[:]
    # Without the notes, the format is the one that came with these operators.
    proto.ir_version = _FORMAT
    return proto


def one_event(proto: onnx.ModelProto) -> onnx.ModelProto:
    """Return the graph with all inputs and outputs for one event."""
    fixed = type(proto)()
    fixed.CopyFrom(proto)
    for value in (*fixed.graph.input, *fixed.graph.output):
        value.type.tensor_type.shape.dim[0].dim_value = 1
    return fixed


def _translations() -> dict[Callable[..., Any], Callable[..., Any]]:
    """Return translations of what ONNX has no operator for."""
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


def probes(
    bounds: Mapping[str, tuple[float, float]], seed: int = 0
) -> dict[str, NDArray[np.float64]]:
    """Return conditions in, at and beyond the range of the training events, each (N,)."""
    named = {}
    for name, (low, high) in bounds.items():
        if not np.isfinite(high):
            low, high = -np.pi, np.pi
        inside = stream(seed, f"parity {name}").uniform(low, high, _INSIDE)
        width = high - low
        factors = np.array(_BEYOND)
        if low > 0:
            beyond = np.where(factors < 1, low * factors, high * factors)
            beyond[3] = low
        else:
            beyond = low + np.array([-10, -1, -0.1, 0, 1, 1.1, 2, 10]) * width
        named[name] = np.concatenate([inside, beyond])
    return named


@torch.no_grad()
def compare(target: Target, graph: bytes, single: bytes | None = None, seed: int = 0) -> Parity:
    """Compare a target in torch and in ONNX Runtime on the same inputs.

    A cell that lies at a threshold can be hit in one and not in the other, and both are right.
    Such an event is set aside if noise that differs only in its last digits changes the hits in
    torch itself; no more than one event in eight may be set aside.

    Arguments:
        target: The target.
        graph: Its graph for any number of events, as bytes of a file.
        single: The same for one event, which runs event by event and without optimisation.
        seed: Seed of the noise.

    Raises:
        DataError: They differ by more than the limit.
    """
    inputs = target.draw(probes(target.pipeline.bounds, seed), stream(seed, "parity"))
    expected = _torch(target, inputs)
    n = len(expected)
    runs = [_session(graph, optimised=True)(target, inputs)]
    if single is not None:
        one = _session(single, optimised=False)
        rows = [tuple(array[k : k + 1] for array in inputs) for k in range(n)]
        runs.append(np.concatenate([one(target, row) for row in rows]))
    largest = np.abs(expected).max(axis=1)
    scale = np.where(largest > 0, largest, largest.max() or 1.0)
    kept, undecided = [], set()
    for found in runs:
        # NaN does not match.
        difference = np.nan_to_num(np.abs(found - expected).max(axis=1) / scale, nan=np.inf)
        far = np.flatnonzero(difference > _LIMIT)
        flips = [k for k in map(int, far) if _flips(target, inputs, k, expected[k], found[k], seed)]
        kept.append(np.delete(difference, flips).max(initial=0.0))
        undecided.update(flips)
    result = Parity(float(max(kept)), n, len(undecided))
    if result.worst > _LIMIT or result.undecided > n / 8:
        raise DataError(
            f"ONNX Runtime and torch differ by {result.worst:.2g} of the largest cell, and in "
            f"{result.undecided} of {n} events by a cell at the threshold; nothing was written",
            remedy=f"export another model, or with other versions of onnx; allowed is {_LIMIT:g}",
            value=result.worst,
            constraint=_LIMIT,
        )
    return result


def _session(graph: bytes, *, optimised: bool) -> Callable[[Target, Arrays], Cells]:
    """Load a graph, and return a function of a target and its inputs to flat outputs."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    if not optimised:
        level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        options.graph_optimization_level = level
    session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])

    def run(target: Target, inputs: Arrays) -> Cells:
        names = [port.name for port in target.inputs]
        found: Cells = session.run(None, dict(zip(names, inputs, strict=True)))[0]
        return found.reshape(len(found), -1)

    return run


def _torch(target: Target, inputs: Arrays) -> Cells:
    cells: Cells = target(*map(torch.from_numpy, inputs)).flatten(1).numpy()
    return cells


def _flips(
    target: Target,
    inputs: Arrays,
    row: int,
    expected: Cells,
    found: Cells,
    seed: int,
) -> bool:
    """Return whether other cells are hit, and would be in torch under nearly the same noise."""
    if np.array_equal(expected > 0, found > 0):
        return False
    noise, *rest = (np.repeat(array[row : row + 1], _TRIALS, axis=0) for array in inputs)
    shifts = stream(seed, f"nearly the same {row}").normal(0, 1e-6, noise.shape)
    shifted = (noise * (1 + shifts)).astype(np.float32)
    hit = _torch(target, (shifted, *rest)) > 0
    return bool((hit != (expected > 0)).any())
