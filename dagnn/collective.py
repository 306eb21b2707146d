"""Operations on a batch that several processes share.

Inside :func:`shared_batches` each process holds some items of every batch, and the functions below
cover all of them. Elsewhere they return what they are given: a process that evaluates
alone must not wait for others.

**Gradients.** All processes compute the same objective from the gathered outputs. Each
differentiates it with respect to its own items only, and the *mean* of the parameters'
gradients over the processes is that of one process with the whole batch.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.autograd.function import once_differentiable

from dagnn.errors import LostProcessError, UsageError

_SHARED: ContextVar[bool] = ContextVar("sharing", default=False)


@contextmanager
def shared_batches() -> Iterator[None]:
    """Let batches be shared by all processes of torch's default group from here on."""
    token = _SHARED.set(True)
    try:
        yield
    finally:
        _SHARED.reset(token)


def world_size() -> int:
    """Return how many processes share a batch; 1 where it is not shared.

    Example:
        >>> world_size()
        1
    """
    return dist.get_world_size() if _SHARED.get() else 1


def local_rows(rows: Tensor) -> Tensor:
    """Return those rows of a batch ``[B, ...]`` that are this process's.

    Shares are consecutive, in the order of the processes, and equal up to one row.

    Raises:
        UsageError: there are fewer rows than processes.

    Example:
        >>> local_rows(torch.arange(3)).tolist()
        [0, 1, 2]
    """
    if world_size() == 1:
        return rows
    if len(rows) < world_size():
        raise UsageError(
            f"A batch of {len(rows)} items cannot be shared by {world_size()} processes. Start "
            f"fewer of them, or choose a larger training.batch_size."
        )
    return rows.tensor_split(world_size())[dist.get_rank()]


def gather_rows(values: Tensor, dim: int = 0) -> Tensor:
    """Return the rows of all processes, in the order that :func:`local_rows` cut them.

    Args:
        values: rows of this process, ``[..., b, ...]``.
        dim: which axis counts rows.

    Returns:
        ``[..., B, ...]``, the same in every process, with a gradient to the own rows.
    """
    if world_size() == 1:
        return values
    rows = values.movedim(dim, 0)
    counts = [torch.zeros(1, dtype=torch.int64) for _ in range(world_size())]
    call_collective(dist.all_gather, counts, torch.tensor([len(rows)]))
    lengths = torch.cat(counts).tolist()
    gathered: Tensor = GatherRows.apply(rows, lengths, dist.get_rank())  # type: ignore[no-untyped-call]
    return gathered.movedim(0, dim)


def sum_over_processes(values: Tensor) -> Tensor:
    """Return the sum of a tensor over all processes.

    The result is as good as a sum over the items of the whole batch: what any process makes
    of it pulls on the values of all.
    """
    if world_size() == 1:
        return values
    total: Tensor = SumOverProcesses.apply(values)  # type: ignore[no-untyped-call]
    return total


def moments_over_processes(values: Tensor) -> tuple[Tensor, Tensor, Tensor | int]:
    """Return variance (without correction) and mean of each feature over the whole batch.

    Args:
        values: items of this process ``[b, W]``.

    Returns:
        Two ``[W]``, with gradients, and the number of items.

    Example:
        >>> variance, mean, count = moments_over_processes(torch.tensor([[1.0], [3.0]]))
        >>> variance.item(), mean.item(), count
        (1.0, 2.0, 2)
    """
    if world_size() == 1:
        return *torch.var_mean(values, 0, correction=0), len(values)
    own = torch.cat([values.sum(0), values.new_full((1,), len(values))])
    *_, count = total = sum_over_processes(own)
    mean = total[:-1] / count
    # Differences first: squares of values far from zero would lose digits.
    return sum_over_processes((values - mean).square().sum(0)) / count, mean, count.detach()


def average_over_processes(tensors: Sequence[Tensor]) -> None:
    """Replace tensors by their mean over all processes, all of them in one go."""
    together = torch.cat([tensor.flatten() for tensor in tensors])
    call_collective(dist.all_reduce, together)
    together /= dist.get_world_size()
    parts = torch.split(together, [tensor.numel() for tensor in tensors])
    for tensor, part in zip(tensors, parts, strict=True):
        tensor.copy_(part.view_as(tensor))


class GatherRows(torch.autograd.Function):
    """Concatenate the rows of all processes; see :func:`gather_rows`.

    The gradient needs nobody: whatever all processes compute in the same way from the
    gathered rows has the same gradient everywhere, and this process's share of it counts as
    often as there are processes, because gradients are averaged over them. (The gather of
    ``torch.distributed.nn`` adds up these equal gradients over the network.)
    """

    @staticmethod
    def forward(ctx: Any, rows: Tensor, lengths: Sequence[int], rank: int) -> Tensor:
        """Return ``[Σ lengths, ...]``."""
        ctx.lengths, ctx.rank = lengths, rank
        # Collectives want equal shapes.
        padded = rows.new_zeros(max(lengths), *rows.shape[1:])
        padded[: len(rows)] = rows
        parts = [torch.empty_like(padded) for _ in lengths]
        call_collective(dist.all_gather, parts, padded)
        return torch.cat([part[:count] for part, count in zip(parts, lengths, strict=True)])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        """Return the gradient of the own rows."""
        return torch.split(gradient, ctx.lengths)[ctx.rank] * len(ctx.lengths), None, None


class SumOverProcesses(torch.autograd.Function):
    """Add up a tensor over all processes; see :func:`sum_over_processes`."""

    @staticmethod
    def forward(values: Tensor) -> Tensor:
        """Return the sum."""
        total = values.clone(memory_format=torch.contiguous_format)
        call_collective(dist.all_reduce, total)
        return total

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor], output: Tensor) -> None:
        """Keep nothing."""

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        """Return what all processes made of the sum."""
        total = gradient.clone(memory_format=torch.contiguous_format)
        call_collective(dist.all_reduce, total)
        return total

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int], values: Tensor) -> tuple[Tensor, int]:
        """Add up all members of an ensemble at once."""
        return sum_over_processes(values), in_dims[0]


def call_collective(collective: Callable[..., Any], *arguments: Any, **options: Any) -> None:
    """Call a collective of torch.

    Raises:
        LostProcessError: another process has gone.
    """
    try:
        collective(*arguments, **options)
    except RuntimeError as error:
        # What remains of "[file:line] Connection closed by peer [address]. Advice."
        reason = re.sub(r"^\[\S+\] ", "", str(error).strip()).splitlines()[0].split(". ")[0]
        raise LostProcessError(
            f"Another process of this training has gone ({reason}). If it said nothing itself, "
            f"it was killed: look for a lack of memory. Start again with --resume."
        ) from error
