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
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from dagnn.models.kernels.block import (
    Block,
    Forward,
    Inputs,
    Perceptron,
    Rule,
    Saved,
    in_autocast,
    unpack,
)
from dagnn.models.kernels.pieces import Links, Piece, in_threads
from dagnn.models.kernels.reductions import (
    add_extreme_gradient,
    apply_to_members,
    extremes_of,
    total_by,
)


class InputGradients(NamedTuple):
    """The gradients of :class:`Inputs`; None where they are not required."""

    nodes: Tensor
    world: Tensor
    edges: Tensor | None
    source_features: Tensor | None
    target_features: Tensor | None

    @classmethod
    def empty(cls, inputs: Inputs, edges: bool) -> "InputGradients":
        """Allocate gradients; of the edges only if these are required."""
        summed = inputs.sum_scale.dtype
        source, target = inputs.source_features, inputs.target_features
        return cls(
            torch.empty_like(inputs.nodes),
            torch.empty_like(inputs.world),
            torch.empty_like(inputs.edges) if edges else None,
            None if source is None else torch.zeros_like(source, dtype=summed),
            None if target is None else torch.empty_like(target, dtype=summed),
        )


class Sums(NamedTuple):
    """Gradients to which every piece of a run adds.

    Attributes:
        edge_mlp: of the perceptron of the edges.
        node_mlp: of the perceptron of the nodes.
        source_features: of these inputs, from the first sender of the run to the last; empty
            where a block has none.
        start: the first sender.
    """

    edge_mlp: Perceptron
    node_mlp: Perceptron
    source_features: Tensor
    start: int


