"""Message passing in plain PyTorch: the definition of what the fused kernels compute.

Every operation here can be exported, traced, vectorised by ``vmap`` and differentiated any
number of times, forwards and backwards. A training step takes about twice as long.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch._C._functorch import TransformType, get_interpreter_stack
from torch.autograd import forward_ad
from torch.jit._trace import is_tracing
from torch_geometric.utils import scatter

from dagnn.nn import at_least_float32


def pass_messages(
    x: Tensor,
    edge_index: Tensor,
    edge: Tensor,
    world: Tensor,
    sum_scale: Tensor,
    edge_mlp: Callable[[Tensor], Tensor],
    node_mlp: Callable[[Tensor], Tensor],
    aggregation: Sequence[str],
    residual: bool,
) -> tuple[Tensor, Tensor]:
    """Return updated nodes ``[N, H]`` and edges ``[E, H]``, see :class:`GraphBlock`.

    Args:
        x: nodes ``[N, node]``.
        edge_index: sender and receiver of each edge ``[2, E]``, in any order.
        edge: edge features ``[E, edge]``.
        world: global features of each node's graph ``[N, world]``.
        sum_scale: scalar by which sums over edges are divided.
        edge_mlp: from ``[E, 2 · node + edge]`` to ``[E, H]``.
        node_mlp: from ``[N, node + len(aggregation) · H + world]`` to ``[N, H]``.
        aggregation: reductions over the edges that arrive at a node.
        residual: whether inputs are added to outputs.
    """
    source, target = edge_index
    messages = edge_mlp(torch.cat([x[source], x[target], edge], dim=1))
    if residual:
        messages = messages + edge
    wide = at_least_float32(messages)  # sums are not in the lower precision of autocast
    received = reduce_by(wide, target, x.shape[0], aggregation, sum_scale)
    nodes = node_mlp(torch.cat([x, *received, world], dim=1))
    return nodes + x if residual else nodes, messages


def reduce_by(
    values: Tensor, index: Tensor, groups: int, reductions: Sequence[str], sum_scale: Tensor
) -> list[Tensor]:
    """Reduce rows by group; see :func:`dagnn.models.kernels.reductions.reduce_by`.

    PyG's ``scatter`` uses torch-scatter for extremes on a GPU, where it is installed. Equal rows
    share the gradient of an extreme; torch-scatter gives it to one of them.
    """
    reduced = {name: scatter(values, index, 0, groups, name) for name in reductions}
    return [part / sum_scale if name == "sum" else part for name, part in reduced.items()]


def is_transformed() -> bool:
    """Return whether PyTorch is recording or transforming operations.

    That is under ``torch.export``, ``torch.compile`` and ``torch.jit.trace``, under every
    derivative of ``torch.func`` (``grad``, ``vjp``, ``jacrev``, ``jvp``, ``hessian``, ...) and
    in forward-mode differentiation, but not under ``vmap`` alone, which the kernels know.
    """
    if torch.compiler.is_compiling() or is_tracing():  # type: ignore[no-untyped-call]
        return True
    transforms = {level.key() for level in get_interpreter_stack() or ()}
    return forward_ad._current_level >= 0 or bool(transforms - {TransformType.Vmap})
