"""One block of message passing, with a gradient of its own.

Written in plain autograd, as in :mod:`~dagnn.models.kernels.reference`, a block keeps about a
dozen arrays with a row per edge and moves each through memory several times. Here all
operations of a block run on one piece of the graph after the other, so that intermediate
results stay in the cache; with more than one thread, each works on a run of pieces. Saved for
the gradient are, per edge, which messages were extreme and, where it cannot be recomputed
without gathers, the hidden layer; per node, the reductions and the hidden layer. The first
layer of the edge network is linear in its three parts: where nodes are wide they are
multiplied by their part of the weights once per node, not once per edge.

Under autocast, products of matrices and whatever has a row per node or per edge are in the
lower precision; sums over rows are not, nor are the gradients of weights.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from dagnn.models.kernels.backward import Backward, InputGradients
from dagnn.models.kernels.block import Forward, Inputs, Rule, Saved, in_autocast, unpack
from dagnn.models.kernels.pieces import Links, in_threads
from dagnn.models.kernels.reductions import apply_to_members


def pass_messages(
    x: Tensor,
    links: Links,
    edge: Tensor,
    world: Tensor,
    sum_scale: Tensor,
    edge_mlp: Sequence[Tensor],
    node_mlp: Sequence[Tensor],
    aggregation: tuple[str, ...],
    residual: bool,
    keep_edges: bool,
) -> tuple[Tensor, Tensor]:
    """Return what :func:`dagnn.models.kernels.reference.pass_messages` does.

    Args:
        x: nodes ``[N, node]``.
        links: edges sorted by receiver.
        edge: their features ``[E, edge]``.
        world: global features of each node's graph ``[N, world]``.
        sum_scale: scalar by which sums over edges are divided.
        edge_mlp: weight, bias, weight, bias of Linear, ReLU, Linear.
        node_mlp: the same.
        aggregation: reductions over the edges of a node, each once.
        residual: whether inputs are added to outputs.
        keep_edges: whether the updated edges are returned; otherwise none are.
    """
    node, (weight, bias, *second) = x.shape[1], edge_mlp
    if 2 * node >= len(bias):
        of_sender, of_receiver, of_edge = torch.split(weight, [node, node, edge.shape[1]], 1)
        source = functional.linear(x, of_sender)
        target = functional.linear(x, of_receiver, bias)
        inputs = Inputs(x, world, edge, source, target, sum_scale)
    else:
        inputs = Inputs(x, world, _with_nodes(x, links, edge), None, None, sum_scale)
        of_edge = torch.cat([weight, bias[:, None]], 1)
        of_edge = functional.pad(of_edge, (0, inputs.edges.shape[1] - of_edge.shape[1]))
    rule = Rule(links, aggregation, residual, keep_edges)
    nodes, edges, *_ = PassMessages.apply(  # type: ignore[no-untyped-call]
        rule, *in_autocast(inputs), of_edge, None, *second, *node_mlp
    )
    return nodes, edges


def _with_nodes(x: Tensor, links: Links, edge: Tensor) -> Tensor:
    """Return ``[x_row, x_col, e, 1]`` and columns of zeros up to a multiple of eight.

    The column of ones carries the bias. Products of matrices of odd width are slow on a CPU.
    """
    ends = x.index_select(0, links.sender), x.index_select(0, links.receiver)
    one = edge.new_ones(len(edge), 1)
    missing = -(2 * x.shape[1] + edge.shape[1] + 1) % 8
    return torch.cat([*ends, edge, one, edge.new_zeros(len(edge), missing)], dim=1)


class PassMessages(torch.autograd.Function):
    """Update edges and nodes.

    Takes a :class:`Rule`, the members of :class:`Inputs`, and eight tensors: the perceptron
    of the edges and the perceptron of the nodes. Returns nodes ``[N, H]``, edges ``[E, H]``
    (none unless ``rule.keep_edges``), and the members of :class:`Saved`.
    """

    @staticmethod
    def forward(rule: Rule, *tensors: Tensor) -> tuple[Tensor, ...]:
        """Return nodes, edges, and what is saved for the gradient."""
        block, *_ = unpack(rule, tensors)
        output = Forward.of(block)
        in_threads(output.run, rule.links.pieces)
        return output.nodes, output.edges, *output.saved

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        """Save what the gradient needs."""
        rule, *tensors = inputs
        ctx.rule = rule
        ctx.mark_non_differentiable(*output[2:])
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(*tensors, *output[2:])

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, ...]:
        """Return the gradients of all tensors, piece by piece as in the forward pass."""
        saved = ctx.saved_tensors  # read once: checkpointing recomputes them each time
        tensors, saved = saved[:-4], Saved(*saved[-4:])
        block, *mlps = unpack(ctx.rule, tensors)
        of_nodes, of_edges = gradients[:2]
        if of_nodes is None:
            of_nodes = torch.zeros_like(saved.hidden_nodes)
        of_inputs = InputGradients.empty(block.inputs, ctx.needs_input_grad[3])
        work = Backward(block, saved, (mlps[0], mlps[1]), of_nodes, of_edges, of_inputs)
        return (None, *work.collect(in_threads(work.run, ctx.rule.links.pieces)))

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], *inputs: Any) -> tuple[Any, ...]:
        """Run the members of an ensemble one after the other."""
        return apply_to_members(PassMessages, info.batch_size, in_dims, inputs)
