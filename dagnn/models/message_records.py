"""What a block of message passing reads, how, and what it keeps for the gradient."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from dagnn.models.links import Links, Piece
from dagnn.models.reductions import extremes_of


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
        keep_edges: whether anyone needs the updated edges.
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
        sent: contribution of a node, as sender, to the hidden layer of its edges ``[N, H]``.
        met: contribution as receiver, and bias of that layer ``[N, H]``; both are None where
            nodes, and a one, are part of ``edges``.
        sum_scale: scalar by which sums are divided.
    """

    nodes: Tensor
    world: Tensor
    edges: Tensor
    sent: Tensor | None
    met: Tensor | None
    sum_scale: Tensor


class Kept(NamedTuple):
    """What the gradient of a block reads beside the inputs.

    Attributes:
        reduced: sum, and extremes, of the messages to each node ``[R, N, H]``.
        picked: which messages were extreme ``[R - 1, E, H]``, boolean.
        read: hidden layer of the edges ``[E, H]``; none where it takes no gathers to make again.
        hidden: hidden layer of the nodes ``[N, H]``.
    """

    reduced: Tensor
    picked: Tensor
    read: Tensor
    hidden: Tensor

    @classmethod
    def room(cls, rule: Rule, inputs: Inputs, width: int) -> "Kept":
        """Return room for all of this; ``width`` is that of the hidden layers."""
        nodes, edges = len(inputs.nodes), inputs.edges
        picking = len(extremes_of(rule.aggregation))
        return cls(
            inputs.sum_scale.new_empty(1 + picking, nodes, width),
            edges.new_empty(picking, len(edges), width, dtype=torch.bool),
            edges.new_empty(len(edges) if inputs.sent is not None else 0, width),
            edges.new_empty(nodes, width),
        )


@dataclass(frozen=True)
class Block:
    """A block at work; its perceptrons are in the type of its inputs."""

    rule: Rule
    inputs: Inputs
    edge_mlp: Perceptron
    node_mlp: Perceptron

    def node_inputs(self, reduced: Tensor, piece: Piece) -> Tensor:
        """Return ``[x, ⊕ e', u]`` of the nodes of a piece.

        Args:
            reduced: of these nodes, as in :class:`Kept`.
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
        sent, met = self.inputs.sent, self.inputs.met
        out = torch.mm(self.inputs.edges[along], self.edge_mlp.first.T, out=out)
        if sent is not None and met is not None:
            out += sent.index_select(0, links.sender[along])
            out += met[piece.nodes].index_select(0, links.local[along])
        return out.relu_()


def unpack(rule: Rule, tensors: Sequence[Any]) -> tuple[Block, Perceptron, Perceptron]:
    """Return the block that some tensors make up, and its perceptrons in their own type."""
    inputs = Inputs(*tensors[:6])
    edge_mlp, node_mlp = Perceptron(*tensors[6:10]), Perceptron(*tensors[10:])
    kind = inputs.edges.dtype
    return Block(rule, inputs, edge_mlp.to(kind), node_mlp.to(kind)), edge_mlp, node_mlp


def in_autocast(inputs: Inputs) -> Inputs:
    """Return what a block reads in the type that autocast asks for; a scalar stays as it is."""
    where = inputs.edges.device.type
    if not torch.is_autocast_enabled(where):
        return inputs
    kind = torch.get_autocast_dtype(where)
    return Inputs(
        inputs.nodes.to(kind),
        inputs.world.to(kind),
        inputs.edges.to(kind),
        None if inputs.sent is None else inputs.sent.to(kind),
        None if inputs.met is None else inputs.met.to(kind),
        inputs.sum_scale,
    )
