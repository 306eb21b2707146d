"""Parameters as the answers of networks: moments, and all that is made of them."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from rich.console import Console

from dagnn.config import Experiment
from dagnn.data.truth import Truth
from dagnn.evaluation.baselines import prior_mean
from dagnn.evaluation.calibration import Calibration, calibrations
from dagnn.evaluation.latent import LatentMap, latent_map
from dagnn.evaluation.predict import predict
from dagnn.evaluation.prior import Prior
from dagnn.evaluation.storage import (
    NO_PRIORS,
    NO_REMARKS,
    Priors,
    Remarks,
    read_predictions,
    write_predictions,
)
from dagnn.evaluation.table import DRAWN, evaluate
from dagnn.models import Network
from dagnn.records import Dataset, Predictions, Result
from dagnn.report.figures import (
    calibration_figure,
    pit_figure,
    tarp_figure,
    truth_figure,
)
from dagnn.run.baselines import baseline_predictions, priors
from dagnn.run.prepared import Prepared, by_suite, first_of_each_split
from dagnn.run.show import show_predictions
from dagnn.trust.variance import VarianceScale, fit_variance


class Parameters:
    """Means and standard deviations of physical parameters."""

    def predict(
        self, network: Network, dataset: Dataset, items: torch.Tensor, truth: Truth, **told: Any
    ) -> Predictions:
        """Predict moments in physical units."""
        return predict(network, dataset, items, truth.scaling, **told)

    def fit_scale(self, validation: Sequence[Predictions]) -> VarianceScale:
        """Fit blend and factor of the variances."""
        return fit_variance(validation)

    def read_scale(self, stored: Mapping[str, Any]) -> VarianceScale:
        """Read a stored calibration of variances."""
        return VarianceScale.from_dict(stored)

    def fit_novelty(self, predicted: Callable[[str], Sequence[Any]]) -> None:
        """Return nothing: what is out of range is told from inputs."""
        return

    def baselines(self, experiment: Experiment, prepared: Prepared) -> list[Predictions]:
        """Fit regressions on summaries."""
        return baseline_predictions(experiment, prepared)

    def guesses(
        self, experiment: Experiment, prepared: Prepared, predictions: Sequence[Predictions]
    ) -> list[Predictions]:
        """Predict mean and spread of each suite's prior."""
        return [
            prior_mean(first, priors(experiment, prepared, suite.asked))
            for suite, own, _ in by_suite(prepared, predictions)
            for first in first_of_each_split(own)
        ]

    def measure(
        self, experiment: Experiment, predictions: Sequence[Predictions], prepared: Prepared
    ) -> list[Result]:
        """Measure each suite against its own prior; items of one truth are resampled together."""
        draws, seed = experiment.evaluation.bootstrap, experiment.seed
        return [
            row
            for suite, own, groups in by_suite(prepared, predictions)
            for row in evaluate(
                own, priors(experiment, prepared, suite.asked), draws, seed, groups=groups
            )
        ]

    def write(
        self,
        path: Path,
        predictions: Sequence[Predictions],
        remarks: Remarks = NO_REMARKS,
        *,
        priors: Priors = NO_PRIORS,
        mock: bool,
    ) -> Path:
        """Write one row per item and parameter, and what of it lies outside the prior."""
        return write_predictions(path, predictions, remarks, priors=priors, mock=mock)

    def read(self, path: Path) -> list[Predictions]:
        """Read them back."""
        return read_predictions(path)

    def show(self, predictions: Predictions, console: Console, priors: Priors = NO_PRIORS) -> None:
        """Print means and standard deviations, marked where they reach beyond the prior."""
        show_predictions(predictions, console, priors)

    def figures(
        self, predictions: Sequence[Predictions], facts: Mapping[str, Any], **stamp: bool
    ) -> dict[str, Figure]:
        """Draw truth, coverage and PIT of each parameter, and TARP of several."""
        figures: dict[str, Figure] = {}
        known = [p for p in predictions if np.isfinite(p.truth).any()]
        priors = Prior.within(facts["priors"])
        if not known:
            return figures
        for name in known[0].parameters:
            figures[f"truth_{name}"] = truth_figure(known, name, priors[name], **stamp)
            figures[f"calibration_{name}"] = calibration_figure(known, name, **stamp)
            figures[f"pit_{name}"] = pit_figure(known, name, **stamp)
        if len(known[0].parameters) > 1:
            figures["tarp"] = tarp_figure(known, priors, **stamp)
        return figures

    def maps(self, predictions: Sequence[Predictions], method: str) -> dict[str, LatentMap]:
        """Colour latents by each true parameter."""
        return {
            name: latent_map(predictions, name, method=method) for name in predictions[0].parameters
        }

    def calibrations(
        self, predictions: Sequence[Predictions], facts: Mapping[str, Any], seed: int
    ) -> list[Calibration]:
        """Measure PIT, coverage and TARP of the networks."""
        ours = [p for p in predictions if p.model in DRAWN]
        return calibrations(ours, Prior.within(facts["priors"]), seed=seed)

    def alarms(self, predictions: Sequence[Predictions]) -> list[str]:
        """Return nothing: the guard has looked at inputs before training."""
        return []

    def examine(
        self, experiment: Experiment, prepared: Prepared, networks: Mapping[str, Network]
    ) -> None:
        """Return nothing: only images of classes are changed."""
        return
