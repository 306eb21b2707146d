"""What networks are asked for: parameters or classes. One object each, and nothing else asks.

Training knows neither. After it, predictions, metrics, baselines, calibration,
tables and figures differ; everything else in this room goes through here.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from matplotlib.figure import Figure
from rich.console import Console

from dagnn.config import Experiment
from dagnn.data.truth import Truth
from dagnn.evaluation.calibration import Calibration, calibrations
from dagnn.evaluation.class_predict import predict_classes
from dagnn.evaluation.class_shift import class_shifts, unfamiliar
from dagnn.evaluation.class_storage import read_class_predictions, write_class_predictions
from dagnn.evaluation.class_table import class_frequencies, evaluate_classes
from dagnn.evaluation.examination import Examination
from dagnn.evaluation.figures import (
    calibration_figure,
    confusion_figure,
    pit_figure,
    proportions_figure,
    reliability_figure,
    roc_figure,
    tarp_figure,
    truth_figure,
)
from dagnn.evaluation.latent import LatentMap, class_map, latent_map
from dagnn.evaluation.metrics import Prior
from dagnn.evaluation.novelty import Novelty
from dagnn.evaluation.predict import predict
from dagnn.evaluation.storage import NO_REMARKS, Remarks, read_predictions, write_predictions
from dagnn.evaluation.table import DRAWN, evaluate
from dagnn.evaluation.temperature import Temperature
from dagnn.evaluation.variance import VarianceScale, fit_variance
from dagnn.models import Network
from dagnn.parameters import parameter
from dagnn.records import ClassPredictions, Dataset, Predictions, Result
from dagnn.run.baselines import baseline_predictions, priors
from dagnn.run.prepared import Prepared
from dagnn.run.robustness import examine_networks
from dagnn.run.show import show_classes, show_predictions

AnyPredictions = Predictions | ClassPredictions
AnyScale = VarianceScale | Temperature
Facts = Mapping[str, Any]


class Answers(Protocol):
    """How the answers of networks are made, measured, kept and drawn."""

    def predict(
        self, network: Network, dataset: Dataset, items: torch.Tensor, truth: Truth, **told: Any
    ) -> AnyPredictions:
        """Predict some items; ``told`` says of which suite, role, split, domain and model."""
        ...

    def fit_scale(self, validation: Sequence[Any]) -> AnyScale:
        """Fit how sure a network may be on labelled items of its sources."""
        ...

    def read_scale(self, stored: Mapping[str, Any]) -> AnyScale:
        """Read a stored calibration."""
        ...

    def fit_novelty(self, training: Sequence[Any], validation: Sequence[Any]) -> Novelty | None:
        """Learn from items of the sources what is familiar, where that is asked of answers."""
        ...

    def baselines(self, experiment: Experiment, prepared: Prepared) -> Sequence[AnyPredictions]:
        """Predict by what must be beaten."""
        ...

    def measure(
        self, experiment: Experiment, predictions: Sequence[Any], prepared: Prepared
    ) -> list[Result]:
        """Compute every metric with its interval."""
        ...

    def write(
        self, path: Path, predictions: Sequence[Any], remarks: Remarks = NO_REMARKS, *, mock: bool
    ) -> Path:
        """Write a table of predictions, with further columns of remarks and the mark of mocks."""
        ...

    def read(self, path: Path) -> Sequence[AnyPredictions]:
        """Read it back."""
        ...

    def show(self, predictions: Any, console: Console) -> None:
        """Print predictions."""
        ...

    def figures(self, predictions: Sequence[Any], facts: Facts, **stamp: bool) -> dict[str, Figure]:
        """Draw what held-out predictions show, in reading order."""
        ...

    def maps(self, predictions: Sequence[Any], method: str) -> dict[str, LatentMap]:
        """Project the latents of one network to a plane, once for each colouring."""
        ...

    def calibrations(
        self, predictions: Sequence[Any], facts: Facts, seed: int
    ) -> list[Calibration]:
        """Measure how far from calibrated held-out predictions are."""
        ...

    def alarms(self, predictions: Sequence[Any]) -> list[str]:
        """Say, without labels, what in held-out predictions forbids trusting them."""
        ...

    def examine(
        self, experiment: Experiment, prepared: Prepared, networks: Mapping[str, Network]
    ) -> Examination | None:
        """Try what small changes of inputs do to trained networks, where that was asked for."""
        ...


def _groups(prepared: Prepared, suite: str) -> dict[str, str]:
    (dataset,) = (s.loaded.dataset for s in prepared.suites if s.name == suite)
    return dict(zip(dataset.ids, dataset.groups, strict=True))


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

    def fit_novelty(self, training: Sequence[Any], validation: Sequence[Any]) -> None:
        """Return nothing: what is out of range is told from inputs."""
        return

    def baselines(self, experiment: Experiment, prepared: Prepared) -> list[Predictions]:
        """Fit regressions on summaries."""
        return baseline_predictions(experiment, prepared)

    def measure(
        self, experiment: Experiment, predictions: Sequence[Predictions], prepared: Prepared
    ) -> list[Result]:
        """Measure each suite against its own prior; items of one truth are resampled together."""
        results: list[Result] = []
        for suite in prepared.suites:
            results += evaluate(
                [each for each in predictions if each.suite == suite.name],
                priors(experiment, prepared, suite.asked),
                experiment.evaluation.bootstrap,
                experiment.seed,
                groups=_groups(prepared, suite.name),
            )
        return results

    def write(
        self,
        path: Path,
        predictions: Sequence[Predictions],
        remarks: Remarks = NO_REMARKS,
        *,
        mock: bool,
    ) -> Path:
        """Write one row per item and parameter."""
        return write_predictions(path, predictions, remarks, mock=mock)

    def read(self, path: Path) -> list[Predictions]:
        """Read them back."""
        return read_predictions(path)

    def show(self, predictions: Predictions, console: Console) -> None:
        """Print means and standard deviations."""
        show_predictions(predictions, console)

    def figures(
        self, predictions: Sequence[Predictions], facts: Facts, **stamp: bool
    ) -> dict[str, Figure]:
        """Draw truth, coverage and PIT of each parameter, and TARP of several."""
        figures: dict[str, Figure] = {}
        known = [p for p in predictions if np.isfinite(p.truth).any()]
        if not known:
            return figures
        for name in known[0].parameters:
            figures[f"truth_{name}"] = truth_figure(known, name, **_stamp(stamp))
            figures[f"calibration_{name}"] = calibration_figure(known, name, **_stamp(stamp))
            figures[f"pit_{name}"] = pit_figure(known, name, **_stamp(stamp))
        if len(known[0].parameters) > 1:
            figures["tarp"] = tarp_figure(known, _priors(facts), **_stamp(stamp))
        return figures

    def maps(self, predictions: Sequence[Predictions], method: str) -> dict[str, LatentMap]:
        """Colour latents by each true parameter."""
        return {
            name: latent_map(predictions, name, method=method) for name in predictions[0].parameters
        }

    def calibrations(
        self, predictions: Sequence[Predictions], facts: Facts, seed: int
    ) -> list[Calibration]:
        """Measure PIT, coverage and TARP of the networks."""
        ours = [p for p in predictions if p.model in DRAWN]
        return calibrations(ours, _priors(facts), seed=seed)

    def alarms(self, predictions: Sequence[Predictions]) -> list[str]:
        """Return nothing: the guard has looked at inputs before training."""
        return []

    def examine(
        self, experiment: Experiment, prepared: Prepared, networks: Mapping[str, Network]
    ) -> None:
        """Return nothing: only images of classes are changed."""
        return


class Classes:
    """Probabilities of classes."""

    def predict(
        self, network: Network, dataset: Dataset, items: torch.Tensor, truth: Truth, **told: Any
    ) -> ClassPredictions:
        """Predict class probabilities."""
        return predict_classes(network, dataset, items, truth.classes, **told)

    def fit_scale(self, validation: Sequence[ClassPredictions]) -> Temperature:
        """Fit a temperature."""
        return Temperature.fit(validation)

    def read_scale(self, stored: Mapping[str, Any]) -> Temperature:
        """Read a stored temperature."""
        return Temperature.from_dict(stored)

    def fit_novelty(
        self, training: Sequence[ClassPredictions], validation: Sequence[ClassPredictions]
    ) -> Novelty | None:
        """Learn where the latents of taught items lie; nothing where there are too few."""
        return Novelty.fit(training, validation)

    def baselines(self, experiment: Experiment, prepared: Prepared) -> list[ClassPredictions]:
        """Return nothing: guessing by class frequencies is measured with the rest."""
        return []

    def measure(
        self, experiment: Experiment, predictions: Sequence[ClassPredictions], prepared: Prepared
    ) -> list[Result]:
        """Measure every suite beside guessing by the frequencies of the sources."""
        labels = [s.loaded.dataset.y[s.parts()["train"]].cpu() for s in prepared.of_role("source")]
        frequencies = class_frequencies(torch.cat(labels).numpy(), len(prepared.truth.classes))
        results: list[Result] = []
        for suite in prepared.suites:
            results += evaluate_classes(
                [each for each in predictions if each.suite == suite.name],
                frequencies,
                experiment.evaluation.bootstrap,
                experiment.seed,
                groups=_groups(prepared, suite.name),
            )
        return results

    def write(
        self,
        path: Path,
        predictions: Sequence[ClassPredictions],
        remarks: Remarks = NO_REMARKS,
        *,
        mock: bool,
    ) -> Path:
        """Write one row per item."""
        return write_class_predictions(path, predictions, remarks, mock=mock)

    def read(self, path: Path) -> list[ClassPredictions]:
        """Read them back."""
        return read_class_predictions(path)

    def show(self, predictions: ClassPredictions, console: Console) -> None:
        """Print probabilities."""
        show_classes(predictions, console)

    def figures(
        self, predictions: Sequence[ClassPredictions], facts: Facts, **stamp: bool
    ) -> dict[str, Figure]:
        """Draw confusions, ROC curves, class proportions and reliability."""
        if not any((p.truth >= 0).any() for p in predictions):
            return {"proportions": proportions_figure(predictions, **_stamp(stamp))}
        return {
            "confusion": confusion_figure(predictions, **_stamp(stamp)),
            "roc": roc_figure(predictions, **_stamp(stamp)),
            "proportions": proportions_figure(predictions, **_stamp(stamp)),
            "reliability": reliability_figure(predictions, **_stamp(stamp)),
        }

    def maps(self, predictions: Sequence[ClassPredictions], method: str) -> dict[str, LatentMap]:
        """Colour latents by true class."""
        return {"class": class_map(predictions, method=method)}

    def calibrations(
        self, predictions: Sequence[ClassPredictions], facts: Facts, seed: int
    ) -> list[Calibration]:
        """Return nothing: the calibration error is among the metrics."""
        return []

    def alarms(self, predictions: Sequence[ClassPredictions]) -> list[str]:
        """Say where classes seem to occur in other proportions, or items to be new."""
        shifts = [shift.sentence() for shift in class_shifts(predictions) if shift.alarm]
        return shifts + unfamiliar(predictions)

    def examine(
        self, experiment: Experiment, prepared: Prepared, networks: Mapping[str, Network]
    ) -> Examination | None:
        """Add noise, attack, and look where networks look."""
        return examine_networks(experiment, prepared, networks)


def _stamp(given: Mapping[str, bool]) -> dict[str, bool]:
    return {"mock": given["mock"], "oracle": given["oracle"]}


def _priors(facts: Facts) -> dict[str, Prior]:
    return {
        name: Prior(low, high, parameter(name).log) for name, (low, high) in facts["priors"].items()
    }


def answers_of(classes: Sequence[str]) -> Answers:
    """Return how answers are handled: classes where any are named, else parameters."""
    return Classes() if classes else Parameters()
