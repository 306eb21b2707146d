"""What must be beaten: regressions on the summaries of the same items."""

import numpy as np

from dagnn.config import Experiment, build
from dagnn.data.modalities import MODALITIES
from dagnn.evaluation.baselines import SummaryTable, summary_baselines
from dagnn.evaluation.prior import Prior
from dagnn.records import FloatArray, Predictions
from dagnn.run.prepared import Prepared, SuiteData

GALAXIES = "log10 galaxies"
"""The summary from which galaxies are counted, where the data have any."""


def priors(experiment: Experiment, prepared: Prepared, suite: str) -> dict[str, Prior]:
    """Return the prior of every inferred parameter in one suite."""
    modality = build(MODALITIES, experiment.data, "data")
    return Prior.within({name: modality.prior(suite, name) for name in prepared.scaling.names})


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
