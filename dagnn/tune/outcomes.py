"""Results of the trials of a study, the trial to choose, and the cost of that choice."""

import json
import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pandas as pd
from optuna.exceptions import ExperimentalWarning
from optuna.importance import get_param_importances
from optuna.storages import RetryHeartbeatStaleTrialCallback
from optuna.trial import FrozenTrial, TrialState

from dagnn.errors import UsageError, nearest
from dagnn.evaluation.measure import bootstrap_weights, percentile_interval
from dagnn.evaluation.paired import (
    Difference,
    no_pair,
    same_items,
    sign_probability,
    verdict_sentence,
)
from dagnn.files import write_text
from dagnn.records import FloatArray
from dagnn.stored import read_json, reading
from dagnn.tasks import ALL_CLASSES
from dagnn.tasks.classification_metrics import balanced_accuracy
from dagnn.tasks.metrics import average

SCORES, MOCK, SECONDS, ERROR, WORKER = "scores", "mock", "seconds", "error", "worker"
"""User attributes of a trial."""
SEALED = "sealed.json"
"""File of a trial's folder with its scores on labelled target items."""
RANKED = ("source_nll", "domain_auc", "reverse_error")
"""Scores whose ranks are added; see :func:`lowest_rank_sum`."""
CHOICES = ("objective", "rank_sum")
"""How ``dagnn tune best`` chooses; neither reads a target label."""
DEFAULT = "the experiment as it stands"
FEWEST_TRIALS = 4
"""Below this many trials the importance of a key has no meaning."""
RESAMPLES = 1000
ALL_PARAMETERS = "all parameters"
Items = Mapping[str, Mapping[str, Any]]
"""Target → what :func:`dagnn.run.selection.target_items` kept of its test items."""


FIRST = "first"
"""User attribute in which studies of older versions keep the number of a first attempt."""


def no_experimental_warnings() -> "warnings.catch_warnings[None]":
    """Return a context without the warnings of Optuna's experimental parts, which are tested."""
    return warnings.catch_warnings(action="ignore", category=ExperimentalWarning)


def first_number(trial: FrozenTrial) -> int:
    """Return the number of a trial's first attempt, which also names its folder."""
    with no_experimental_warnings():
        first = RetryHeartbeatStaleTrialCallback.retried_trial_number(trial)
    return int(trial.user_attrs.get(FIRST, trial.number if first is None else first))


