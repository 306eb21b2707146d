"""Fisher loss: latents of one class close together, classes far apart."""

from typing import Literal

import torch
from torch import Tensor, nn

from dagnn.losses.classes import class_scores, membership
from dagnn.losses.samples import check_choice
from dagnn.losses.term import DomainTerm
from dagnn.records import Pair

CENTRES = ("batch", "learned")

# Share of the scatter within classes that is added to the scatter between them: it bounds
# the ratio at a million where the centres coincide.
SMALLEST_SHARE = 1e-6


def class_means(latent: Tensor, belongs: Tensor) -> Tensor:
    """Return the mean latent ``[K, W]`` of each class; zero for a class without items.

    Args:
        latent: ``[B, W]``.
        belongs: ``[B, K]``, see :func:`~dagnn.losses.classes.membership`.
    """
    counts = belongs.sum(0).to(latent)
    return belongs.to(latent).T @ latent / counts.clamp_min(1)[:, None]


def scatters(
    latent: Tensor, belongs: Tensor, centres: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    r"""Return the traces of the scatter within and between classes.

    .. math:: \mathrm{tr}\,S_w = \sum_k \frac1{n_k} \sum_{j \in k} \lVert h_j - c_k \rVert^2,
              \quad \mathrm{tr}\,S_b = \sum_k \lVert c_k - \bar c \rVert^2

    Sums run over the classes in the batch, which all count the same, whatever
    their numbers of items ``n_k``.

    Args:
        latent: ``[B, W]``.
        belongs: ``[B, K]``, see :func:`~dagnn.losses.classes.membership`.
        centres: ``c`` ``[K, W]``; None takes the class means of the batch.

    Returns:
        Two scalars in double precision; both zero where fewer than two classes occur.

    References:
        Fisher 1936, Annals of Eugenics 7, 179; in the form of Zhang et al. 2020 that
        DeepMerge uses (arXiv:2103.01373), here divided by the counts.
    """
    latent = latent.double()
    counts = belongs.sum(0).to(latent)
    present = (counts > 0).to(latent)
    centres = class_means(latent, belongs) if centres is None else centres.double()
    # Differences first: squares of coordinates far from the origin would lose digits.
    to_centres = (latent[:, None] - centres[None]).square().sum(2)
    within = (to_centres * belongs.to(latent) / counts.clamp_min(1)).sum()
    middle = (present @ centres) / present.sum().clamp_min(1)
    between = ((centres - middle).square().sum(1) * present).sum()
    several = (present.sum() > 1).to(latent)
    return within * several, between * several


def trace_ratio(within: Tensor, between: Tensor) -> Tensor:
    """Return ``tr S_w / tr S_b``, at most a million, and zero where both are zero."""
    total = between + SMALLEST_SHARE * within
    return within / torch.where(total > 0, total, torch.ones_like(total))


class Fisher(DomainTerm):
    r"""The ratio ``tr S_w / tr S_b`` of :func:`scatters` on labelled source latents.

    It does not change when all latents are multiplied by one factor, so it
    neither grows nor shrinks them. Zero where a batch has fewer than two classes.

    Args:
        width: latent width ``W``.
        classes: number of classes ``K``.
        centres: ``batch`` for the class means of each batch (default), or ``learned``
            for one free vector per class.

    Raises:
        UsageError: the centres are none of the known ones.

    References:
        Zhang et al. 2020 (Fisher loss); Ćiprijanović et al. 2021, arXiv:2103.01373.

    Example:
        >>> Fisher(width=8, classes=3)
        Fisher(centres=batch)
    """

    needs_classes = True
    pairwise = False
    needs_target = False
    vectorises = True
    options = ("centres",)
    learned: nn.Parameter | None

    def __init__(
        self, width: int, classes: int, centres: Literal["batch", "learned"] = "batch"
    ) -> None:
        super().__init__()
        check_choice("Fisher", "centres", centres, CENTRES)
        self.centres = centres
        self.learned = nn.Parameter(torch.randn(classes, width)) if centres == "learned" else None

    def forward(self, pair: Pair) -> Tensor:
        """Return the ratio for source latents ``[B, W]`` of classes ``[B]``."""
        classes = class_scores(pair.source.prediction).shape[1]
        belongs = membership(pair.labels, classes)
        value = trace_ratio(*scatters(pair.source.latent, belongs, self.learned))
        return value.to(pair.source.latent.dtype)
