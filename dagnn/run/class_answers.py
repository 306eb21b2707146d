"""Classes as the answers of networks: probabilities, and all that is made of them."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from matplotlib.figure import Figure
from rich.console import Console

from dagnn.config import Experiment
from dagnn.data.truth import Truth
from dagnn.evaluation.calibration import Calibration
from dagnn.evaluation.class_predict import predict_classes
from dagnn.evaluation.class_storage import read_class_predictions, write_class_predictions
from dagnn.evaluation.class_table import class_frequencies, evaluate_classes, prior_class
from dagnn.evaluation.latent import LatentMap, class_map
from dagnn.evaluation.storage import NO_PRIORS, NO_REMARKS, Priors, Remarks
from dagnn.models import Network
from dagnn.records import ClassPredictions, Dataset, FloatArray, Result
from dagnn.report.figures import (
    confusion_figure,
    novelty_figure,
    proportions_figure,
    reliability_figure,
    roc_figure,
)
from dagnn.robustness.examination import Examination
from dagnn.run.prepared import Prepared, by_suite, first_of_each_split
from dagnn.run.robustness import examine_networks
from dagnn.run.show import show_classes
from dagnn.trust.class_shift import ClassShift, class_shifts
from dagnn.trust.novelty import Novelty
from dagnn.trust.temperature import Temperature
from dagnn.trust.unfamiliar import Unfamiliar, unfamiliar


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

    def fit_novelty(self, predicted: Callable[[str], Sequence[ClassPredictions]]) -> Novelty | None:
        """Learn where the latents of taught items lie; nothing where there are too few."""
        return Novelty.fit(predicted("train"), predicted("valid"))

    def baselines(self, experiment: Experiment, prepared: Prepared) -> list[ClassPredictions]:
        """Return nothing: guessing by class frequencies is measured with the rest."""
        return []

    def guesses(
        self, experiment: Experiment, prepared: Prepared, predictions: Sequence[ClassPredictions]
    ) -> list[ClassPredictions]:
        """Predict the class frequencies of the sources."""
        return [
            prior_class(first, _frequencies(prepared)) for first in first_of_each_split(predictions)
        ]

    def measure(
        self, experiment: Experiment, predictions: Sequence[ClassPredictions], prepared: Prepared
    ) -> list[Result]:
        """Measure every suite beside guessing by the frequencies of the sources."""
        frequencies = _frequencies(prepared)
        draws, seed = experiment.evaluation.bootstrap, experiment.seed
        return [
            row
            for _, own, groups in by_suite(prepared, predictions)
            for row in evaluate_classes(own, frequencies, draws, seed, groups=groups)
        ]

    def write(
        self,
        path: Path,
        predictions: Sequence[ClassPredictions],
        remarks: Remarks = NO_REMARKS,
        *,
        priors: Priors = NO_PRIORS,
        mock: bool,
    ) -> Path:
        """Write one row per item."""
        return write_class_predictions(path, predictions, remarks, mock=mock)

    def read(self, path: Path) -> list[ClassPredictions]:
        """Read them back."""
        return read_class_predictions(path)

    def show(
        self, predictions: ClassPredictions, console: Console, priors: Priors = NO_PRIORS
    ) -> None:
        """Print probabilities."""
        show_classes(predictions, console)

    def figures(
        self, predictions: Sequence[ClassPredictions], facts: Mapping[str, Any], **stamp: bool
    ) -> dict[str, Figure]:
        """Draw confusions, ROC curves, class proportions, reliability and novelty."""
        drawn = {"proportions": proportions_figure(predictions, **stamp)}
        if any((p.truth >= 0).any() for p in predictions):
            drawn = {
                "confusion": confusion_figure(predictions, **stamp),
                "roc": roc_figure(predictions, **stamp),
                **drawn,
                "reliability": reliability_figure(predictions, **stamp),
            }
        if any(p.novelty is not None for p in predictions):
            drawn["novelty"] = novelty_figure(predictions, **stamp)
        return drawn

    def maps(self, predictions: Sequence[ClassPredictions], method: str) -> dict[str, LatentMap]:
        """Colour latents by true class."""
        return {"class": class_map(predictions, method=method)}

    def calibrations(
        self, predictions: Sequence[ClassPredictions], facts: Mapping[str, Any], seed: int
    ) -> list[Calibration]:
        """Return nothing: the calibration error is among the metrics."""
        return []

    def alarms(self, predictions: Sequence[ClassPredictions]) -> list[str]:
        """Say where classes seem to occur in other proportions, or items to be new."""
        seen: list[ClassShift | Unfamiliar] = [*class_shifts(predictions), *unfamiliar(predictions)]
        return [each.sentence() for each in seen if each.alarm]

    def examine(
        self, experiment: Experiment, prepared: Prepared, networks: Mapping[str, Network]
    ) -> Examination | None:
        """Add noise, attack, and look where networks look."""
        return examine_networks(experiment, prepared, networks)


def _frequencies(prepared: Prepared) -> FloatArray:
    """Return the share of each class among the training items of the sources, ``[K]``."""
    labels = [s.loaded.dataset.y[s.parts()["train"]].cpu() for s in prepared.of_role("source")]
    return class_frequencies(torch.cat(labels).numpy(), len(prepared.truth.classes))
