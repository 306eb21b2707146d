"""One step of message passing, with a gradient of its own.

Written out in plain autograd, a block keeps about a dozen arrays with a row per edge and
moves each through memory several times. Here all operations of a block run on one piece of
the graph after the other, so that what lies between input and output stays in the cache; with
more than one thread, each takes a run of pieces. For the gradient are kept, per edge, which
messages were extreme and, where it takes gathers to make it again, the hidden layer; per node,
the reductions and the hidden layer. The numbers are those of the plain network.

Under autocast, products of matrices and whatever has a row per node or per edge are in the
lower precision; sums over rows are not, nor are the gradients of weights.
"""

from typing import Any

import torch
from torch import Tensor

from dagnn.models.message_backward import Backward, InputGradients
from dagnn.models.message_forward import Forward
from dagnn.models.message_records import Kept, Rule, unpack
from dagnn.models.reductions import apply_to_members
from dagnn.models.threads import in_threads


class PassMessages(torch.autograd.Function):
    """Update edges and nodes; :class:`dagnn.models.graph.GraphBlock` tells the formula.

    Takes a :class:`Rule`, the members of :class:`Inputs`, and eight tensors: the perceptron
    of the edges and the perceptron of the nodes. Returns nodes ``[N, H]``, edges ``[E, H]``
    (none where nobody needs them), and the members of :class:`Kept`.
    """

    @staticmethod
    def forward(rule: Rule, *tensors: Tensor) -> tuple[Tensor, ...]:
        """Return nodes, edges, and what the gradient reads."""
        block, *_ = unpack(rule, tensors)
        made = Forward.of(block)
        in_threads(made.run, rule.links.pieces)
        return made.nodes, made.edges, *made.kept

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
        saved = ctx.saved_tensors  # asked for once: each time, checkpointing would make them anew
        tensors, kept = saved[:-4], Kept(*saved[-4:])
        block, *mlps = unpack(ctx.rule, tensors)
        of_nodes, of_edges = gradients[:2]
        if of_nodes is None:
            of_nodes = torch.zeros_like(kept.hidden)
        found = InputGradients.room(block.inputs, ctx.needs_input_grad[3])
        work = Backward(block, kept, (mlps[0], mlps[1]), of_nodes, of_edges, found)
        return (None, *work.collect(in_threads(work.run, ctx.rule.links.pieces)))

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], *inputs: Any) -> tuple[Any, ...]:
        """Run the members of an ensemble one after the other."""
        return apply_to_members(PassMessages, info.batch_size, in_dims, inputs)
