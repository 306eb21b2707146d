"""Building blocks of networks that several packages share."""

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from numbers import Integral
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from dagnn.errors import CheckpointError, UsageError
from dagnn.records import Logits, Moments, Output
from dagnn.stored import read_torch


def mlp(sizes: Sequence[int], dropout: float = 0.0) -> nn.Sequential:
    """Build a multilayer perceptron with ReLU between its linear layers.

    Args:
        sizes: widths from input to output, at least two.
        dropout: probability of dropping a hidden unit.

    Returns:
        A module from ``[..., sizes[0]]`` to ``[..., sizes[-1]]``; the last layer is linear.

    Example:
        >>> mlp([4, 8, 2])(torch.zeros(3, 4)).shape
        torch.Size([3, 2])
    """
    if len(sizes) < 2:
        raise ValueError(f"An MLP needs an input and an output width, got {list(sizes)}.")
    layers: list[nn.Module] = []
    for width, following in pairwise(sizes[:-1]):
        layers += [nn.Linear(width, following), nn.ReLU()]
        if dropout:
            layers.append(nn.Dropout(dropout))
    return nn.Sequential(*layers, nn.Linear(sizes[-2], sizes[-1]))


def require_finite(weights: Mapping[str, Any], file: object) -> None:
    """Refuse stored weights of which some are NaN or infinite.

    Args:
        weights: name → tensor; other entries are not looked at.
        file: where they were read.

    Raises:
        CheckpointError: a tensor is not finite; the message names the first one.
    """
    bad = [
        name
        for name, value in weights.items()
        if isinstance(value, Tensor) and not bool(torch.isfinite(value).all())
    ]
    if bad:
        more = f" and {len(bad) - 1} more tensors" if len(bad) > 1 else ""
        raise CheckpointError(
            f"{file} holds NaN or infinite values in {bad[0]}{more}, so everything it predicts "
            "would be wrong. Use an intact copy of the file, or another checkpoint."
        )


def read_weights(path: Path, without: str | None = None) -> dict[str, Tensor]:
    """Read a state dict of finite tensors that another program has saved.

    Args:
        path: file of the state dict.
        without: what the names of tensors that are left aside begin with.

    Raises:
        CheckpointError: the file is absent, cannot be read, holds something else, or values
            that are not finite.
    """
    if not path.is_file():
        raise CheckpointError(f"{path}: no such weight file.")
    state = read_torch(path, "Expected a state dict of torch.save; was the download complete?")
    if not isinstance(state, dict) or not all(isinstance(v, Tensor) for v in state.values()):
        raise CheckpointError(
            f"{path}: expected a plain state dict (names to tensors), got {type(state).__name__} "
            "with other contents."
        )
    if without is not None:
        state = {name: value for name, value in state.items() if not name.startswith(without)}
    require_finite(state, path)
    return state


def at_least_float32(values: Tensor) -> Tensor:
    """Return values in single precision, or as they are where they have more.

    Example:
        >>> at_least_float32(torch.zeros(2, dtype=torch.bfloat16)).dtype
        torch.float32
    """
    return values.to(torch.promote_types(values.dtype, torch.float32))


def domain_of(batch: Any) -> int | None:
    """Return the number of the domain that a batch carries; None where it carries none.

    Args:
        batch: its ``domain`` is one number, or a tensor with the same number for every item, as
            loaders of PyTorch Geometric collate it.

    Raises:
        UsageError: its items are of several domains, or the domain is no number from 0 on.

    Example:
        >>> from types import SimpleNamespace
        >>> domain_of(SimpleNamespace(domain=torch.tensor([1, 1]))), domain_of(SimpleNamespace())
        (1, None)
    """
    domain = getattr(batch, "domain", None)
    if domain is None:
        return None
    numbers = sorted(set(domain.flatten().tolist())) if isinstance(domain, Tensor) else [domain]
    if len(numbers) != 1 or not isinstance(numbers[0], Integral) or numbers[0] < 0:
        raise UsageError(f"A batch is of one domain, numbered from 0; got domain={domain}.")
    return int(numbers[0])


def row_of(domain: int | None, rows: int) -> int:
    """Return the row of statistics that a domain uses; the only one where all share it.

    Args:
        domain: number of the domain; None where it is not known.
        rows: number of domains that keep statistics of their own, 1 where they share them.

    Raises:
        UsageError: there are several rows, and the domain is unknown or has none of them.

    Example:
        >>> row_of(3, rows=1), row_of(1, rows=2)
        (0, 1)
    """
    if rows == 1:
        return 0
    if domain is None:
        raise UsageError(
            f"The network keeps statistics for {rows} domains, and this batch does not carry the "
            "number of its domain. Set it once on the dataset, dataset.in_domain(number), in the "
            "order in which the domains were trained; every batch made from it then carries it."
        )
    if not 0 <= domain < rows:
        raise UsageError(
            f"The network keeps statistics for {rows} domains, numbered from 0; this batch has "
            f"domain={domain}."
        )
    return domain


def common_row(batches: Sequence[Any], rows: int) -> int:
    """Return the row of statistics that several batches use together.

    Args:
        batches: at least one.
        rows: number of domains that keep statistics of their own.

    Raises:
        UsageError: there is no batch, or there are several rows and the batches are not all of
            one known domain.
    """
    if not batches:
        raise UsageError("Statistics need items of at least one domain; there is no batch.")
    numbers = {domain_of(batch) for batch in batches}
    if rows > 1 and len(numbers) > 1:
        found = ", ".join(sorted(map(str, numbers)))
        raise UsageError(
            f"Statistics are fitted for one domain at a time; got batches of domains {found}."
        )
    return row_of(numbers.pop(), rows)