@dataclass(frozen=True)
class Backward:
    """The gradients of a block.

    Attributes:
        block: inputs and weights.
        saved: by the forward pass.
        mlps: its perceptrons of edges and nodes in the type of their gradients.
        of_nodes: gradient of the updated nodes ``[N, H]``.
        of_edges: gradient of the updated edges ``[E, H]``, if anyone used them.
        gradients: of the inputs; pieces write to rows of their own, except ``source_features``.
    """

    block: Block
    saved: Saved
    mlps: tuple[Perceptron, Perceptron]
    of_nodes: Tensor
    of_edges: Tensor | None
    gradients: InputGradients

    def run(self, pieces: Sequence[Piece]) -> Sums:
        """Write the gradients of some pieces; return those to which others add as well."""
        sums = self._zeros(pieces)
        for piece in pieces:
            of_message = self._spread(self._through_nodes(piece, sums.node_mlp), piece)
            if self.of_edges is not None and self.block.rule.keep_edges:
                of_message += self.of_edges[piece.edges]
            self._through_edges(of_message, piece, sums)
        return sums

    def collect(self, runs: Sequence[Sums]) -> tuple[Tensor | None, ...]:
        """Return the gradients of inputs and of both perceptrons, given the sums of all runs."""
        total, *others = runs
        for sums in others:
            for mlp, more in zip(total[:2], sums[:2], strict=True):
                for into, part in zip(mlp, more, strict=True):
                    if into is not None and part is not None:
                        into += part
        source = self.gradients.source_features
        for sums in runs:
            if source is not None and sums.source_features is not source:
                stop = sums.start + len(sums.source_features)
                source[sums.start : stop] += sums.source_features
        return (*self.gradients, None, *total.edge_mlp, *total.node_mlp)

    def _zeros(self, pieces: Sequence[Piece]) -> Sums:
        """Return zeros to add to; a run of all pieces adds to the gradients at once."""
        edge_mlp, node_mlp = (mlp.zeros() for mlp in self.mlps)
        source, links = self.gradients.source_features, self.block.rule.links
        if source is None:
            return Sums(edge_mlp, node_mlp, self.of_nodes.new_empty(0), 0)
        if len(pieces) == len(links.pieces):
            return Sums(edge_mlp, node_mlp, source, 0)
        senders = links.sender[pieces[0].edges.start : pieces[-1].edges.stop]
        start, stop = (int(senders.min()), int(senders.max()) + 1) if len(senders) else (0, 0)
        return Sums(edge_mlp, node_mlp, torch.zeros_like(source[start:stop]), start)

    def _through_nodes(self, piece: Piece, mlp: Perceptron) -> Tensor:
        """Write the gradients of nodes and world; return that of the inputs of the node network."""
        at, block, gradients = piece.nodes, self.block, self.gradients
        received = block.node_inputs(self.saved.reduced[:, at], piece)
        of_nodes, hidden = self.of_nodes[at], self.saved.hidden_nodes[at]
        of_received = (
            _backward(of_nodes, received, hidden, block.node_mlp, mlp) @ block.node_mlp.first
        )
        width, world = gradients.nodes.shape[1], gradients.world.shape[1]
        gradients.nodes[at] = of_received[:, :width]
        gradients.world[at] = of_received[:, of_received.shape[1] - world :]
        if block.rule.residual:
            gradients.nodes[at] += of_nodes
        return of_received

    def _spread(self, of_received: Tensor, piece: Piece) -> Tensor:
        """Return the gradient of the messages, given that of the inputs of the node network."""
        inputs, names = self.block.inputs, self.block.rule.aggregation
        receiver = self.block.rule.links.local[piece.edges]
        picked = self.saved.picked[:, piece.edges]
        node, world = inputs.nodes.shape[1], inputs.world.shape[1]
        columns = of_received[:, node : of_received.shape[1] - world].chunk(len(names), 1)
        parts = dict(zip(names, columns, strict=True))
        of_total = torch.zeros_like(columns[0])
        if "sum" in parts:
            of_total += parts["sum"] / inputs.sum_scale
        if "mean" in parts:
            of_total += parts["mean"] / self.block.degree(piece)
        of_message = of_total.index_select(0, receiver)
        for name, choice in zip(extremes_of(names), picked, strict=True):
            add_extreme_gradient(parts[name], receiver, choice, of_message)
        return of_message

    def _through_edges(self, of_message: Tensor, piece: Piece, sums: Sums) -> None:
        """Add the gradients of edges, of their two nodes and of the edge network."""
        block, gradients, along = self.block, self.gradients, piece.edges
        saved, links = self.saved.hidden_edges, block.rule.links
        hidden = saved[along] if len(saved) else block.hidden_edges(piece)
        edges = block.inputs.edges[along]
        before = _backward(of_message, edges, hidden, block.edge_mlp, sums.edge_mlp)
        if gradients.target_features is not None:
            wide = before.to(sums.source_features.dtype)
            sums.source_features.index_add_(0, links.sender[along] - sums.start, wide)
            total_by(wide, links.local[along], gradients.target_features[piece.nodes])
        if gradients.edges is not None:
            torch.mm(before, block.edge_mlp.first, out=gradients.edges[along])
            if block.rule.residual:
                gradients.edges[along] += of_message


def _backward(
    gradient: Tensor, inputs: Tensor, hidden: Tensor, mlp: Perceptron, sums: Perceptron
) -> Tensor:
    """Add to the gradients of a perceptron; return that of its hidden layer, before ReLU."""
    _add_product(sums.second, gradient.T, hidden)
    sums.second_bias.add_(gradient.sum(0, dtype=sums.second_bias.dtype))
    before = gradient @ mlp.second
    torch.ops.aten.threshold_backward.grad_input(before, hidden, 0, grad_input=before)
    _add_product(sums.first, before.T, inputs)
    if sums.first_bias is not None:
        sums.first_bias.add_(before.sum(0, dtype=sums.first_bias.dtype))
    return before


def _add_product(into: Tensor, left: Tensor, right: Tensor) -> None:
    """Add a product of matrices, which may be of a lower precision."""
    if into.dtype == left.dtype:
        into.addmm_(left, right)
    else:
        into.add_(left @ right)


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
