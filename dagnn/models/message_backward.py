"""The backward pass of a block, on one piece of the graph after the other."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from dagnn.models.links import Piece
from dagnn.models.message_records import Block, Inputs, Kept, Perceptron
from dagnn.models.reductions import add_extreme_gradient, extremes_of, total_by


class InputGradients(NamedTuple):
    """The gradients of :class:`Inputs`; None where nobody asks."""

    nodes: Tensor
    world: Tensor
    edges: Tensor | None
    sent: Tensor | None
    met: Tensor | None

    @classmethod
    def room(cls, inputs: Inputs, edges: bool) -> "InputGradients":
        """Return room for gradients; of the edges where they are asked for."""
        summed = inputs.sum_scale.dtype
        return cls(
            torch.empty_like(inputs.nodes),
            torch.empty_like(inputs.world),
            torch.empty_like(inputs.edges) if edges else None,
            None if inputs.sent is None else torch.zeros_like(inputs.sent, dtype=summed),
            None if inputs.met is None else torch.empty_like(inputs.met, dtype=summed),
        )


class Sums(NamedTuple):
    """Gradients to which every piece of a run adds.

    Attributes:
        edge_mlp: of the perceptron of the edges.
        node_mlp: of the perceptron of the nodes.
        sent: of what nodes contribute as senders, from the first sender of the run to the last;
            empty where they contribute nothing.
        start: the first sender.
    """

    edge_mlp: Perceptron
    node_mlp: Perceptron
    sent: Tensor
    start: int


@dataclass(frozen=True)
class Backward:
    """The gradients of a block.

    Attributes:
        block: at work.
        kept: what it kept.
        mlps: its perceptrons of edges and nodes in the type of their gradients.
        of_nodes: gradient of the updated nodes ``[N, H]``.
        of_edges: gradient of the updated edges ``[E, H]``, if anyone used them.
        found: gradients of the inputs; pieces write to rows of their own, and leave ``sent``.
    """

    block: Block
    kept: Kept
    mlps: tuple[Perceptron, Perceptron]
    of_nodes: Tensor
    of_edges: Tensor | None
    found: InputGradients

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
        for sums in runs:
            if self.found.sent is not None and sums.sent is not self.found.sent:
                self.found.sent[sums.start : sums.start + len(sums.sent)] += sums.sent
        return (*self.found, None, *total.edge_mlp, *total.node_mlp)

    def _zeros(self, pieces: Sequence[Piece]) -> Sums:
        """Return zeros to add to; a run of all pieces adds to what is found at once."""
        edge_mlp, node_mlp = (mlp.zeros() for mlp in self.mlps)
        found, links = self.found.sent, self.block.rule.links
        if found is None:
            return Sums(edge_mlp, node_mlp, self.of_nodes.new_empty(0), 0)
        if len(pieces) == len(links.pieces):
            return Sums(edge_mlp, node_mlp, found, 0)
        senders = links.sender[pieces[0].edges.start : pieces[-1].edges.stop]
        start, stop = (int(senders.min()), int(senders.max()) + 1) if len(senders) else (0, 0)
        return Sums(edge_mlp, node_mlp, torch.zeros_like(found[start:stop]), start)

    def _through_nodes(self, piece: Piece, mlp: Perceptron) -> Tensor:
        """Write what nodes and their world get; return the gradient of what the nodes read."""
        at, block, found = piece.nodes, self.block, self.found
        received = block.node_inputs(self.kept.reduced[:, at], piece)
        of_nodes, hidden = self.of_nodes[at], self.kept.hidden[at]
        of_received = (
            _backward(of_nodes, received, hidden, block.node_mlp, mlp) @ block.node_mlp.first
        )
        width, world = found.nodes.shape[1], found.world.shape[1]
        found.nodes[at] = of_received[:, :width]
        found.world[at] = of_received[:, of_received.shape[1] - world :]
        if block.rule.residual:
            found.nodes[at] += of_nodes
        return of_received

    def _spread(self, of_received: Tensor, piece: Piece) -> Tensor:
        """Return the gradient of the messages, given that of what the nodes read."""
        inputs, names = self.block.inputs, self.block.rule.aggregation
        receiver, picked = (
            self.block.rule.links.local[piece.edges],
            self.kept.picked[:, piece.edges],
        )
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
        """Add what edges, and their two nodes, get from the perceptron of the edges."""
        block, found, along = self.block, self.found, piece.edges
        read, links = self.kept.read, block.rule.links
        hidden = read[along] if len(read) else block.hidden_edges(piece)
        edges = block.inputs.edges[along]
        before = _backward(of_message, edges, hidden, block.edge_mlp, sums.edge_mlp)
        if found.sent is not None and found.met is not None:
            wide = before.to(sums.sent.dtype)
            sums.sent.index_add_(0, links.sender[along] - sums.start, wide)
            total_by(wide, links.local[along], found.met[piece.nodes])
        if found.edges is not None:
            torch.mm(before, block.edge_mlp.first, out=found.edges[along])
            if block.rule.residual:
                found.edges[along] += of_message


def _backward(
    gradient: Tensor, read: Tensor, hidden: Tensor, mlp: Perceptron, found: Perceptron
) -> Tensor:
    """Add to the gradients of a perceptron; return that of its hidden layer, before ReLU."""
    _add_product(found.second, gradient.T, hidden)
    found.second_bias.add_(gradient.sum(0, dtype=found.second_bias.dtype))
    before = gradient @ mlp.second
    torch.ops.aten.threshold_backward.grad_input(before, hidden, 0, grad_input=before)
    _add_product(found.first, before.T, read)
    if found.first_bias is not None:
        found.first_bias.add_(before.sum(0, dtype=found.first_bias.dtype))
    return before


def _add_product(into: Tensor, left: Tensor, right: Tensor) -> None:
    """Add a product of matrices, which may be of a lower precision."""
    if into.dtype == left.dtype:
        into.addmm_(left, right)
    else:
        into.add_(left @ right)
