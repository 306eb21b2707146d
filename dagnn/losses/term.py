"""What a domain term is, how its weight grows, and the terms that add nothing."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable

from torch import Tensor, nn

from dagnn.records import Pair


class DomainTerm(nn.Module, ABC):
    """Base of the domain terms: ``forward(pair) → scalar``, smaller where domains agree.

    A term that has parameters of its own keeps them as a module does; the
    objective owns the term, so they reach the optimiser and the checkpoint.

    Attributes:
        needs_target: whether the term reads ``pair.target``. Where no term
            does, the trainer never draws a target batch.
        needs_classes: whether the term reads class scores, which parameters have none of.
        pairwise: whether the term compares a source with a target domain. With several of them
            its value is the mean over all such pairs: a pool of targets displaced by opposite
            shifts would look aligned. Other terms see all items at once.
        positive: whether the value is above zero for any two samples that differ, and tends to
            zero as domains agree, so that its logarithm may be minimised.
        vectorises: whether ``forward`` may run under ``torch.func.vmap`` for all
            members of an ensemble at once: it has no parameters and no memory, and
            no branch depends on a value.
        options: attributes that the representation lists.
    """

    needs_target: bool = True
    needs_classes: bool = False
    pairwise: bool = True
    positive: bool = False
    vectorises: bool = False
    options: tuple[str, ...] = ()

    @abstractmethod
    def forward(self, pair: Pair) -> Tensor:
        """Return the scalar value of the term."""

    def extra_repr(self) -> str:
        """Return the options and their values."""
        values = ((name, getattr(self, name)) for name in self.options)
        return ", ".join(f"{k}={v:g}" if isinstance(v, float) else f"{k}={v}" for k, v in values)


class NoAdaptation(DomainTerm):
    """Training on the source alone: the term is zero and needs no target."""

    needs_target = False
    pairwise = False
    vectorises = True

    def forward(self, pair: Pair) -> Tensor:
        """Return zero, on the device of the outputs."""
        return pair.source.latent.new_zeros(())


class StatisticsOnly(NoAdaptation):
    """Draw target batches and add nothing to the loss.

    Normalisation layers that keep statistics per suite learn those of the target
    from the batches that pass through them. This term makes them pass, which is
    the whole of AdaBN-style adaptation and the baseline of every other term.

    References:
        Li et al. 2016, arXiv:1603.04779 (adaptive batch normalisation).

    Example:
        >>> StatisticsOnly().needs_target
        True
    """

    needs_target = True


# Share of the training after which a ramp "warmup" is at one.
WARM_UP = 0.2


def constant(progress: float) -> float:
    """Return one at any time."""
    return 1.0


def ganin(progress: float) -> float:
    """Return ``2 / (1 + exp(−10 p)) − 1``: from zero, near one after half of the training.

    References:
        Ganin et al. 2016, arXiv:1505.07818, section 5.
    """
    return 2 / (1 + math.exp(-10 * progress)) - 1


def warmup(progress: float) -> float:
    """Return a straight line to one over the first fifth of the training, then one."""
    return min(1.0, progress / WARM_UP)


# Name → how the weight of a domain term grows with training progress in [0, 1].
RAMPS: dict[str, Callable[[float], float]] = {
    "constant": constant,
    "ganin": ganin,
    "warmup": warmup,
}
