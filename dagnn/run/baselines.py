"""What must be beaten: regressions on the summaries of the same items."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from dagnn.config import Experiment, build
from dagnn.data import MODALITIES
from dagnn.evaluation.baselines import SummaryTable, summary_baselines
from dagnn.evaluation.measure import evaluate
from dagnn.records import FloatArray, Predictions, Result
from dagnn.run.prepared import Prepared, SuiteData, by_suite, first_of_each_split
from dagnn.tasks import AnyPredictions, task_of
from dagnn.tasks.classification import class_frequencies
from dagnn.tasks.prior import Prior

GALAXIES = "log10 galaxies"
"""The summary from which galaxies are counted, where the data have any."""


def reference(experiment: Experiment, prepared: Prepared, suite: SuiteData) -> Any:
    """Return what a guess without data knows of a suite.

    Returns:
        The prior of every inferred parameter in this suite, or the share of each class among
        the training items of the sources ``[K]``.
    """
    classes = prepared.truth.classes
    if classes:
        labels = [s.loaded.dataset.y[s.parts()["train"]].cpu() for s in prepared.of_role("source")]
        return class_frequencies(torch.cat(labels).numpy(), len(classes))
    modality = build(MODALITIES, experiment.data, "data")
    names = prepared.scaling.names
    return Prior.within({name: modality.prior(suite.asked, name) for name in names})


def guesses(
    experiment: Experiment, prepared: Prepared, predictions: Sequence[AnyPredictions]
) -> list[AnyPredictions]:
    """Guess without data for the items of every suite and split among predictions."""
    if prepared.truth.classes:
        known = reference(experiment, prepared, prepared.suites[0])
        return [task_of(each).guess(each, known) for each in first_of_each_split(predictions)]
    return [
        task_of(first).guess(first, known)
        for suite, own, _ in by_suite(prepared, predictions)
        for known in (reference(experiment, prepared, suite),)
        for first in first_of_each_split(own)
    ]


def measure(
    experiment: Experiment, prepared: Prepared, predictions: Sequence[AnyPredictions]
) -> list[Result]:
    """Measure every suite; items of one truth are resampled together."""
    draws, seed = experiment.evaluation.bootstrap, experiment.seed
    return [
        row
        for suite, own, groups in by_suite(prepared, predictions)
        for row in evaluate(own, reference(experiment, prepared, suite), draws, seed, groups)
    ]


def baseline_predictions(experiment: Experiment, prepared: Prepared) -> list[Predictions]:
    """Fit ridge regressions on the sources and predict what no training has seen.

    Args:
        experiment: whether they are wanted.
        prepared: its data; classes have no such baselines.
    """
    if not (experiment.evaluation.baselines and prepared.scaling.names):
        return []
    scaling = prepared.scaling
    widest = Prior.within(scaling.limits)
    tables = [_table(suite) for suite in prepared.suites]
    made = summary_baselines(tables, scaling.names, widest)
    return [each for each in made if each.split != "train"]


def _table(suite: SuiteData) -> SummaryTable:
    dataset, parts = suite.loaded.dataset, suite.parts()
    summaries = {name: value.double().cpu() for name, value in dataset.summaries().items()}
    stacked = np.stack([value.numpy() for value in summaries.values()], 1)
    rows = {part: items.cpu().numpy() for part, items in parts.items()}
    galaxies: dict[str, FloatArray] = {}
    if GALAXIES in summaries:
        counts = 10 ** summaries[GALAXIES].numpy()
        galaxies = {part: counts[items] for part, items in rows.items()}
    truth = dataset.y.double().cpu().numpy()
    return SummaryTable(
        name=suite.name,
        role=suite.role,
        ids={part: [dataset.ids[item] for item in items] for part, items in rows.items()},
        truth={part: truth[items] for part, items in rows.items()},
        x={part: stacked[items] for part, items in rows.items()},
        galaxies=galaxies,
    )
