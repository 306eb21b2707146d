"""The forward pass of a block, on one piece of the graph after the other."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from dagnn.models.links import Piece
from dagnn.models.message_records import Block, Kept
from dagnn.models.reductions import extreme_by, extremes_of, total_by


@dataclass(frozen=True)
class Forward:
    """What a block writes for nodes ``N`` and edges ``E``; pieces write to rows of their own.

    Attributes:
        block: at work.
        nodes: updated ones ``[N, H]``.
        edges: updated ones ``[E, H]``, none where nobody needs them.
        kept: for the gradient.
    """

    block: Block
    nodes: Tensor
    edges: Tensor
    kept: Kept

    @classmethod
    def of(cls, block: Block) -> "Forward":
        """Make room for what a block writes."""
        read, width = block.inputs.edges, len(block.edge_mlp.second)
        kept = Kept.room(block.rule, block.inputs, width)
        edges = len(read) if block.rule.keep_edges else 0
        nodes = len(block.inputs.nodes)
        return cls(block, read.new_empty(nodes, width), read.new_empty(edges, width), kept)

    def run(self, pieces: Sequence[Piece]) -> None:
        """Update the edges and nodes of some pieces."""
        for piece in pieces:
            message = self._update_edges(piece)
            self._reduce(message, piece)
            self._update_nodes(piece)

    def _update_edges(self, piece: Piece) -> Tensor:
        """Return the messages along the edges of a piece, written where edges are needed."""
        block, along = self.block, piece.edges
        mlp, known = block.edge_mlp, self.kept.read
        hidden = block.hidden_edges(piece, known[along] if len(known) else None)
        message = self.edges[along] if block.rule.keep_edges else torch.empty_like(hidden)
        torch.addmm(mlp.second_bias, hidden, mlp.second.T, out=message)
        if block.rule.residual:
            message += block.inputs.edges[along]
        return message

    def _reduce(self, message: Tensor, piece: Piece) -> None:
        """Write sum and extremes of the messages to every node, and which were extreme."""
        reduced, picked = self.kept.reduced[:, piece.nodes], self.kept.picked[:, piece.edges]
        receiver = self.block.rule.links.local[piece.edges]
        message = message.to(reduced.dtype)
        total_by(message, receiver, reduced[0])
        for number, name in enumerate(extremes_of(self.block.rule.aggregation)):
            extreme_by(message, receiver, name, reduced[1 + number], picked[number])

    def _update_nodes(self, piece: Piece) -> None:
        at = piece.nodes
        hidden, updated = self.kept.hidden[at], self.nodes[at]
        first, bias, second, second_bias = self.block.node_mlp
        assert bias is not None
        received = self.block.node_inputs(self.kept.reduced[:, at], piece)
        torch.addmm(bias, received, first.T, out=hidden).relu_()
        torch.addmm(second_bias, hidden, second.T, out=updated)
        if self.block.rule.residual:
            updated += self.block.inputs.nodes[at]
