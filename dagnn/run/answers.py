"""What networks are asked for: parameters or classes. One object each, and nothing else asks.

Training knows neither. After it, predictions, metrics, baselines, calibration,
tables and figures differ; everything else in this room goes through here.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import torch
from matplotlib.figure import Figure
from rich.console import Console

from dagnn.config import Experiment
from dagnn.data.truth import Truth
from dagnn.evaluation.calibration import Calibration
from dagnn.evaluation.latent import LatentMap
from dagnn.evaluation.storage import NO_PRIORS, NO_REMARKS, Priors, Remarks
from dagnn.models import Network
from dagnn.records import ClassPredictions, Dataset, Predictions, Result
from dagnn.robustness.examination import Examination
from dagnn.run.class_answers import Classes
from dagnn.run.parameter_answers import Parameters
from dagnn.run.prepared import Prepared
from dagnn.trust.novelty import Novelty
from dagnn.trust.temperature import Temperature
from dagnn.trust.variance import VarianceScale

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

    def fit_novelty(self, predicted: Callable[[str], Sequence[Any]]) -> Novelty | None:
        """Learn what is familiar, where that is asked of answers.

        Args:
            predicted: gives predictions of one part of the sources, ``train`` or ``valid``.
        """
        ...

    def baselines(self, experiment: Experiment, prepared: Prepared) -> Sequence[AnyPredictions]:
        """Predict by what must be beaten."""
        ...

    def guesses(
        self, experiment: Experiment, prepared: Prepared, predictions: Sequence[Any]
    ) -> Sequence[AnyPredictions]:
        """Guess without data for the items of every suite and split among predictions."""
        ...

    def measure(
        self, experiment: Experiment, predictions: Sequence[Any], prepared: Prepared
    ) -> list[Result]:
        """Compute every metric with its interval."""
        ...

    def write(
        self,
        path: Path,
        predictions: Sequence[Any],
        remarks: Remarks = NO_REMARKS,
        *,
        priors: Priors = NO_PRIORS,
        mock: bool,
    ) -> Path:
        """Write a table of predictions, with further columns of remarks and the mark of mocks.

        Args:
            path: CSV file.
            predictions: of any suites and models.
            remarks: further columns.
            priors: of the training set, which predicted parameters are compared with.
            mock: whether mock data were trained on or measured.
        """
        ...

    def read(self, path: Path) -> Sequence[AnyPredictions]:
        """Read it back."""
        ...

    def show(self, predictions: Any, console: Console, priors: Priors = NO_PRIORS) -> None:
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


def answers_of(classes: Sequence[str]) -> Answers:
    """Return how answers are handled: classes where any are named, else parameters."""
    return Classes() if classes else Parameters()
