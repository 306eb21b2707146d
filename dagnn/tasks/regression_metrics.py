r"""How good predictions with error bars are, one number per parameter.

Every function takes the truth ``t``, the predicted mean ``m`` and the predicted
standard deviation ``σ`` of one parameter, arrays of shape ``[n]`` in physical
units, and optionally weights ``w`` of shape ``[..., n]``. ``⟨a⟩`` stands for the
weighted mean ``Σ w a / Σ w``; without weights it is the plain mean. One row of
weights per bootstrap resample gives all resamples in one matrix product.

To add a metric, write such a function and one line in :data:`REGRESSION_METRICS`.
"""

import math

import numpy as np
from scipy.special import ndtr

from dagnn.records import FloatArray
from dagnn.tasks.metrics import Metric, average
from dagnn.tasks.prior import Prior

OUTLIER = 1e4
"""Squared residuals in units of σ² above this are left out of the published χ²."""


# What ⟨t²⟩ − ⟨t⟩² of one truth, drawn several times, can be for rounding alone.
_ROUNDING = 1e-12


def relative_error(
    truth: FloatArray, mean: FloatArray, std: FloatArray, weight: FloatArray | None = None
) -> FloatArray:
    """Mean relative error ``⟨|m − t| / |t|⟩``."""
    return average(np.abs(mean - truth) / np.abs(truth), weight)


def rmse(
    truth: FloatArray, mean: FloatArray, std: FloatArray, weight: FloatArray | None = None
) -> FloatArray:
    """Root of the mean squared error ``√⟨(m − t)²⟩``, in the parameter's unit."""
    return np.asarray(np.sqrt(average((mean - truth) ** 2, weight)))


def r2(
    truth: FloatArray, mean: FloatArray, std: FloatArray, weight: FloatArray | None = None
) -> FloatArray:
    """Coefficient of determination ``1 − ⟨(m − t)²⟩ / ⟨(t − ⟨t⟩)²⟩``.

    NaN where the truth does not vary, as then nothing can be determined.
    """
    # Differences to one fixed truth, as ⟨t²⟩ − ⟨t⟩² of large numbers loses digits.
    centred = truth - truth[:1]
    square = average(centred**2, weight)
    scatter = square - average(centred, weight) ** 2
    unexplained: FloatArray = np.divide(
        average((mean - truth) ** 2, weight),
        scatter,
        out=np.full(np.shape(scatter), np.nan),
        where=scatter > _ROUNDING * square,
    )
    return 1 - unexplained


def bias(
    truth: FloatArray, mean: FloatArray, std: FloatArray, weight: FloatArray | None = None
) -> FloatArray:
    """Mean error ``⟨m − t⟩``, in the parameter's unit."""
    return average(mean - truth, weight)


def chi2(
    truth: FloatArray, mean: FloatArray, std: FloatArray, weight: FloatArray | None = None
) -> FloatArray:
    """Mean squared residual in units of its error bar ``⟨(m − t)² / σ²⟩``, nothing clipped."""
    return average(((mean - truth) / std) ** 2, weight)


def chi2_clipped(
    truth: FloatArray, mean: FloatArray, std: FloatArray, weight: FloatArray | None = None
) -> FloatArray:
    """χ² as published: terms above 1e4 are dropped before the mean is taken.

    Compare with other papers by this number only, and read
    :func:`chi2_dropped` next to it. NaN where every term is dropped.

    References:
        Villanueva-Domingo & Villaescusa-Navarro 2022, arXiv:2204.13713, and
        their code CosmoGraphNet, where the threshold stands.
    """
    terms = ((mean - truth) / std) ** 2
    kept = ~(terms > OUTLIER)  # what is unknown is kept, and makes the mean unknown
    weight = np.ones_like(terms) if weight is None else weight
    return average(np.where(kept, terms, 0.0), weight * kept)


def chi2_dropped(
    truth: FloatArray, mean: FloatArray, std: FloatArray, weight: FloatArray | None = None
) -> FloatArray:
    """Count the items that :func:`chi2_clipped` leaves out."""
    dropped = ((mean - truth) / std) ** 2 > OUTLIER
    return np.asarray(dropped.sum() if weight is None else weight @ dropped, dtype=np.float64)


def nll(
    truth: FloatArray, mean: FloatArray, std: FloatArray, weight: FloatArray | None = None
) -> FloatArray:
    """Gaussian negative log likelihood ``⟨½ ln(2πσ²) + (m − t)² / (2σ²)⟩``, in nats."""
    terms = 0.5 * math.log(2 * math.pi) + np.log(std) + 0.5 * ((mean - truth) / std) ** 2
    return average(terms, weight)


