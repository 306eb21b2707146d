"""What must be beaten without a network: a galaxy count, and ridge regression on summaries.

A network is worth its trouble only where it beats these. None of them reads a
label of the target.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from dagnn.errors import MissingDataError
from dagnn.records import FloatArray, Predictions
from dagnn.tasks.prior import Prior
from dagnn.tasks.task import GALAXY_COUNT, RIDGE, RIDGE_ALIGNED

MOST_FEATURES_FOR_PRODUCTS = 100
"""With more summary features than this, ridge regression goes without their products."""
PENALTIES = np.logspace(-6, 3, 37)
"""Penalties per item that are tried, for features of variance one."""
MOST_FREEDOM = 0.8
"""Fits that use a larger share of the items as degrees of freedom are not trusted to GCV."""
Features = dict[str, FloatArray]
"""Regression features of one suite, split by split."""


def quadratic(features: FloatArray) -> FloatArray:
    """Append all squares and products of features ``[n, F]``: ``[n, F + F(F+1)/2]``.

    Example:
        >>> quadratic(np.array([[2.0, 3.0]]))
        array([[2., 3., 4., 6., 9.]])
    """
    first, second = np.triu_indices(features.shape[1])
    return np.concatenate([features, features[:, first] * features[:, second]], axis=1)


@dataclass(frozen=True)
class Ridge:
    r"""A fitted ridge regression with one penalty per output, chosen by cross-validation.

    .. math:: \min_{w, b} \; \lVert y - b - Z w \rVert^2 + n \lambda \lVert w \rVert^2

    ``Z`` are features standardised by the training items. ``λ`` minimises the
    generalised cross-validation score ``(RSS / n) / (1 − d / n)²`` with ``d`` the
    degrees of freedom of the fit, intercept included. scikit-learn's ``RidgeCV`` chooses by
    leave-one-out, with much the same result in four times the time.

    References:
        Hoerl & Kennard 1970, Technometrics 12, 55; Golub, Heath & Wahba 1979,
        Technometrics 21, 215, eq. 1.4.

    Attributes:
        centre: mean of each feature ``[F]``.
        scale: standard deviation of each feature ``[F]``; one where it does not vary.
        weight: ``[F, P]``, for standardised features.
        intercept: ``[P]``.
        penalty: the chosen ``λ`` of each output ``[P]``.
        error: square root of the score of each output ``[P]``: its expected error on new items.

    Example:
        >>> x = np.linspace(-1, 1, 50)[:, None]
        >>> fitted = Ridge.fit(x, 3 * x + 1)
        >>> fitted.predict(np.array([[2.0]])).round(3)
        array([[7.]])
    """

    centre: FloatArray
    scale: FloatArray
    weight: FloatArray
    intercept: FloatArray
    penalty: FloatArray
    error: FloatArray

    @classmethod
    def fit(cls, features: FloatArray, outputs: FloatArray) -> "Ridge":
        """Fit outputs ``[n, P]`` to features ``[n, F]``; more features than items are fine.

        Raises:
            ValueError: fewer than three items, or numbers of items that differ.
        """
        number = len(features)
        if number < 3 or len(outputs) != number:
            raise ValueError(
                f"Ridge regression needs three items or more and as many outputs; "
                f"got features of {number} items and outputs of {len(outputs)}."
            )
        centre, spread = features.mean(0), features.std(0)
        # Rounding leaves a tiny spread to a feature that is constant.
        scale = np.where(spread > 1e-10 * (1 + np.abs(centre)), spread, 1.0)
        left, singular, right = np.linalg.svd((features - centre) / scale, full_matrices=False)
        intercept = outputs.mean(0)
        seen = left.T @ (outputs - intercept)
        scores = _scores(singular, seen, np.square(outputs - intercept).sum(0), number)
        best = scores.argmin(0)
        penalty = PENALTIES[best]
        shrunk = singular[:, None] / (singular[:, None] ** 2 + number * penalty)
        return cls(
            centre=centre,
            scale=scale,
            weight=right.T @ (shrunk * seen),
            intercept=intercept,
            penalty=penalty,
            error=np.sqrt(scores[best, np.arange(len(best))]),
        )

    def predict(self, features: FloatArray) -> FloatArray:
        """Return outputs ``[n, P]`` for features ``[n, F]``."""
        return np.asarray((features - self.centre) / self.scale @ self.weight + self.intercept)


def _scores(singular: FloatArray, seen: FloatArray, total: FloatArray, number: int) -> FloatArray:
    """Return the generalised cross-validation score of every penalty and output.

    Args:
        singular: singular values of the standardised features, ``[K]``.
        seen: outputs in the basis of left singular vectors, ``[K, P]``.
        total: sum of squares of each centred output, ``[P]``.
        number: of items ``n``.

    Returns:
        ``[penalties, P]``; infinite where the fit uses up nearly all items.
    """
    kept = singular**2 / (singular**2 + number * PENALTIES[:, None])
    residual = total - np.square(seen).sum(0) + np.square(1 - kept) @ np.square(seen)
    freedom = (1 + kept.sum(1, keepdims=True)) / number
    # The largest penalty stays allowed: some fit must be chosen.
    trusted = (freedom <= MOST_FREEDOM) | (PENALTIES.max() == PENALTIES)[:, None]
    score = np.maximum(residual, 0) / number / np.square(1 - np.minimum(freedom, 0.99))
    return np.where(trusted, score, np.inf)


@dataclass(frozen=True)
class SummaryTable:
    """A suite as a few numbers per item.

    Attributes:
        name: short suite name.
        role: ``source``, ``target`` or ``other``.
        ids: split → names of its items.
        truth: split → physical parameters ``[n, P]``; NaN where unknown. Read for
            fitting in the ``train`` and ``valid`` split of a source only.
        x: split → summary features ``[n, F]``, the same in every suite.
        galaxies: split → number of galaxies of each item ``[n]``; empty where
            the data have no galaxies to count.
    """

    name: str
    role: str
    ids: Mapping[str, Sequence[str]]
    truth: Mapping[str, FloatArray]
    x: Mapping[str, FloatArray]
    galaxies: Mapping[str, FloatArray] = field(default_factory=dict)


def summary_baselines(
    suites: Sequence[SummaryTable], parameters: Sequence[str], prior: Mapping[str, Prior]
) -> list[Predictions]:
    """Fit every baseline on labelled sources and predict all items of all suites.

    Regression runs in prior units (logarithmic for a logarithmic prior), where a
    mean outside the prior is moved to its end. The standard deviation of a
    parameter is one number: the root mean square error on the sources' validation
    items.

    Args:
        suites: at least one source with a ``train`` split.
        parameters: names of the ``P`` columns of truth.
        prior: prior of every parameter.

    Returns:
        One record per baseline, suite and split, in physical units. Without
        counts in every suite there is no ``galaxy-count``.

    Raises:
        MissingDataError: no source has training items.
    """
    if not any(t.role == "source" and len(t.ids.get("train", ())) for t in suites):
        raise MissingDataError(
            "Baselines are fitted on a labelled source, and none of the suites "
            f"{', '.join(t.name for t in suites) or '(none)'} is a source with training items."
        )
    priors = [prior[name] for name in parameters]
    train = np.concatenate([np.asarray(t.x["train"]) for t in suites if t.role == "source"])
    pooled = _statistics({"train": train})
    features = {
        RIDGE: [_summaries(table, pooled) for table in suites],
        RIDGE_ALIGNED: [_summaries(table, _statistics(table.x)) for table in suites],
    }
    if all(table.galaxies for table in suites):
        features = {GALAXY_COUNT: [_counts(table) for table in suites]} | features
    found = []
    for model, of_suites in features.items():
        pairs = list(zip(suites, of_suites, strict=True))
        fitted = _fit([pair for pair in pairs if pair[0].role == "source"], priors)
        found += [
            _predictions(table, split, x, fitted, parameters, priors, model)
            for table, own in pairs
            for split, x in own.items()
        ]
    return found


def _statistics(x: Mapping[str, FloatArray]) -> tuple[FloatArray, FloatArray]:
    """Return mean and spread of a suite's training items, or of all where it has no split."""
    own = x["train"] if "train" in x else np.concatenate([*x.values()])
    spread = own.std(0)
    return own.mean(0), np.where(spread > 0, spread, 1.0)


