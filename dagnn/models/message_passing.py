"""One step of message passing, with a gradient of its own.

Written out in plain autograd, a block keeps about a dozen arrays with a row per edge and
moves each through memory several times. Here all operations of a block run on one piece of
the graph after the other, so that what lies between input and output stays in the cache.
For the gradient are kept, per edge, which messages were extreme and, where it takes gathers
to make it again, the hidden layer; per node, the reductions and the hidden layer. The
numbers are those of the plain network.

Under autocast, products of matrices and whatever has a row per node or per edge are in the
lower precision; sums over rows are not, nor are the gradients of weights.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from dagnn.models.links import Links, Piece
from dagnn.models.reductions import (
    add_extreme_gradient,
    apply_to_members,
    extreme_by,
    extremes_of,
    total_by,
)


class Perceptron(NamedTuple):
    """The tensors of a perceptron with one hidden ReLU layer, or their gradients.

    ``first_bias`` is None where it is part of what the perceptron reads.
    """

    first: Tensor
    first_bias: Tensor | None
    second: Tensor
    second_bias: Tensor


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


class InputGradients(NamedTuple):
    """The gradients of :class:`Inputs`; None where nobody asks."""

    nodes: Tensor
    world: Tensor
    edges: Tensor | None
    sent: Tensor | None
    met: Tensor | None


class PassMessages(torch.autograd.Function):
    """Update edges and nodes; :class:`dagnn.models.graph.GraphBlock` tells the formula.

    Takes a :class:`Rule`, the members of :class:`Inputs`, and eight tensors: the perceptron
    of the edges and the perceptron of the nodes. Returns nodes ``[N, H]``, edges ``[E, H]``
    (none where nobody needs them), and four tensors that the gradient reads.
    """

    @staticmethod
    def forward(rule: Rule, *tensors: Tensor) -> tuple[Tensor, ...]:
        """Return nodes, edges, reductions ``[R, N, H]``, picks, hidden edges and nodes."""
        inputs, *mlps = _unpacked(tensors)
        edge_mlp, node_mlp = (_in_type(mlp, inputs.edges) for mlp in mlps)
        nodes, edges, width = inputs.nodes, inputs.edges, len(edge_mlp.second)
        picking = len(extremes_of(rule.aggregation))
        kept = edges.new_empty(len(edges) if rule.keep_edges else 0, width)
        reduced = inputs.sum_scale.new_empty(1 + picking, len(nodes), width)
        picked = edges.new_empty(picking, len(edges), width, dtype=torch.bool)
        read = edges.new_empty(len(edges) if inputs.sent is not None else 0, width)
        hidden, updated = (edges.new_empty(len(nodes), width) for _ in range(2))
        for piece in rule.links.pieces:
            at, along = piece.nodes, piece.edges
            known = read[along] if len(read) else edges.new_empty(len(edges[along]), width)
            _hidden_edges(inputs, edge_mlp, rule.links, piece, known)
            message = kept[along] if rule.keep_edges else torch.empty_like(known)
            torch.addmm(edge_mlp.second_bias, known, edge_mlp.second.T, out=message)
            if rule.residual:
                message += edges[along]
            _reduce(message, rule, piece, reduced[:, at], picked[:, along])
            received = _node_inputs(inputs, reduced[:, at], rule, piece)
            _first_layer(node_mlp, received, hidden[at])
            torch.addmm(node_mlp.second_bias, hidden[at], node_mlp.second.T, out=updated[at])
            if rule.residual:
                updated[at] += nodes[at]
        return updated, kept, reduced, picked, read, hidden

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        """Keep what the gradient reads."""
        rule, *tensors = inputs
        ctx.rule = rule
        ctx.mark_non_differentiable(*output[2:])
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(*tensors, *output[2:])

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, ...]:
        """Return the gradients of all tensors, piece by piece as in the forward pass."""
        rule, (*tensors, reduced, picked, read, hidden) = ctx.rule, ctx.saved_tensors
        inputs, *mlps = _unpacked(tensors)
        edge_mlp, node_mlp = (_in_type(mlp, inputs.edges) for mlp in mlps)
        of_updated, of_kept = gradients[:2]
        if of_updated is None:
            of_updated = torch.zeros_like(hidden)
        found = _empty(inputs, ctx.needs_input_grad[3])
        of_edge_mlp, of_node_mlp = (_zeros(mlp) for mlp in mlps)
        for piece in rule.links.pieces:
            at, along = piece.nodes, piece.edges
            received = _node_inputs(inputs, reduced[:, at], rule, piece)
            before = _backward(of_updated[at], received, hidden[at], node_mlp, of_node_mlp)
            of_received = before @ node_mlp.first
            _collect_nodes(found, of_received, of_updated, rule, piece)
            of_message = _spread(of_received, inputs, picked[:, along], rule, piece)
            if of_kept is not None and rule.keep_edges:
                of_message += of_kept[along]
            known = (
                read[along]
                if len(read)
                else _hidden_edges(
                    inputs, edge_mlp, rule.links, piece, torch.empty_like(of_message)
                )
            )
            before = _backward(of_message, inputs.edges[along], known, edge_mlp, of_edge_mlp)
            _collect_edges(found, before, of_message, edge_mlp, rule, piece)
        return (None, *found, None, *of_edge_mlp, *of_node_mlp)

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], *inputs: Any) -> tuple[Any, ...]:
        """Run the members of an ensemble one after the other."""
        return apply_to_members(PassMessages, info.batch_size, in_dims, inputs)


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


def _in_type(mlp: Perceptron, like: Tensor) -> Perceptron:
    """Return a perceptron that multiplies rows of some type."""
    first, bias, *second = mlp
    cast = [weight.to(like.dtype) for weight in second]
    return Perceptron(first.to(like.dtype), None if bias is None else bias.to(like.dtype), *cast)


def _zeros(mlp: Perceptron) -> Perceptron:
    first, bias, *second = mlp
    no_bias = None if bias is None else torch.zeros_like(bias)
    return Perceptron(torch.zeros_like(first), no_bias, *map(torch.zeros_like, second))


def _empty(inputs: Inputs, edges: bool) -> InputGradients:
    """Return room for the gradients of the inputs; of the edges where they are asked for."""
    summed = inputs.sum_scale.dtype
    return InputGradients(
        torch.empty_like(inputs.nodes),
        torch.empty_like(inputs.world),
        torch.empty_like(inputs.edges) if edges else None,
        None if inputs.sent is None else torch.zeros_like(inputs.sent, dtype=summed),
        None if inputs.met is None else torch.empty_like(inputs.met, dtype=summed),
    )


def _unpacked(tensors: Sequence[Any]) -> tuple[Inputs, Perceptron, Perceptron]:
    inputs, edge_mlp, node_mlp = tensors[:6], tensors[6:10], tensors[10:]
    return Inputs(*inputs), Perceptron(*edge_mlp), Perceptron(*node_mlp)


def _hidden_edges(
    inputs: Inputs, mlp: Perceptron, links: Links, piece: Piece, out: Tensor
) -> Tensor:
    """Write, and return, the hidden layer of the edges of a piece."""
    along = piece.edges
    torch.mm(inputs.edges[along], mlp.first.T, out=out)
    if inputs.sent is not None and inputs.met is not None:
        out += inputs.sent.index_select(0, links.sender[along])
        out += inputs.met[piece.nodes].index_select(0, links.local[along])
    return out.relu_()


def _first_layer(mlp: Perceptron, read: Tensor, out: Tensor) -> None:
    """Write the hidden layer of a perceptron that has a bias of its own."""
    assert mlp.first_bias is not None
    torch.addmm(mlp.first_bias, read, mlp.first.T, out=out).relu_()


def _reduce(message: Tensor, rule: Rule, piece: Piece, reduced: Tensor, picked: Tensor) -> None:
    """Write sum and extremes of the messages to every node, and which were extreme."""
    receiver = rule.links.local[piece.edges]
    message = message.to(reduced.dtype)
    total_by(message, receiver, reduced[0])
    for number, name in enumerate(extremes_of(rule.aggregation)):
        extreme_by(message, receiver, name, reduced[1 + number], picked[number])


def _degree(inputs: Inputs, rule: Rule, piece: Piece) -> Tensor:
    """Return the divisor of a mean over the edges of each node ``[n, 1]``."""
    return rule.links.degree[piece.nodes].clamp(min=1).to(inputs.sum_scale)[:, None]


def _node_inputs(inputs: Inputs, reduced: Tensor, rule: Rule, piece: Piece) -> Tensor:
    """Return ``[x, ⊕ e', u]`` of the nodes of a piece."""
    values = dict(zip(extremes_of(rule.aggregation), reduced[1:], strict=True))
    if "sum" in rule.aggregation:
        values["sum"] = reduced[0] / inputs.sum_scale
    if "mean" in rule.aggregation:
        values["mean"] = reduced[0] / _degree(inputs, rule, piece)
    nodes = inputs.nodes[piece.nodes]
    received = [values[name].to(nodes.dtype) for name in rule.aggregation]
    return torch.cat([nodes, *received, inputs.world[piece.nodes]], 1)


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


def _collect_nodes(
    found: InputGradients, of_received: Tensor, of_updated: Tensor, rule: Rule, piece: Piece
) -> None:
    """Write what the nodes of a piece get from their own perceptron."""
    at = piece.nodes
    width, world = found.nodes.shape[1], found.world.shape[1]
    found.nodes[at] = of_received[:, :width]
    found.world[at] = of_received[:, of_received.shape[1] - world :]
    if rule.residual:
        found.nodes[at] += of_updated[at]


def _spread(
    of_received: Tensor, inputs: Inputs, picked: Tensor, rule: Rule, piece: Piece
) -> Tensor:
    """Return the gradient of the messages, given that of what the nodes read."""
    receiver = rule.links.local[piece.edges]
    node, world = inputs.nodes.shape[1], inputs.world.shape[1]
    columns = of_received[:, node : of_received.shape[1] - world].chunk(len(rule.aggregation), 1)
    parts = dict(zip(rule.aggregation, columns, strict=True))
    of_total = torch.zeros_like(columns[0])
    if "sum" in parts:
        of_total += parts["sum"] / inputs.sum_scale
    if "mean" in parts:
        of_total += parts["mean"] / _degree(inputs, rule, piece)
    of_message = of_total.index_select(0, receiver)
    for name, choice in zip(extremes_of(rule.aggregation), picked, strict=True):
        add_extreme_gradient(parts[name], receiver, choice, of_message)
    return of_message


def _collect_edges(
    found: InputGradients,
    before: Tensor,
    of_message: Tensor,
    mlp: Perceptron,
    rule: Rule,
    piece: Piece,
) -> None:
    """Add what edges, and their two nodes, get from the perceptron of the edges."""
    along, links = piece.edges, rule.links
    if found.sent is not None and found.met is not None:
        wide = before.to(found.sent.dtype)
        found.sent.index_add_(0, links.sender[along], wide)
        total_by(wide, links.local[along], found.met[piece.nodes])
    if found.edges is not None:
        torch.mm(before, mlp.first, out=found.edges[along])
        if rule.residual:
            found.edges[along] += of_message