class Standardize(nn.Module):
    """Subtract a mean and divide by a standard deviation, per domain.

    The statistics are buffers: fitted on training data, saved in the
    checkpoint, never learned. With ``domains=1`` every domain shares them.

    Args:
        width: number of features ``F``.
        domains: number of domains that keep statistics of their own.

    Attributes:
        input_statistics: buffers that follow from the training inputs alone, so
            that all members of an ensemble share them.
    """

    input_statistics: ClassVar[tuple[str, ...]] = ("mean", "std")
    mean: Tensor
    std: Tensor

    def __init__(self, width: int, domains: int = 1) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(domains, width))
        self.register_buffer("std", torch.ones(domains, width))

    @torch.no_grad()
    def fit(self, values: Tensor, domain: int = 0) -> None:
        """Set the statistics of one domain from ``values`` of shape ``[n, F]``.

        A feature that does not vary keeps a standard deviation of one.
        """
        wide = values.double()
        mean = wide.mean(0)
        std = (wide - mean).square().mean(0).sqrt()
        self.mean[domain] = mean.to(self.mean)
        self.std[domain] = torch.where(std > 1e-8, std, torch.ones_like(std)).to(self.std)

    @torch.no_grad()
    def refer(self, domain: int, values: Tensor) -> None:
        """Make the items of a domain come out with the mean and spread of some values.

        Instead of mean zero and deviation one: what a domain gets whose items are known
        to be spread like only some of another domain's.

        Args:
            domain: whose statistics, fitted before, are changed.
            values: standardised values ``[n, F]`` of those items of the other domain.
        """
        wide = values.double()
        mean, std = wide.mean(0), wide.std(0, correction=0)
        std = torch.where(std > 1e-8, std, torch.ones_like(std))
        ratio = self.std[domain].double() / std
        self.mean[domain] -= (ratio * mean).to(self.mean)
        self.std[domain] = ratio.to(self.std)

    def forward(self, values: Tensor, domain: int | None = None) -> Tensor:
        """Return standardised values, same shape ``[..., F]``.

        Raises:
            UsageError: domains have statistics of their own, and this one is unknown.
        """
        row = row_of(domain, len(self.mean))
        return (values - self.mean[row]) / self.std[row]

    def extra_repr(self) -> str:
        """Return width and number of domains as text."""
        domains, width = self.mean.shape[-2:]
        return f"width={width}, domains={domains}"


class GradientReversal(torch.autograd.Function):
    """The identity forwards; the negative gradient, times a factor, backwards."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, factor: float) -> Tensor:
        """Return the values as they are."""
        ctx.factor = factor
        return values.view_as(values)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        """Return the reversed gradient."""
        return -ctx.factor * gradient, None


def reverse_gradient(values: Tensor, factor: float = 1.0) -> Tensor:
    """Return values unchanged, and let gradients through with a factor ``−factor``.

    What comes after learns to do its task well; what comes before, to make it hard.

    References:
        Ganin et al. 2016, arXiv:1505.07818.

    Example:
        >>> x = torch.ones(2, requires_grad=True)
        >>> (3 * reverse_gradient(x, 0.5)).sum().backward()
        >>> x.grad
        tensor([-1.5000, -1.5000])
    """
    reversed_: Tensor = GradientReversal.apply(values, factor)  # type: ignore[no-untyped-call]
    return reversed_


def has_members(output: Output) -> bool:
    """Return whether an output has the leading member axis of an ensemble."""
    return output.latent.ndim > 2


def member_output(output: Output, member: int) -> Output:
    """Return the output of one member of an ensemble: ``[M, B, ...]`` to ``[B, ...]``."""
    prediction = type(output.prediction)(*(column[member] for column in output.prediction))
    return Output(output.latent[member], prediction)


def mixture(output: Output) -> Output:
    r"""Return the prediction of an ensemble: the equally weighted mixture of its members.

    .. math:: \mu = \langle \mu_m \rangle, \quad
              \sigma^2 = \langle \sigma_m^2 + \mu_m^2 \rangle - \mu^2
                       = \langle \sigma_m^2 \rangle + \mathrm{Var}_m\, \mu_m, \quad
              p_k = \langle \mathrm{softmax}(a_m)_k \rangle

    The second form of the variance has no cancellation. Latents are put side by side.

    Args:
        output: with a member axis (latent ``[M, B, W]``); one without is returned as it is.

    Returns:
        Latent ``[B, M · W]``, and moments ``[B, P]`` or log-probabilities ``[B, K]``.

    References:
        Lakshminarayanan, Pritzel & Blundell 2017, arXiv:1612.01474, section 2.4.

    Example:
        >>> apart = Moments(torch.tensor([[[0.0]], [[2.0]]]), torch.tensor([[[1.0]], [[1.0]]]))
        >>> mean, std = mixture(Output(torch.zeros(2, 1, 3), apart)).prediction
        >>> print(f"{mean.item():.3f} {std.item():.3f}")  # variance 1 within, 1 between
        1.000 1.414
    """
    if not has_members(output):
        return output
    prediction = output.prediction
    latent = output.latent.movedim(0, 1).flatten(1)
    if isinstance(prediction, Moments):
        between, mean = torch.var_mean(prediction.mean, 0, correction=0)
        return Output(latent, Moments(mean, (prediction.std.square().mean(0) + between).sqrt()))
    members = prediction.logits.log_softmax(-1)
    return Output(latent, Logits(members.logsumexp(0) - math.log(len(members))))
