"""What anyone could say: without the data, from a galaxy count, or by ridge regression.

A network is worth its trouble only where it beats these. None of them reads a
label of the target.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from dagnn.errors import MissingDataError
from dagnn.evaluation.ridge import Ridge, quadratic
from dagnn.records import FloatArray, Predictions
from dagnn.tasks.prior import Prior
from dagnn.tasks.task import GALAXY_COUNT, RIDGE, RIDGE_ALIGNED

MOST_FEATURES_FOR_PRODUCTS = 100
"""With more summary features than this, ridge regression goes without their products."""


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


@dataclass(frozen=True)
class _Features:
    """Regression features of one suite, split by split, with what belongs to them."""

    table: SummaryTable
    features: dict[str, FloatArray]

    def labelled(self, split: str, priors: Sequence[Prior]) -> tuple[FloatArray, FloatArray]:
        """Return features and truth in prior units of the items whose truth is known."""
        if split not in self.features:
            return np.zeros((0, 0)), np.zeros((0, len(priors)))
        truth = np.asarray(self.table.truth[split], dtype=np.float64)
        known = np.isfinite(truth).all(1)
        unit = [prior.to_unit(truth[known, p]) for p, prior in enumerate(priors)]
        return self.features[split][known], np.stack(unit, 1)


def _own_statistics(features: Mapping[str, FloatArray]) -> tuple[FloatArray, FloatArray]:
    """Return mean and spread of a suite's training items, or of all where it has no split."""
    own = features["train"] if "train" in features else np.concatenate([*features.values()])
    spread = own.std(0)
    return own.mean(0), np.where(spread > 0, spread, 1.0)


def _counts(table: SummaryTable) -> dict[str, FloatArray]:
    """Return ``log10 N`` and its square; a box without galaxies counts as one with one."""
    logs = {
        split: np.log10(np.maximum(np.asarray(number, dtype=np.float64), 1))
        for split, number in table.galaxies.items()
    }
    return {split: np.stack([log, log**2], 1) for split, log in logs.items()}


def _summaries(
    table: SummaryTable, statistics: tuple[FloatArray, FloatArray]
) -> dict[str, FloatArray]:
    """Return standardised summaries with their products."""
    centre, scale = statistics
    standard = {split: (np.asarray(x) - centre) / scale for split, x in table.x.items()}
    if len(centre) > MOST_FEATURES_FOR_PRODUCTS:
        return standard
    return {split: quadratic(values) for split, values in standard.items()}


def _fit(sources: Sequence[_Features], priors: Sequence[Prior]) -> tuple[Ridge, FloatArray]:
    """Fit sources' training items, and measure the error on their validation items.

    Without validation items the error is the one that cross-validation expects.
    """
    x, y = map(np.concatenate, zip(*(s.labelled("train", priors) for s in sources), strict=True))
    fitted = Ridge.fit(x, y)
    held = [s.labelled("valid", priors) for s in sources]
    residuals = [fitted.predict(x) - y for x, y in held if len(x)]
    if not residuals:
        return fitted, fitted.error
    return fitted, np.sqrt(np.square(np.concatenate(residuals)).mean(0))


def _predictions(
    suite: _Features,
    split: str,
    fitted: tuple[Ridge, FloatArray],
    parameters: Sequence[str],
    priors: Sequence[Prior],
    model: str,
) -> Predictions:
    """Predict one split in physical units; means are kept within the prior."""
    ridge, error = fitted
    unit = np.clip(ridge.predict(suite.features[split]), 0, 1)
    moments = [p.from_unit(unit[:, i], np.full(len(unit), error[i])) for i, p in enumerate(priors)]
    return Predictions(
        suite=suite.table.name,
        role=suite.table.role,
        split=split,
        ids=tuple(suite.table.ids[split]),
        parameters=tuple(parameters),
        truth=np.asarray(suite.table.truth[split], dtype=np.float64),
        mean=np.stack([mean for mean, _ in moments], 1),
        std=np.stack([std for _, std in moments], 1),
        latent=np.zeros((len(unit), 0)),
        model=model,
    )


def _pooled(tables: Sequence[SummaryTable]) -> tuple[FloatArray, FloatArray]:
    """Return mean and spread of all sources' training items together."""
    train = [np.asarray(t.x["train"]) for t in tables if t.role == "source"]
    return _own_statistics({"train": np.concatenate(train)})


def _features(tables: Sequence[SummaryTable]) -> dict[str, list[_Features]]:
    """Prepare the features of every baseline whose data are there."""
    pooled = _pooled(tables)
    prepared = {
        RIDGE: [_Features(t, _summaries(t, pooled)) for t in tables],
        RIDGE_ALIGNED: [_Features(t, _summaries(t, _own_statistics(t.x))) for t in tables],
    }
    if all(t.galaxies for t in tables):
        return {GALAXY_COUNT: [_Features(t, _counts(t)) for t in tables]} | prepared
    return prepared


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
    found = []
    for model, prepared in _features(suites).items():
        fitted = _fit([s for s in prepared if s.table.role == "source"], priors)
        found += [
            _predictions(suite, split, fitted, parameters, priors, model)
            for suite in prepared
            for split in suite.features
        ]
    return found