@dataclass(frozen=True)
class Outcome:
    """One trial.

    Attributes:
        number: of the trial in the study.
        state: ``complete``, ``pruned``, ``failed``, ``lost``, ``running``, ``waiting`` or
            ``queued again``.
        values: key → drawn value.
        objectives: score → value, of a complete trial.
        scores: every label-free score that was recorded.
        folder: number that names its folder.
        seconds: it took.
        epochs: after which it was pruned.
        reason: of its failure.
        mock: whether its data are synthetic.
        target: its scores on labelled target items, from its sealed file; empty
            where it is not known.
        items: the contribution of each labelled target item to them, see
            :func:`dagnn.run.selection.target_items`; trials of older versions have none.
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
    items: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


def read_outcomes(joined: optuna.Study, objectives: Sequence[str], trials: Path) -> list[Outcome]:
    """Read every trial, with its sealed file; for after the search only.

    Args:
        joined: the study in its storage.
        objectives: scores that it minimises.
        trials: folder of all trials.
    """
    return [outcome_of(trial, objectives, trials) for trial in joined.get_trials(deepcopy=False)]


def outcome_of(
    trial: FrozenTrial, objectives: Sequence[str], trials: Path | None = None
) -> Outcome:
    """Read one trial; its sealed file only where a folder is given."""
    complete = trial.state == TrialState.COMPLETE
    known, first = trial.user_attrs, first_number(trial)
    target, items = (
        _read_sealed(trials / f"{first:04d}" / SEALED) if trials and complete else ({}, {})
    )
    return Outcome(
        number=trial.number,
        state=_state(trial),
        values=dict(trial.params),
        objectives=dict(zip(objectives, trial.values or (), strict=True)) if complete else {},
        scores={
            name: math.nan if value is None else float(value)
            for name, value in known.get(SCORES, {}).items()
        },
        folder=first,
        seconds=float(known.get(SECONDS, math.nan)),
        epochs=trial.last_step,
        reason=str(known.get(ERROR, "")),
        mock=bool(known.get(MOCK, False)),
        target=target,
        items=items,
    )


def _state(trial: FrozenTrial) -> str:
    if trial.state == TrialState.FAIL:
        return "failed" if ERROR in trial.user_attrs else "lost"
    if trial.state == TrialState.WAITING and first_number(trial) != trial.number:
        return "queued again"
    return trial.state.name.lower()


def write_sealed(
    trial: Path, scores: Mapping[str, float], items: Mapping[str, Mapping[str, Any]]
) -> None:
    """Write the scores on target labels into the folder of a trial, for the report only.

    They are not read before the search is over.
    """
    note = (
        "ORACLE: measured on target labels. Written for the report that is made after the search; "
        "the search never reads it."
    )
    sealed = {"note": note, "target_test": dict(scores), "target_items": items}
    write_text(trial / SEALED, json.dumps(sealed) + "\n")


def _read_sealed(path: Path) -> tuple[dict[str, float], dict[str, Any]]:
    """Return the scores on labelled target items, and what each item contributes."""
    if not path.is_file():
        return {}, {}
    with reading(path, "Remove it."):
        content = read_json(path, "Remove it.")
        scores = {name: float(value) for name, value in content["target_test"].items()}
        return scores, dict(content.get("target_items", {}).items())


def choose(outcomes: Sequence[Outcome], by: str, number: int | None = None) -> Outcome:
    """Return the trial to take.

    Args:
        outcomes: of all trials.
        by: ``objective``: the lowest objective (of several, the lowest sum of their ranks);
            ``rank_sum``: the lowest sum of ranks over the recorded scores of :data:`RANKED`.
        number: a complete trial to take, regardless of its scores.

    Raises:
        UsageError: nothing is complete, or there is no such choice or trial.
    """
    complete = {str(o.number): o for o in outcomes if o.state == "complete"}
    if not complete:
        raise UsageError(
            "No trial of this study is complete yet, so there is nothing to choose from. Run "
            "dagnn tune again with the same --out."
        )
    if number is not None:
        if str(number) not in complete:
            raise UsageError(f"Trial {number} is not complete. Complete: {', '.join(complete)}.")
        return complete[str(number)]
    if by not in CHOICES:
        raise UsageError(f"--by {by}: there is no such choice. {nearest(by, CHOICES)}")
    if by == "objective":
        ranked = {name: outcome.objectives for name, outcome in complete.items()}
    else:
        ranked = {
            name: {key: value for key, value in outcome.scores.items() if key in RANKED}
            for name, outcome in complete.items()
        }
    return complete[lowest_rank_sum(ranked)]


def lowest_rank_sum(scores: Mapping[str, Mapping[str, float]]) -> str:
    """Return the configuration with the lowest sum of ranks over all criteria; the first of ties.

    No single criterion is reliable: a discrepancy or a domain classifier alone prefers a
    collapsed latent, and the source error alone a network that ignores the target. Ranks are
    independent of the units of a criterion. Equal scores share the average of their ranks. An
    unknown score (NaN, or absent where others have it) takes the worst rank.

    Args:
        scores: configuration → criterion → score, lower is better.

    Example:
        >>> lowest_rank_sum({"a": {"nll": 0.1, "auc": 0.2}, "b": {"nll": 0.3, "auc": 0.1},
        ...                  "c": {"nll": 0.2}})
        'a'

    References:
        Ganin et al. 2016, arXiv:1505.07818, section 5.1.2 (reverse validation, after Zhong et
        al. 2010, ECML PKDD).
    """
    if not any(scores.values()):
        raise ValueError("There is no score to rank configurations by.")
    ranks = pd.DataFrame(list(scores.values()), index=list(scores)).rank().fillna(len(scores))
    return str(ranks.sum(axis=1).idxmin())


@dataclass(frozen=True)
class Choice:
    """A trial and who would take it.

    Attributes:
        label: who.
        outcome: the trial.
        oracle: whether target labels were needed to find it.
    """

    label: str
    outcome: Outcome
    oracle: bool = False


def choices(
    outcomes: Sequence[Outcome], objectives: Sequence[str], default: Mapping[str, Any] | None
) -> list[Choice]:
    """Return the default, the label-free choices and the oracle's; empty if nothing is complete.

    Args:
        outcomes: of all trials.
        objectives: scores that are minimised.
        default: drawn values of the experiment as it stands, if the space holds it.
    """
    complete = [outcome for outcome in outcomes if outcome.state == "complete"]
    if not complete:
        return []
    found = [
        Choice(DEFAULT, outcome)
        for outcome in complete
        if default is not None and outcome.values == default
    ][:1]
    found.append(Choice(f"lowest {' + '.join(objectives)}", choose(complete, "objective")))
    found.append(Choice("lowest rank sum", choose(complete, "rank_sum")))
    labelled = [outcome for outcome in complete if "error" in outcome.target]
    if labelled:
        best = min(labelled, key=lambda outcome: outcome.target["error"])
        found.append(Choice("ORACLE: lowest target error", best, oracle=True))
    return found


def verdict(found: Sequence[Choice]) -> str:
    """Describe the cost of the label-free choices, where target labels are known.

    The distance to the oracle's choice cannot be negative and decides nothing. Whether a choice
    is better than the unchanged experiment is decided by the paired difference on the same
    test items.
    """
    best = next((choice.outcome.target for choice in found if choice.oracle), None)
    if best is None:
        return "The target has no known labels here, so nobody can say what the choice costs."
    costs = []
    for choice in found:
        if choice.oracle or "error" not in choice.outcome.target:
            continue
        error = choice.outcome.target["error"]
        text = f"{choice.label}: {error:.4f} ({error - best['error']:+.4f}"
        if "r2" in best:
            r2 = choice.outcome.target["r2"]
            text += f"; R² {r2:.3f}, {r2 - best['r2']:+.3f}"
        costs.append(f"{text})")
    return (
        f"Target error, against {best['error']:.4f} of the oracle's choice: {'; '.join(costs)}. "
        "The oracle takes the best of all trials on the same test items, so it is flattered by "
        "chance."
        f"{''.join(f' {text}' for text in _against_default(found))}"
    )


def _against_default(found: Sequence[Choice]) -> list[str]:
    """Compare what was chosen without target labels with the experiment as it stands."""
    default = next((choice.outcome for choice in found if choice.label == DEFAULT), None)
    if default is None:
        return []
    labels: dict[int, list[str]] = {}
    outcomes = {choice.outcome.number: choice.outcome for choice in found}
    for choice in found:
        if not choice.oracle and choice.label != DEFAULT:
            labels.setdefault(choice.outcome.number, []).append(choice.label)
    texts = []
    for number, chosen_by in labels.items():
        name = f"trial {number} ({', '.join(chosen_by)})"
        if number == default.number:
            texts.append(f"T{name[1:]} is {DEFAULT}.")
            continue
        difference = paired_difference(outcomes[number].items, default.items, (name, DEFAULT))
        if difference is None:
            texts.append(no_pair(name, DEFAULT))
            continue
        unit = "" if difference.metric == "balanced_accuracy" else "in prior units "
        basis = unit + same_items(difference.items, difference.independent)
        texts.append(verdict_sentence(name, DEFAULT, difference, basis))
    return texts


def importances(joined: optuna.Study) -> dict[str, float]:
    """Return each key's share in the first objective's variation; empty with too few trials.

    References:
        Watanabe et al. 2023, arXiv:2304.10255 (PED-ANOVA).
    """
    complete = joined.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    if len(complete) < FEWEST_TRIALS or len({trial.values[0] for trial in complete}) < 2:
        return {}
    several = len(joined.directions) > 1
    target = (lambda trial: float(trial.values[0])) if several else None
    with warnings.catch_warnings(action="ignore", category=UserWarning):  # a key drawn rarely
        found: dict[str, float] = get_param_importances(joined, target=target)
    return {key: value for key, value in found.items() if value == value}


def paired_difference(first: Items, second: Items, names: tuple[str, str]) -> Difference | None:
    """Compare two trials by root mean square error, or by balanced accuracy of classes.

    Args:
        first: items of one trial.
        second: items of another.
        names: of the two.

    Returns:
        First minus second with its paired bootstrap interval, groups drawn whole, averaged
        over targets; None where items were not kept, or are not the same.
    """
    if not first or _groups(first) != _groups(second):
        return None
    regression = all("squared" in kept for kept in (*first.values(), *second.values()))
    values, draws = [], []
    for seed, (suite, groups) in enumerate(_groups(first).items()):
        weight = bootstrap_weights(len(groups), RESAMPLES, seed, groups)
        one, two = first[suite], second[suite]
        values.append(float(_measure(one) - _measure(two)))
        draws.append(_measure(one, weight) - _measure(two, weight))
    resampled = np.mean(draws, 0)
    low, high = percentile_interval(resampled)
    return Difference(
        suite=", ".join(first),
        role="target",
        split="test",
        parameter=ALL_PARAMETERS if regression else ALL_CLASSES,
        metric="rmse" if regression else "balanced_accuracy",
        value=float(np.mean(values)),
        low=low,
        high=high,
        probability=sign_probability(resampled),
        first=names[0],
        second=names[1],
        items=sum(len(groups) for groups in _groups(first).values()),
        independent=sum(len(set(groups)) for groups in _groups(first).values()),
    )


def _groups(items: Items) -> dict[str, list[str]]:
    return {suite: list(kept["groups"]) for suite, kept in items.items()}


def _measure(kept: Mapping[str, Any], weight: FloatArray | None = None) -> FloatArray:
    if "squared" in kept:
        return np.asarray(np.sqrt(average(np.asarray(kept["squared"], np.float64), weight)))
    truth, guess = (np.asarray(kept[name], np.int64) for name in ("truth", "guess"))
    certain = np.eye(int(max(truth.max(), guess.max())) + 1)[guess]
    return balanced_accuracy(truth, certain, weight)