def crps(
    truth: FloatArray, mean: FloatArray, std: FloatArray, weight: FloatArray | None = None
) -> FloatArray:
    r"""Continuous ranked probability score of a Gaussian, in the parameter's unit.

    ``⟨σ [z (2Φ(z) − 1) + 2φ(z) − 1/√π]⟩`` with ``z = (t − m) / σ``. For
    ``σ → 0`` it is the mean absolute error; for ``σ = 0`` it is NaN.

    References:
        Gneiting et al. 2005, Monthly Weather Review 133, 1098, eq. 5.
    """
    z = (truth - mean) / std
    density = np.exp(-0.5 * z**2) / math.sqrt(2 * math.pi)
    terms = std * (z * (2 * ndtr(z) - 1) + 2 * density - 1 / math.sqrt(math.pi))
    return average(terms, weight)


def coverage68(
    truth: FloatArray, mean: FloatArray, std: FloatArray, weight: FloatArray | None = None
) -> FloatArray:
    """Share of truths within the central 68.3% interval, ``⟨|m − t| ≤ σ⟩``."""
    return average(_within(mean - truth, std), weight)


def coverage95(
    truth: FloatArray, mean: FloatArray, std: FloatArray, weight: FloatArray | None = None
) -> FloatArray:
    """Share of truths within the central 95% interval, ``⟨|m − t| ≤ 1.96 σ⟩``."""
    return average(_within(mean - truth, 1.959963984540054 * std), weight)


def _within(error: FloatArray, reach: FloatArray) -> FloatArray:
    """Return 1 where an error is within reach, 0 where it is not, NaN where it is unknown."""
    inside: FloatArray = (np.abs(error) <= reach).astype(np.float64)
    inside[np.isnan(error) | np.isnan(reach)] = np.nan
    return inside


def skill(
    truth: FloatArray,
    mean: FloatArray,
    std: FloatArray,
    weight: FloatArray | None = None,
    *,
    prior: Prior,
) -> FloatArray:
    """Gain over predicting the prior mean ``p``: ``1 − ⟨(m − t)²⟩ / ⟨(p − t)²⟩``."""
    reference = average((prior.mean - truth) ** 2, weight)
    return 1 - average((mean - truth) ** 2, weight) / reference


REGRESSION_METRICS = {
    "relative_error": Metric(
        relative_error,
        "low",
        ".1%",
        "relative error",
        "Mean distance between prediction and truth, as a share of the truth.",
    ),
    "rmse": Metric(
        rmse, "low", ".3g", "RMSE", "Root of the mean squared error, in the parameter's unit."
    ),
    "r2": Metric(
        r2,
        "high",
        "z.2f",
        "R²",
        "Share of the variance of the truth that is explained; 0 for a constant at the "
        "sample mean, negative for anything worse.",
    ),
    "bias": Metric(
        bias,
        0.0,
        "+z.3f",
        "bias",
        "Mean of prediction minus truth, in the parameter's unit; 0 if nothing is shifted.",
    ),
    "chi2": Metric(
        chi2,
        1.0,
        "z.2f",
        "χ²",
        "Mean squared error in units of the predicted variance, nothing clipped; 1 if the "
        "error bars are right, larger if they are too small.",
    ),
    "chi2_clipped": Metric(
        chi2_clipped,
        1.0,
        "z.2f",
        "χ² (published)",
        f"The same after dropping terms above {OUTLIER:,.0f}, as in published tables; for "
        "comparison only.",
    ),
    "chi2_dropped": Metric(
        chi2_dropped, "low", ".0f", "dropped", "How many terms the published χ² leaves out."
    ),
    "nll": Metric(
        nll,
        "low",
        "z.2f",
        "NLL",
        "Negative log likelihood of the truth under the predicted Gaussian, in nats per item.",
    ),
    "crps": Metric(
        crps,
        "low",
        ".3g",
        "CRPS",
        "Continuous ranked probability score: an absolute error that also judges the error "
        "bar, in the parameter's unit.",
    ),
    "coverage68": Metric(
        coverage68,
        0.6827,
        ".0%",
        "in 68%",
        "Share of truths within one predicted standard deviation; 68% if calibrated.",
    ),
    "coverage95": Metric(
        coverage95,
        0.95,
        ".0%",
        "in 95%",
        "Share of truths within 1.96 predicted standard deviations; 95% if calibrated.",
    ),
    "skill": Metric(
        skill,
        "high",
        "z.2f",
        "skill",
        "Gain in mean squared error over always predicting the prior mean; 0 for no gain, "
        "1 for perfection.",
        needs_prior=True,
    ),
}
"""Every regression metric by the name that ``results.csv`` uses."""
