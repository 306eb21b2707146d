"""Joint alignment: the joint distribution of latents and labels must agree."""

import torch
from torch import Tensor

from dagnn.losses.classes import membership
from dagnn.losses.mmd import (
    ESTIMATORS,
    mean_discrepancy,
    median_bandwidths,
    multi_kernel,
    require_estimable,
    squared_distances,
)
from dagnn.losses.samples import check_choice, require_samples, standardised
from dagnn.losses.term import DomainTerm
from dagnn.records import Logits, Moments, Pair

SOURCE_SIDES = ("truth", "prediction")


def mean_kernel(points: Tensor, widths: int) -> Tensor:
    """Return the mean of Gaussian kernels ``[N, N]`` around the median distance of points."""
    distances = squared_distances(points)
    return multi_kernel(distances, median_bandwidths(distances, widths)) / widths


def joint_mmd(
    source: Tensor,
    target: Tensor,
    source_labels: Tensor,
    target_labels: Tensor,
    *,
    widths: int = 5,
    estimator: str = "unbiased",
) -> Tensor:
    r"""Return the squared maximum mean discrepancy of the joint distributions P(z, y).

    .. math:: k\big((z, y), (z', y')\big) = k_z(z, z')\, k_y(y, y')

    Pairs count only where both latents and labels are close, so a latent that
    matches on the whole and means another parameter in the other domain still
    costs something. The latents are put in units of their common spread
    (gradient included), so a smaller latent does not lower the value.

    Args:
        source: latents ``[n, W]``.
        target: latents ``[m, W]``.
        source_labels: ``[n, P]``, in scaled units; or class probabilities ``[n, K]``.
        target_labels: ``[m, P]`` or ``[m, K]``.
        widths: number of bandwidths around each median.
        estimator: ``unbiased`` or ``biased``.

    Returns:
        A scalar in double precision, at most 2.

    Raises:
        UsageError: a sample is too small for the estimator, or widths differ.

    References:
        Long et al. 2017, arXiv:1605.06636 (joint MMD over network
        layers); a regression label may take the place of the class probabilities.

    Example:
        >>> latent, label = torch.randn(6, 2), torch.arange(6.0)[:, None]
        >>> same = joint_mmd(latent, latent, label, label, estimator="biased")
        >>> swapped = joint_mmd(latent, latent, label, label.flip(0), estimator="biased")
        >>> bool(swapped > same + 0.01)
        True
    """
    require_estimable(f"The {estimator} joint alignment", source, target, estimator)
    require_samples("Joint alignment of labels", source_labels, target_labels)
    of_latents = mean_kernel(torch.cat(standardised(source, target)), widths)
    of_labels = mean_kernel(torch.cat([source_labels, target_labels]), widths)
    return mean_discrepancy(of_latents * of_labels, len(source), estimator)


class JointAlignment(DomainTerm):
    """Module form of :func:`joint_mmd`, with predictions as the labels of the target.

    Labels are predicted means and the truth, or for classes the predicted
    probabilities and a one for the true class.

    Args:
        estimator: ``unbiased`` (default) or ``biased``.
        widths: number of bandwidths around each median.
        detach: hold the predicted labels fixed, so that the term moves latents
            and not the head (default).
        source_labels: ``truth`` (default), or ``prediction`` for the predicted
            means of the source. Predicted means scatter less than the truth
            where the data do not determine it, so with ``truth`` the labels of
            two perfectly aligned domains differ a little; with ``prediction``
            they do not, and nothing ties the labels to the truth.

    Raises:
        UsageError: an option is none of the known ones.
        ValueError: the number of widths is not positive.

    Example:
        >>> JointAlignment()
        JointAlignment(estimator=unbiased, widths=5, detach=True, source_labels=truth)
    """

    vectorises = True
    options = ("estimator", "widths", "detach", "source_labels")

    def __init__(
        self,
        estimator: str = "unbiased",
        widths: int = 5,
        detach: bool = True,
        source_labels: str = "truth",
    ) -> None:
        super().__init__()
        check_choice("joint alignment", "estimator", estimator, ESTIMATORS)
        check_choice("joint alignment", "source_labels", source_labels, SOURCE_SIDES)
        if widths < 1:
            raise ValueError(f"Joint alignment needs at least one width, got widths={widths}.")
        self.estimator = estimator
        self.positive = estimator == "biased"
        self.widths = widths
        self.detach = detach
        self.source_labels = source_labels

    def forward(self, pair: Pair) -> Tensor:
        """Return the discrepancy of latents ``[B, W]`` with labels ``[B, P]`` of both domains.

        Raises:
            UsageError: a batch has fewer than two items of a domain.
        """
        source, target = pair.source.latent, pair.target.latent
        truth = self.source_labels == "truth"
        prediction = pair.source.prediction
        labels = _true_labels(prediction, pair.labels) if truth else self._predicted(prediction)
        value = joint_mmd(
            source,
            target,
            labels,
            self._predicted(pair.target.prediction),
            widths=self.widths,
            estimator=self.estimator,
        )
        return value.to(source.dtype)

    def _predicted(self, prediction: Moments | Logits) -> Tensor:
        labels = (
            prediction.mean if isinstance(prediction, Moments) else prediction.logits.softmax(-1)
        )
        return labels.detach() if self.detach else labels


def _true_labels(prediction: Moments | Logits, labels: Tensor) -> Tensor:
    """Return the truth in the form of a prediction: parameters, or ones and zeros of classes."""
    if isinstance(prediction, Moments):
        return labels
    return membership(labels, prediction.logits.shape[-1]).to(prediction.logits)
