"""One self-contained page about a study."""

import math
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from shlex import quote
from typing import Any

import optuna
from matplotlib.figure import Figure

from dagnn.evaluation.figures import save_figure
from dagnn.evaluation.page import picture, render
from dagnn.files import write_text
from dagnn.run.scores import SCORES
from dagnn.tune.choices import Chosen, choices, verdict
from dagnn.tune.figures import (
    cost_figure,
    history_figure,
    importance_figure,
    pareto_figure,
    slice_figure,
)
from dagnn.tune.folder import StudyFolder
from dagnn.tune.importances import importances
from dagnn.tune.outcomes import Outcome
from dagnn.tune.show import number, setting, state
from dagnn.tune.study import Study

CAPTIONS = {
    "history": "Every trial in its order, and the best so far. Crosses: given up early.",
    "importance": "How much of the objective's variation over the trials each key explains. With "
    "few trials this is rough.",
    "slices": "Each trial's objective over the value of each key. A flat cloud means that the key "
    "does not matter in this range.",
    "pareto": "Label-free scores against each other. On the front, no trial is better in both. "
    "The AUC alone is no criterion: a network that has forgotten everything has a perfect one.",
    "cost": "ORACLE: the error on labelled target items, read after the search. A score is a good "
    "criterion if the cloud rises from left to right.",
}


def write_study_report(
    study: Study, joined: optuna.Study, folder: StudyFolder, outcomes: Sequence[Outcome]
) -> Path:
    """Write ``report.html`` and its figures into the folder of a study.

    Args:
        study: what is searched.
        joined: the study in its storage.
        folder: of the study.
        outcomes: of all trials, one or more of them complete.

    Returns:
        The path of the page.
    """
    mock = any(outcome.mock for outcome in outcomes)
    found = choices(study, outcomes)
    figures = draw(study, joined, outcomes, found, mock)
    for name, figure in figures.items():
        save_figure(figure, folder.figures, name)
    page = render(
        "study.html.j2",
        folder=Path(__file__).parent,
        title=f"Study {study.name}",
        mock=mock,
        oracle=False,
        headline=headline(study, outcomes, found),
        verdict=verdict(found),
        scores=[(name, SCORES[name]) for name in study.scores],
        choices=_choice_lines(study, found),
        trials=_trial_lines(study, outcomes),
        pictures=[picture(name, figure, CAPTIONS[name]) for name, figure in figures.items()],
        study_yaml=study.to_yaml(),
        path=quote(str(folder.path)),
    )
    return write_text(folder.report, page)


def draw(
    study: Study,
    joined: optuna.Study,
    outcomes: Sequence[Outcome],
    found: Sequence[Chosen],
    mock: bool,
) -> dict[str, Figure]:
    """Draw every figure that the trials give rise to, in reading order."""
    figures = {"history": history_figure(study, outcomes, mock=mock)}
    importance = importances(joined)
    if importance:
        figures["importance"] = importance_figure(importance, study.objectives[0], mock=mock)
    figures["slices"] = slice_figure(study, outcomes, found, mock=mock)
    known = [
        name
        for name in study.scores
        if any(math.isfinite(outcome.scores.get(name, math.nan)) for outcome in outcomes)
    ]
    pairs = [("source_error", name) for name in known if name not in ("source_error", "source_nll")]
    if len(study.objectives) > 1:
        pairs = list(combinations(study.objectives, 2))
    if pairs:
        figures["pareto"] = pareto_figure(outcomes, pairs, mock=mock)
    if any(one.oracle for one in found):
        figures["cost"] = cost_figure(outcomes, known, found, mock=mock)
    return figures


def headline(study: Study, outcomes: Sequence[Outcome], found: Sequence[Chosen]) -> str:
    """Sum the study up in two sentences."""
    counts = {
        word: sum(outcome.state == word for outcome in outcomes)
        for word in ("complete", "pruned", "failed")
    }
    told = ", ".join(f"{count} {word}" for word, count in counts.items() if count)
    taken = next(one for one in found if one.label.startswith("lowest"))
    values = ", ".join(f"{name} {value:.4g}" for name, value in taken.outcome.objectives.items())
    text = f"{told} trials. Trial {taken.outcome.number} has the lowest {values}"
    default = next((one for one in found if one.label.startswith("the experiment")), None)
    if default is not None and len(study.objectives) == 1:
        value = default.outcome.objectives[study.objectives[0]]
        text += f"; the experiment as it stands has {value:.4g}"
    return f"{text}."


def _choice_lines(study: Study, found: Sequence[Chosen]) -> dict[str, Any]:
    lines = []
    for one in found:
        scores = [number(one.outcome.scores.get(name, math.nan)) for name in study.scores]
        target = [number(one.outcome.target.get(name, math.nan)) for name in ("error", "r2")]
        values = [setting(one.outcome.values.get(key, "–")) for key in study.space.keys]
        lines.append([one.label, one.outcome.number, *target, *scores, *values])
    target_columns = ["ORACLE target error", "ORACLE target R²"]
    columns = ["choice", "trial", *target_columns, *study.scores, *study.space.keys]
    return {"columns": columns, "lines": lines}


def _trial_lines(study: Study, outcomes: Sequence[Outcome]) -> dict[str, Any]:
    lines = []
    for outcome in outcomes:
        values = [setting(outcome.values.get(key, "–")) for key in study.space.keys]
        scores = [number(outcome.scores.get(name, math.nan)) for name in study.scores]
        seconds = "–" if math.isnan(outcome.seconds) else f"{outcome.seconds:.1f}"
        lines.append([outcome.number, state(outcome), *scores, seconds, *values])
    return {"columns": ["trial", "state", *study.scores, "s", *study.space.keys], "lines": lines}
