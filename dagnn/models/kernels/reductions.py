"""Reductions of rows that share a group, and gradients that cost no more than they do."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

REDUCTIONS = ("sum", "mean", "max", "min")
EXTREMES = {"max": "amax", "min": "amin"}


def extremes_of(reductions: Sequence[str]) -> tuple[str, ...]:
    """Return those reductions that pick one row of a group."""
    return tuple(name for name in reductions if name in EXTREMES)


def total_by(values: Tensor, index: Tensor, out: Tensor) -> Tensor:
    """Write the sum of the rows of every group.

    Args:
        values: ``[n, F]``.
        index: group of each row ``[n]``.
        out: ``[G, F]``.
    """
    return out.zero_().index_add_(0, index, values)


def extreme_by(values: Tensor, index: Tensor, name: str, out: Tensor, picked: Tensor) -> None:
    """Write the largest, or smallest, row of every group, column by column.

    Args:
        values: ``[n, F]``.
        index: group of each row ``[n]``.
        name: ``max`` or ``min``.
        out: ``[G, F]``; zero where a group has no row.
        picked: whether a number is the extreme of its group ``[n, F]``, boolean.
    """
    column = index[:, None].expand_as(values)
    out.zero_().scatter_reduce_(0, column, values, EXTREMES[name], include_self=False)
    torch.eq(values, out.index_select(0, index), out=picked)


def add_extreme_gradient(gradient: Tensor, index: Tensor, picked: Tensor, into: Tensor) -> None:
    """Add the gradient of :func:`extreme_by` to that of its rows; ties share it equally.

    Args:
        gradient: of the extremes ``[G, F]``.
        index: group of each row ``[n]``.
        picked: as written by :func:`extreme_by` ``[n, F]``.
        into: gradient of the rows ``[n, F]``.
    """
    chosen = picked.to(into.dtype)
    ties = total_by(chosen, index, torch.empty_like(gradient)).clamp_(min=1)
    into.addcmul_(chosen, (gradient / ties).index_select(0, index))


class ReduceBy(torch.autograd.Function):
    """Several reductions at once; see :func:`reduce_by`."""

    @staticmethod
    def forward(
        values: Tensor, index: Tensor, groups: int, reductions: tuple[str, ...]
    ) -> tuple[Tensor, ...]:
        """Return one ``[G, F]`` per reduction, and for the gradient counts and picks."""
        picking = extremes_of(reductions)
        counts = values.new_zeros(groups, 1)
        counts.index_add_(0, index, torch.ones_like(values[:, :1])).clamp_(min=1)
        found = {name: values.new_empty(groups, values.shape[1]) for name in ("sum", *picking)}
        picked = values.new_empty(len(picking), *values.shape, dtype=torch.bool)
        total_by(values, index, found["sum"])
        for name, choice in zip(picking, picked, strict=True):
            extreme_by(values, index, name, found[name], choice)
        found["mean"] = found["sum"] / counts
        return (*(found[name] for name in reductions), counts, picked)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        """Keep groups, counts and picks."""
        values, index, _, ctx.reductions = inputs
        ctx.width = values.shape[1]
        ctx.set_materialize_grads(False)
        ctx.mark_non_differentiable(*output[-2:])
        ctx.save_for_backward(index, *output[-2:])

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, ...]:
        """Return the gradient of the rows."""
        index, counts, picked = ctx.saved_tensors
        named = zip(ctx.reductions, gradients, strict=False)
        of = {name: gradient for name, gradient in named if gradient is not None}
        shared = counts.new_zeros(len(counts), ctx.width)
        if "sum" in of:
            shared += of["sum"]
        if "mean" in of:
            shared += of["mean"] / counts
        into = shared.index_select(0, index)
        for name, choice in zip(extremes_of(ctx.reductions), picked, strict=True):
            if name in of:
                add_extreme_gradient(of[name], index, choice, into)
        return into, None, None, None

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], *inputs: Any) -> tuple[Any, ...]:
        """Run the members of an ensemble one after the other."""
        return apply_to_members(ReduceBy, info.batch_size, in_dims, inputs)


def apply_to_members(
    function: type[torch.autograd.Function],
    members: int,
    in_dims: Sequence[Any],
    inputs: Sequence[Any],
) -> tuple[Any, ...]:
    """Apply a function to each member of an ensemble, as the ``vmap`` of the function.

    Args:
        function: returns a tuple of tensors.
        members: number of members ``M``.
        in_dims: the member axis of every input; no number where members share it.
        inputs: arguments of the function.

    Returns:
        outputs with a leading member axis, and where that axis is.
    """
    outputs = [
        function.apply(  # type: ignore[no-untyped-call]
            *(
                value.select(axis, member) if isinstance(axis, int) else value
                for value, axis in zip(inputs, in_dims, strict=True)
            )
        )
        for member in range(members)
    ]
    stacked = tuple(torch.stack(parts) for parts in zip(*outputs, strict=True))
    return stacked, (0,) * len(stacked)


def reduce_by(
    values: Tensor, index: Tensor, groups: int, reductions: Sequence[str], sum_scale: Tensor
) -> list[Tensor]:
    """Reduce rows that share an index, once per reduction; sums are divided by ``sum_scale``.

    Args:
        values: ``[n, F]``.
        index: group of each row ``[n]``.
        groups: number of groups ``G``.
        reductions: names out of :data:`REDUCTIONS`.
        sum_scale: scalar.

    Returns:
        One ``[G, F]`` per reduction; zeros for a group without rows.
    """
    names = tuple(dict.fromkeys(reductions))
    found = ReduceBy.apply(values, index, groups, names)  # type: ignore[no-untyped-call]
    reduced = dict(zip(names, found, strict=False))
    return [part / sum_scale if name == "sum" else part for name, part in reduced.items()]
