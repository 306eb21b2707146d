"""The backward pass of a block, on one piece of the graph after the other."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from dagnn.models.kernels.block import Block, Inputs, Perceptron, Saved
from dagnn.models.kernels.pieces import Piece
from dagnn.models.kernels.reductions import add_extreme_gradient, extremes_of, total_by


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