def _counts(table: SummaryTable) -> Features:
    """Return ``log10 N`` and its square; a box without galaxies counts as one with one."""
    logs = {
        split: np.log10(np.maximum(np.asarray(number, dtype=np.float64), 1))
        for split, number in table.galaxies.items()
    }
    return {split: np.stack([log, log**2], 1) for split, log in logs.items()}


def _summaries(table: SummaryTable, statistics: tuple[FloatArray, FloatArray]) -> Features:
    """Return standardised summaries with their products."""
    centre, scale = statistics
    standard = {split: (np.asarray(x) - centre) / scale for split, x in table.x.items()}
    if len(centre) > MOST_FEATURES_FOR_PRODUCTS:
        return standard
    return {split: quadratic(values) for split, values in standard.items()}


def _labelled(
    table: SummaryTable, features: Features, split: str, priors: Sequence[Prior]
) -> tuple[FloatArray, FloatArray]:
    """Return features and truth in prior units of the items whose truth is known."""
    if split not in features:
        return np.zeros((0, 0)), np.zeros((0, len(priors)))
    truth = np.asarray(table.truth[split], dtype=np.float64)
    known = np.isfinite(truth).all(1)
    unit = [prior.to_unit(truth[known, p]) for p, prior in enumerate(priors)]
    return features[split][known], np.stack(unit, 1)


def _fit(
    sources: Sequence[tuple[SummaryTable, Features]], priors: Sequence[Prior]
) -> tuple[Ridge, FloatArray]:
    """Fit sources' training items, and measure the error on their validation items.

    Without validation items the error is the one that cross-validation expects.
    """
    train = [_labelled(*source, "train", priors) for source in sources]
    fitted = Ridge.fit(*(np.concatenate(side) for side in zip(*train, strict=True)))
    held = [_labelled(*source, "valid", priors) for source in sources]
    residuals = [fitted.predict(x) - y for x, y in held if len(x)]
    if not residuals:
        return fitted, fitted.error
    return fitted, np.sqrt(np.square(np.concatenate(residuals)).mean(0))


def _predictions(
    table: SummaryTable,
    split: str,
    x: FloatArray,
    fitted: tuple[Ridge, FloatArray],
    parameters: Sequence[str],
    priors: Sequence[Prior],
    model: str,
) -> Predictions:
    """Predict one split in physical units; means are kept within the prior."""
    ridge, error = fitted
    unit = np.clip(ridge.predict(x), 0, 1)
    moments = [p.from_unit(unit[:, i], np.full(len(unit), error[i])) for i, p in enumerate(priors)]
    return Predictions(
        suite=table.name,
        role=table.role,
        split=split,
        ids=tuple(table.ids[split]),
        parameters=tuple(parameters),
        truth=np.asarray(table.truth[split], dtype=np.float64),
        mean=np.stack([mean for mean, _ in moments], 1),
        std=np.stack([std for _, std in moments], 1),
        latent=np.zeros((len(unit), 0)),
        model=model,
    )
