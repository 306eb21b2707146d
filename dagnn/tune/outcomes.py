"""What the trials of a study came to, read back; and which of them to take."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from dagnn.errors import UsageError, nearest
from dagnn.evaluation.selection_scores import chosen, rank_sum
from dagnn.tune.folder import StudyFolder
from dagnn.tune.liveness import ERROR, FIRST, first_number
from dagnn.tune.study import Study
from dagnn.tune.trial import MOCK, SCORES, SECONDS

RANKED = ("source_nll", "domain_auc", "reverse_error")
"""Scores whose ranks are added; see :mod:`dagnn.evaluation.selection_scores`."""


@dataclass(frozen=True)
class Outcome:
    """One trial.

    Attributes:
        number: of the trial in the study.
        state: ``complete``, ``pruned``, ``failed``, ``lost``, ``running`` or ``waiting``.
        values: key → drawn value.
        objectives: score → value, of a complete trial.
        scores: every label-free score that was recorded.
        folder: number that its folder is called after.
        seconds: it took.
        epochs: after which it was pruned.
        reason: why it failed.
        mock: whether its data are synthetic.
        target: what it is worth on labelled target items, from its sealed file; empty
            where nobody knows.
    """

    number: int
    state: str
    values: Mapping[str, Any]
    objectives: Mapping[str, float] = field(default_factory=dict)
    scores: Mapping[str, float] = field(default_factory=dict)
    folder: int = 0
    seconds: float = math.nan
    epochs: int | None = None
    reason: str = ""
    mock: bool = False
    target: Mapping[str, float] = field(default_factory=dict)


def read_outcomes(study: Study, joined: optuna.Study, folder: StudyFolder) -> list[Outcome]:
    """Read every trial, with what its sealed file says; for after the search only."""
    return [
        _outcome(trial, study.objectives, folder) for trial in joined.get_trials(deepcopy=False)
    ]


def _outcome(trial: FrozenTrial, objectives: Sequence[str], folder: StudyFolder) -> Outcome:
    complete = trial.state == TrialState.COMPLETE
    known = trial.user_attrs
    scores = {
        name: math.nan if value is None else float(value)
        for name, value in known.get(SCORES, {}).items()
    }
    first = first_number(trial)
    return Outcome(
        number=trial.number,
        state=_state(trial),
        values=dict(trial.params),
        objectives=dict(zip(objectives, trial.values or (), strict=True)) if complete else {},
        scores=scores,
        folder=first,
        seconds=float(known.get(SECONDS, math.nan)),
        epochs=trial.last_step,
        reason=str(known.get(ERROR, "")),
        mock=bool(known.get(MOCK, False)),
        target=folder.trial(first).read_sealed() if complete else {},
    )


def _state(trial: FrozenTrial) -> str:
    if trial.state == TrialState.FAIL:
        return "failed" if ERROR in trial.user_attrs else "lost"
    if trial.state == TrialState.WAITING:
        return "queued again" if FIRST in trial.user_attrs else "waiting"
    return trial.state.name.lower()


def complete(outcomes: Sequence[Outcome]) -> list[Outcome]:
    """Keep the trials that were trained to their end.

    Raises:
        UsageError: there is none.
    """
    found = [outcome for outcome in outcomes if outcome.state == "complete"]
    if not found:
        raise UsageError(
            "No trial of this study is complete yet, so there is nothing to choose from. Run "
            "dagnn tune again with the same --out."
        )
    return found


def by_objective(outcomes: Sequence[Outcome]) -> Outcome:
    """Return the trial with the lowest objective; of several objectives, the lowest rank sum."""
    found = complete(outcomes)
    return _lowest(found, rank_sum({str(o.number): o.objectives for o in found}))


def by_rank_sum(outcomes: Sequence[Outcome]) -> Outcome:
    """Return the trial with the lowest sum of ranks over the recorded scores of :data:`RANKED`."""
    found = complete(outcomes)
    return _lowest(found, rank_sums(found))


def rank_sums(outcomes: Sequence[Outcome]) -> dict[str, float]:
    """Return the sum of ranks of every trial, by its number."""
    scores = {str(o.number): {k: v for k, v in o.scores.items() if k in RANKED} for o in outcomes}
    return rank_sum(scores)


def _lowest(outcomes: Sequence[Outcome], sums: Mapping[str, float]) -> Outcome:
    number = int(chosen(sums))
    return next(outcome for outcome in outcomes if outcome.number == number)


CHOICES: dict[str, Callable[[Sequence[Outcome]], Outcome]] = {
    "objective": by_objective,
    "rank_sum": by_rank_sum,
}
"""How ``dagnn tune best`` chooses; none reads a target label."""


def choose(outcomes: Sequence[Outcome], by: str, number: int | None = None) -> Outcome:
    """Return the trial to take.

    Args:
        outcomes: of all trials.
        by: name in :data:`CHOICES`.
        number: a complete trial to take whatever its scores.

    Raises:
        UsageError: there is no such choice or trial.
    """
    if number is not None:
        found = {outcome.number: outcome for outcome in complete(outcomes)}
        if number not in found:
            raise UsageError(
                f"Trial {number} is not complete. Complete: {', '.join(map(str, found))}."
            )
        return found[number]
    if by not in CHOICES:
        raise UsageError(f"--by {by}: there is no such choice. {nearest(by, CHOICES)}")
    return CHOICES[by](outcomes)


def default_trial(study: Study, outcomes: Sequence[Outcome]) -> Outcome | None:
    """Return the complete trial that is the experiment as it stands, if there is one."""
    default = study.default()
    for outcome in outcomes:
        if default is not None and outcome.state == "complete" and outcome.values == default:
            return outcome
    return None


def oracle(outcomes: Sequence[Outcome]) -> Outcome | None:
    """Return the trial with the lowest error on labelled target items: nobody could know it."""
    known = {o.number: o for o in outcomes if o.state == "complete" and "error" in o.target}
    if not known:
        return None
    return min(known.values(), key=lambda outcome: outcome.target["error"])
