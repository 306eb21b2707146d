"""Objectives: one task loss and weighted domain terms become one number to minimise."""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from dagnn.errors import UsageError, nearest
from dagnn.losses.ramps import RAMPS
from dagnn.losses.task import TaskLoss
from dagnn.losses.term import DomainTerm
from dagnn.records import Pair, Terms

# A value below this contributes a constant to the log-sum objective, and no gradient.
SMALLEST_TERM = 1e-12


class Weighted(NamedTuple):
    """A domain term with its weight and the name of its ramp."""

    term: DomainTerm
    weight: float = 1.0
    ramp: str = "constant"


class Objective(nn.Module):
    r"""The weighted sum of a task loss and domain terms.

    .. math:: L = L_\mathrm{task} + \sum_k w_k \, r_k(\mathrm{progress}) \, D_k

    Doubling a weight doubles that term's gradient. A term of weight zero is
    left out altogether, so weight zero is exactly training on the source alone. With several
    source or target domains, ``D`` is the mean over all (source, target) pairs of them.

    Args:
        task: the task loss, read on labelled source items only.
        terms: ``name → (term, weight, ramp)``; see :data:`dagnn.losses.TERMS`
            and :data:`dagnn.losses.ramps.RAMPS`.

    Attributes:
        window: what domain terms see of a pair; all of it, unless a
            :class:`~dagnn.losses.window.Window` is put here.

    Raises:
        ValueError: a weight is negative or not finite.
        UsageError: a ramp is unknown.

    Example:
        >>> from dagnn.losses import MMD, MomentsLoss
        >>> Objective(MomentsLoss(), {"mmd": Weighted(MMD(), 0.5, "ganin")}).needs_target
        True
    """

    def __init__(
        self, task: TaskLoss, terms: Mapping[str, tuple[DomainTerm, float, str]] | None = None
    ) -> None:
        super().__init__()
        weighted = {name: Weighted(*value) for name, value in (terms or {}).items()}
        for name, value in weighted.items():
            self._check(name, value)
        self.task = task
        self.terms = nn.ModuleDict({name: value.term for name, value in weighted.items()})
        self.weights = {name: value.weight for name, value in weighted.items()}
        self.ramps = {name: value.ramp for name, value in weighted.items()}
        self.window: nn.Module = nn.Identity()

    @property
    def needs_target(self) -> bool:
        """Whether any term with a weight reads target outputs."""
        return any(term.needs_target for name, term in self.terms.items() if self.weights[name])

    def look_through(self, window: nn.Module) -> None:
        """Let domain terms see a pair through a window from now on."""
        self.window = window

    def forward(self, pair: Pair) -> Terms:
        """Return the total, the task loss and each term's own, unweighted value."""
        task = self.task(pair.source.prediction, pair.labels)
        values = self._values(pair)
        total = task
        for name, value in values.items():
            total = total + self.contribution(name, value, pair.progress)
        return Terms(total, task, values)

    def _values(self, pair: Pair) -> dict[str, Tensor]:
        """Return the value of every term with a weight, a mean over pairs of domains."""
        whole = self.window(pair)
        pairs = [whole]
        if len(split := pair.by_domain()) > 1:
            # A window may leave a target out altogether.
            pairs = [p for p in map(self.window, split) if len(p.target_domain)] or [whole]
        return {
            name: _mean([term(p) for p in pairs]) if term.pairwise else term(whole)
            for name, term in self.terms.items()
            if self.weights[name]
        }

    def contribution(self, name: str, value: Tensor, progress: float) -> Tensor:
        """Return what a term of this value adds to the total."""
        return self.weights[name] * RAMPS[self.ramps[name]](progress) * value

    def _check(self, name: str, weighted: Weighted) -> None:
        if not 0 <= weighted.weight < math.inf:
            raise ValueError(
                f"The weight of domain term {name!r} must be finite and not negative, "
                f"got {weighted.weight}."
            )
        if weighted.ramp not in RAMPS:
            raise UsageError(
                f"Unknown ramp {weighted.ramp!r} of domain term {name!r}. "
                f"{nearest(weighted.ramp, RAMPS)}"
            )

    def extra_repr(self) -> str:
        """Tell weights and ramps."""
        return ", ".join(
            f"{name}: weight={weight:g} ramp={self.ramps[name]}"
            for name, weight in self.weights.items()
        )


def _mean(values: Sequence[Tensor]) -> Tensor:
    return torch.stack(list(values)).mean() if len(values) > 1 else values[0]


class LogSumObjective(Objective):
    r"""The published DA-GNN form, in which the domain term enters through its logarithm.

    .. math:: L = L_\mathrm{task} + \sum_k \log (w_k D_k)

    Kept for reproduction. Since ``log(w D) = log w + log D``, the weight only
    shifts the total: **doubling it leaves the gradient unchanged**, and so does
    the published factor ``K``, which is detached (there K is chosen such that
    the term makes up a fixed fraction of the total). What acts is the relative
    gradient ``∇D / D``, however small D is. Tune nothing here; use
    :class:`Objective` for that.

    D must be positive, or half of the batches have no gradient: terms that can be zero or
    negative are refused. Values below 1e-12 count as 1e-12. Ramps other than ``constant``
    would be as powerless as the weight and are refused.

    Raises:
        ValueError: a weight is not positive and finite, a ramp is not constant, or a term can
            be zero or negative.

    References:
        Roncoli et al. 2023, arXiv:2311.01588, and their public code GNN_DomainAdapt.
    """

    def contribution(self, name: str, value: Tensor, progress: float) -> Tensor:
        """Return ``log(w D)``."""
        return (self.weights[name] * value.clamp_min(SMALLEST_TERM)).log()

    def _check(self, name: str, weighted: Weighted) -> None:
        super()._check(name, weighted)
        if weighted.weight == 0:
            raise ValueError(f"The log-sum objective cannot take log 0: weight of {name!r} is 0.")
        if not weighted.term.positive:
            raise ValueError(
                f"The log-sum objective takes the logarithm of {name!r} "
                f"({type(weighted.term).__name__}), which can be zero or negative. Use a distance "
                "such as mmd (estimator: biased), coral, moments or sinkhorn, or "
                "loss.objective=weighted_sum."
            )
        if weighted.ramp != "constant":
            raise ValueError(
                f"A ramp has no effect under the logarithm of the log-sum objective; "
                f"domain term {name!r} asks for {weighted.ramp!r}. Use 'constant'."
            )
