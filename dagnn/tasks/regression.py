"""Regression: means and standard deviations of physical parameters."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from dagnn.parameters import Scaling
from dagnn.records import FloatArray, Moments, Predictions
from dagnn.tasks.metrics import Metric
from dagnn.tasks.prior import Prior
from dagnn.tasks.regression_metrics import REGRESSION_METRICS
from dagnn.tasks.task import (
    CAPTION,
    GALAXY_COUNT,
    PRIOR_MEAN,
    RIDGE,
    RIDGE_ALIGNED,
    Cells,
    ReadNumber,
    Task,
    Unit,
    cell,
)

OUTSIDE_PRIOR = "outside_prior"
"""Column of a table of predictions: what lies outside the prior; empty where nothing does."""
_ROUNDING = 1e-9
"""In units of the prior's width; a mean that was clipped to a limit is not outside it."""


def limits(prior: Prior) -> str:
    """Write the limits of a prior.

    Example:
        >>> limits(Prior.of("A_SN1"))
        '0.25 to 4'
    """
    return f"{prior.low:g} to {prior.high:g}"


def outside(
    prior: Prior, mean: FloatArray, std: FloatArray
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return which means lie outside a prior, and of which others the error bar ends outside.

    Args:
        prior: of the parameter, in physical units.
        mean: ``[n]``; what is no number counts as outside.
        std: ``[n]``.

    Example:
        >>> mean, std = np.array([0.3, 0.45, 0.69]), np.array([0.05, 0.1, 0.05])
        >>> [mask.tolist() for mask in outside(Prior.of("Omega_m"), mean, std)]
        [[False, False, True], [False, True, False]]
    """
    slack = _ROUNDING * (prior.high - prior.low)
    low, high = prior.low - slack, prior.high + slack
    means = ~((mean >= low) & (mean <= high))
    bars = ~means & ~((mean - std >= low) & (mean + std <= high))
    return means, bars


def outside_texts(prior: Prior, name: str, mean: FloatArray, std: FloatArray) -> list[str]:
    """Describe for each item what lies outside the prior, ``[n]``; empty where nothing does.

    Example:
        >>> mean, std = np.array([0.3, 0.45, 0.69]), np.array([0.05, 0.1, 0.05])
        >>> for text in outside_texts(Prior.of("Omega_m"), "Omega_m", mean, std): print(text or "-")
        -
        error bar of Omega_m is 0.35 to 0.55 (prior: 0.1 to 0.5)
        predicted Omega_m is 0.69 (prior: 0.1 to 0.5)
    """
    texts = []
    for m, s, out, bar in zip(mean, std, *outside(prior, mean, std), strict=True):
        text = f"predicted {name} is {m:.4g}" if out else ""
        text = f"error bar of {name} is {m - s:.4g} to {m + s:.4g}" if bar else text
        texts.append(f"{text} (prior: {limits(prior)})" if text else "")
    return texts


class Regression(Task):
    """Means and standard deviations of physical parameters."""

    name = "regression"
    names_field = "parameters"
    metrics = REGRESSION_METRICS
    report = ("relative_error", "r2", "bias", "chi2", "coverage68", "skill")
    console = ("relative_error", "r2", "chi2", "coverage68")
    caption = f"{CAPTION} · χ² with all outliers"
    headline = "relative_error"
    better = "low"
    opening = "{parameter} is recovered with a relative error of"
    guess_model = PRIOR_MEAN
    rivals = MappingProxyType(
        {
            PRIOR_MEAN: "predicting the prior mean",
            GALAXY_COUNT: "counting galaxies",
            RIDGE: "ridge regression on summaries",
            RIDGE_ALIGNED: "ridge regression on aligned summaries",
        }
    )
    gap = "r2"
    remark = (
        "The prior mean is what anyone could predict without data; the number of galaxies and "
        "ridge regression are what anyone could predict without a network."
    )
    use = (
        "Inferring the parameters named here, with error bars, for catalogues or measurements "
        "made like those it was trained on, and studying how well that carries over between "
        "simulation suites. Not meant for survey data without a selection and noise model."
    )
    compared = ("relative_error", "rmse", "r2", "bias", "chi2", "nll", "crps", "coverage68")
    changes = ("relative_error", "r2", "crps", "nll", "chi2")
    panels = ("relative_error", "r2", "chi2")
    matrix = ("relative_error", "r2")
    measure = "Relative error of {parameter}"
    what = "parameters are inferred"
    needed_columns = ("suite", "role", "split", "id", "parameter", "truth", "mean", "std", "model")

    def decode(self, prediction: Any, answer: Scaling) -> dict[str, Tensor]:
        """Return mean and modulus of the standard deviation, in prior units."""
        if not isinstance(prediction, Moments):
            raise TypeError(f"Expected moments, got {type(prediction).__name__}.")
        return {"mean": prediction.mean, "std": prediction.std.abs()}

    def record(
        self, decoded: Mapping[str, FloatArray], truth: Tensor, answer: Scaling, **of: Any
    ) -> Predictions:
        """Return means and standard deviations in physical units."""
        return Predictions(
            parameters=answer.names,
            truth=np.asarray(truth.double().cpu().numpy()),
            mean=answer.mean_to_physical(decoded["mean"]),
            std=answer.std_to_physical(decoded["std"]),
            **of,
        )

    def known(self, predictions: Predictions) -> np.ndarray:
        """Return which items have a known parameter."""
        return np.asarray(np.isfinite(predictions.truth).any(1))

    def guess(self, predictions: Predictions, reference: Mapping[str, Prior]) -> Predictions:
        """Predict mean and standard deviation of the prior."""
        items = len(predictions.ids)
        priors = [reference[name] for name in predictions.parameters]
        return replace(
            predictions,
            mean=np.tile([prior.mean for prior in priors], (items, 1)),
            std=np.tile([prior.std for prior in priors], (items, 1)),
            latent=np.zeros((items, 0)),
            model=PRIOR_MEAN,
        )

    def units(
        self, predictions: Predictions, reference: Mapping[str, Prior] | None = None
    ) -> Iterator[Unit]:
        """Give one unit per parameter: the items whose truth is known."""
        p = predictions
        for column, name in enumerate(p.parameters):
            rows = np.flatnonzero(np.isfinite(p.truth[:, column]))
            prior = Prior.of(name) if reference is None else reference[name]
            sample = [values[rows, column] for values in (p.truth, p.mean, p.std)]
            metrics = {
                key: partial(_measured, metric, sample, prior)
                for key, metric in REGRESSION_METRICS.items()
            }
            if len(rows):
                yield Unit((name,), rows, metrics)

    def comparable(self, first: Predictions, second: Predictions) -> tuple[str, ...]:
        """Return the parameters that both predict."""
        return tuple(name for name in first.parameters if name in second.parameters)

    def truths(self, predictions: Predictions, names: Sequence[str]) -> FloatArray:
        """Return the true parameters."""
        return predictions.truth[:, [predictions.parameters.index(name) for name in names]]

    def restrict(self, predictions: Predictions, names: Sequence[str]) -> Predictions:
        """Keep some parameters, in the given order."""
        columns = [predictions.parameters.index(name) for name in names]
        fields = {key: getattr(predictions, key)[:, columns] for key in ("truth", "mean", "std")}
        return replace(predictions, parameters=tuple(names), **fields)

    def colourings(
        self, predictions: Sequence[Predictions]
    ) -> dict[str, tuple[list[FloatArray], Cells]]:
        """Colour by every true parameter."""
        names = predictions[0].parameters if predictions else ()
        return {name: ([self.truths(p, [name])[:, 0] for p in predictions], ()) for name in names}

    def screen(
        self, predictions: Predictions, priors: Mapping[str, Prior]
    ) -> tuple[list[str], Iterator[list[tuple[str, str]]], str | None]:
        """Give mean ± std, marked where they reach beyond the prior, and truths where known."""
        p = predictions
        known = np.isfinite(p.truth).any()
        marks = np.full(p.mean.shape, "", dtype="<U3")
        for column, name in enumerate(p.parameters):
            if name in priors:
                means, bars = outside(priors[name], p.mean[:, column], p.std[:, column])
                marks[means, column], marks[bars, column] = " !!", " !"
        ranges = ", ".join(f"{name} {limits(prior)}" for name, prior in priors.items())
        legend = f"!! outside the prior ({ranges}) · ! the error bar (1σ) reaches beyond it"
        rows = (
            [
                cell
                for truth, mean, std, mark in zip(*row, strict=True)
                for cell in (
                    (f"{mean:.4f} ± {std:.4f}{mark}", "yellow" if mark else ""),
                    *([(f"{truth:.4f}", "")] if known else []),
                )
            ]
            for row in zip(p.truth, p.mean, p.std, marks, strict=True)
        )
        columns = [text for name in p.parameters for text in (name, *(["truth"] if known else []))]
        return columns, rows, legend if (marks != "").any() else None

    def columns(self, predictions: Sequence[Predictions], priors: Mapping[str, Prior]) -> Cells:
        """Return one column per number, and one for what lies outside the prior."""
        return (*self.needed_columns, *((OUTSIDE_PRIOR,) if priors else ()))

    def cells(
        self, predictions: Predictions, priors: Mapping[str, Prior]
    ) -> Iterator[tuple[str, Cells]]:
        """Give one row per item and parameter."""
        p = predictions
        beyond = [
            outside_texts(priors[name], name, p.mean[:, column], p.std[:, column])
            if name in priors
            else [""] * len(p.ids)
            for column, name in enumerate(p.parameters)
        ]
        for row, item in enumerate(p.ids):
            for column, name in enumerate(p.parameters):
                numbers = (cell(values[row, column]) for values in (p.truth, p.mean, p.std))
                remark = (beyond[column][row],) if priors else ()
                yield item, (p.suite, p.role, p.split, item, name, *numbers, p.model, *remark)

    def read(
        self, rows: Sequence[tuple[int, Mapping[str, str]]], number: ReadNumber, **of: Any
    ) -> Predictions:
        """Gather the rows of every item."""
        found: dict[str, dict[str, list[float]]] = {}
        for line, row in rows:
            truth, mean, std = (number(line, row, column) for column in ("truth", "mean", "std"))
            values = found.setdefault(row["id"], {})
            if row["parameter"] in values:
                raise ValueError(f", line {line}: {row['id']} has {row['parameter']} twice.")
            if not (math.isfinite(mean) and 0 < std < math.inf):
                raise ValueError(
                    f", line {line}: expected a finite mean and a positive std, got "
                    f"{row['mean']!r} and {row['std']!r}."
                )
            values[row["parameter"]] = [truth, mean, std]
        parameters = tuple(next(iter(found.values())))
        for item, values in found.items():
            if set(values) != set(parameters):
                raise ValueError(
                    f": {item} of {of['suite']} has {', '.join(values)}; "
                    f"expected {', '.join(parameters)} as for the other items."
                )
        table = np.array([[values[name] for name in parameters] for values in found.values()])
        return Predictions(
            ids=tuple(found),
            parameters=parameters,
            truth=table[..., 0],
            mean=table[..., 1],
            std=table[..., 2],
            latent=np.zeros((len(found), 0)),
            **of,
        )


def _measured(
    metric: Metric, sample: Sequence[FloatArray], prior: Prior, weight: FloatArray | None
) -> FloatArray:
    return metric(*sample, weight=weight, prior=prior)


REGRESSION = Regression()
