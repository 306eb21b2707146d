"""A block of message passing: inputs, forward pass, and what is saved for the gradient."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from dagnn.models.kernels.pieces import Links, Piece
from dagnn.models.kernels.reductions import extreme_by, extremes_of, total_by


class Perceptron(NamedTuple):
    """The tensors of a perceptron with one hidden ReLU layer, or their gradients.

    ``first_bias`` is None where it is part of what the perceptron reads.
    """

    first: Tensor
    first_bias: Tensor | None
    second: Tensor
    second_bias: Tensor

    def to(self, kind: torch.dtype) -> "Perceptron":
        """Return a perceptron that multiplies rows of some type."""
        bias = None if self.first_bias is None else self.first_bias.to(kind)
        return Perceptron(
            self.first.to(kind), bias, self.second.to(kind), self.second_bias.to(kind)
        )

    def zeros(self) -> "Perceptron":
        """Return zeros to which gradients are added."""
        bias = None if self.first_bias is None else torch.zeros_like(self.first_bias)
        first, second = torch.zeros_like(self.first), torch.zeros_like(self.second)
        return Perceptron(first, bias, second, torch.zeros_like(self.second_bias))


@dataclass(frozen=True)
class Rule:
    """How a block treats its graph.

    Attributes:
        links: edges sorted by receiver.
        aggregation: reductions over the edges of a node, each once.
        residual: whether inputs are added to outputs.
        keep_edges: whether the updated edges are returned.
    """

    links: Links
    aggregation: tuple[str, ...]
    residual: bool
    keep_edges: bool


class Inputs(NamedTuple):
    """What a block reads: a row per node ``N`` or per edge ``E``.

    Attributes:
        nodes: ``[N, node]``.
        world: global features of each node's graph ``[N, world]``.
        edges: ``[E, edge]``.
        source_features: what a node adds, as sender, to the hidden layer of its edges ``[N, H]``.
        target_features: what it adds as receiver, with the bias of that layer ``[N, H]``; both
            are None where node features, and a one for the bias, are columns of ``edges``.
        sum_scale: scalar by which sums are divided.
    """

    nodes: Tensor
    world: Tensor
    edges: Tensor
    source_features: Tensor | None
    target_features: Tensor | None
    sum_scale: Tensor


class Saved(NamedTuple):
    """What the gradient of a block needs besides the inputs.

    Attributes:
        reduced: sum, and extremes, of the messages to each node ``[R, N, H]``.
        picked: which messages were extreme ``[R - 1, E, H]``, boolean.
        hidden_edges: hidden layer of the edges ``[E, H]``; empty where it is recomputed.
        hidden_nodes: hidden layer of the nodes ``[N, H]``.
    """

    reduced: Tensor
    picked: Tensor
    hidden_edges: Tensor
    hidden_nodes: Tensor

    @classmethod
    def empty(cls, rule: Rule, inputs: Inputs, width: int) -> "Saved":
        """Allocate all of this, unset; ``width`` is that of the hidden layers."""
        nodes, edges = len(inputs.nodes), inputs.edges
        picking = len(extremes_of(rule.aggregation))
        return cls(
            inputs.sum_scale.new_empty(1 + picking, nodes, width),
            edges.new_empty(picking, len(edges), width, dtype=torch.bool),
            edges.new_empty(len(edges) if inputs.source_features is not None else 0, width),
            edges.new_empty(nodes, width),
        )


@dataclass(frozen=True)
class Block:
    """All that a block computes with; its perceptrons are in the type of its inputs."""

    rule: Rule
    inputs: Inputs
    edge_mlp: Perceptron
    node_mlp: Perceptron

    def node_inputs(self, reduced: Tensor, piece: Piece) -> Tensor:
        """Return ``[x, ⊕ e', u]`` of the nodes of a piece.

        Args:
            reduced: of these nodes, as in :class:`Saved`.
            piece: of the graph.
        """
        inputs, names = self.inputs, self.rule.aggregation
        values = dict(zip(extremes_of(names), reduced[1:], strict=True))
        if "sum" in names:
            values["sum"] = reduced[0] / inputs.sum_scale
        if "mean" in names:
            values["mean"] = reduced[0] / self.degree(piece)
        nodes = inputs.nodes[piece.nodes]
        received = [values[name].to(nodes.dtype) for name in names]
        return torch.cat([nodes, *received, inputs.world[piece.nodes]], 1)

    def degree(self, piece: Piece) -> Tensor:
        """Return the divisor of a mean over the edges of each node ``[n, 1]``."""
        degree = self.rule.links.degree[piece.nodes].clamp(min=1)
        return degree.to(self.inputs.sum_scale)[:, None]

    def hidden_edges(self, piece: Piece, out: Tensor | None = None) -> Tensor:
        """Return the hidden layer of the edges of a piece, written to ``out`` where it is given."""
        along, links = piece.edges, self.rule.links
        source, target = self.inputs.source_features, self.inputs.target_features
        out = torch.mm(self.inputs.edges[along], self.edge_mlp.first.T, out=out)
        if source is not None and target is not None:
            out += source.index_select(0, links.sender[along])
            out += target[piece.nodes].index_select(0, links.local[along])
        return out.relu_()


@dataclass(frozen=True)
class Forward:
    """The forward pass, piece by piece; pieces write to rows of their own.

    Attributes:
        block: inputs and weights.
        nodes: updated nodes ``[N, H]``.
        edges: updated edges ``[E, H]``; empty unless ``block.rule.keep_edges``.
        saved: for the gradient.
    """

    block: Block
    nodes: Tensor
    edges: Tensor
    saved: Saved

    @classmethod
    def of(cls, block: Block) -> "Forward":
        """Allocate the outputs of a block, unset."""
        like, width = block.inputs.edges, len(block.edge_mlp.second)
        nodes = like.new_empty(len(block.inputs.nodes), width)
        edges = like.new_empty(len(like) if block.rule.keep_edges else 0, width)
        return cls(block, nodes, edges, Saved.empty(block.rule, block.inputs, width))

    def run(self, pieces: Sequence[Piece]) -> None:
        """Update the edges and nodes of some pieces."""
        for piece in pieces:
            message = self._update_edges(piece)
            self._reduce(message, piece)
            self._update_nodes(piece)

    def _update_edges(self, piece: Piece) -> Tensor:
        """Return the messages along the edges of a piece; they are kept if edges are returned."""
        block, along = self.block, piece.edges
        mlp, saved = block.edge_mlp, self.saved.hidden_edges
        hidden = block.hidden_edges(piece, saved[along] if len(saved) else None)
        message = self.edges[along] if block.rule.keep_edges else torch.empty_like(hidden)
        torch.addmm(mlp.second_bias, hidden, mlp.second.T, out=message)
        if block.rule.residual:
            message += block.inputs.edges[along]
        return message

    def _reduce(self, message: Tensor, piece: Piece) -> None:
        """Write sum and extremes of the messages to every node, and which were extreme."""
        reduced, picked = self.saved.reduced[:, piece.nodes], self.saved.picked[:, piece.edges]
        receiver = self.block.rule.links.local[piece.edges]
        message = message.to(reduced.dtype)
        total_by(message, receiver, reduced[0])
        for number, name in enumerate(extremes_of(self.block.rule.aggregation)):
            extreme_by(message, receiver, name, reduced[1 + number], picked[number])

    def _update_nodes(self, piece: Piece) -> None:
        at = piece.nodes
        hidden, updated = self.saved.hidden_nodes[at], self.nodes[at]
        first, bias, second, second_bias = self.block.node_mlp
        assert bias is not None
        received = self.block.node_inputs(self.saved.reduced[:, at], piece)
        torch.addmm(bias, received, first.T, out=hidden).relu_()
        torch.addmm(second_bias, hidden, second.T, out=updated)
        if self.block.rule.residual:
            updated += self.block.inputs.nodes[at]


def unpack(rule: Rule, tensors: Sequence[Any]) -> tuple[Block, Perceptron, Perceptron]:
    """Return the block that some tensors make up, and its perceptrons in their own type."""
    inputs = Inputs(*tensors[:6])
    edge_mlp, node_mlp = Perceptron(*tensors[6:10]), Perceptron(*tensors[10:])
    kind = inputs.edges.dtype
    return Block(rule, inputs, edge_mlp.to(kind), node_mlp.to(kind)), edge_mlp, node_mlp


def in_autocast(inputs: Inputs) -> Inputs:
    """Return inputs in the type of autocast; the scalar stays as it is."""
    where = inputs.edges.device.type
    if not torch.is_autocast_enabled(where):
        return inputs
    kind = torch.get_autocast_dtype(where)
    source, target = inputs.source_features, inputs.target_features
    return Inputs(
        inputs.nodes.to(kind),
        inputs.world.to(kind),
        inputs.edges.to(kind),
        None if source is None else source.to(kind),
        None if target is None else target.to(kind),
        inputs.sum_scale,
    )
