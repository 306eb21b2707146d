"""What could be taken from a study side by side, and what the choice costs on the target."""

from collections.abc import Sequence
from dataclasses import dataclass

from dagnn.tune.outcomes import (
    Outcome,
    by_objective,
    by_rank_sum,
    default_trial,
    oracle,
)
from dagnn.tune.study import Study


@dataclass(frozen=True)
class Chosen:
    """A trial and who would take it.

    Attributes:
        label: who.
        outcome: the trial.
        oracle: whether target labels were needed to find it.
    """

    label: str
    outcome: Outcome
    oracle: bool = False


def choices(study: Study, outcomes: Sequence[Outcome]) -> list[Chosen]:
    """Return the default, the label-free choices and the oracle's; empty if nothing is complete."""
    done = [outcome for outcome in outcomes if outcome.state == "complete"]
    if not done:
        return []
    found = []
    default = default_trial(study, done)
    if default is not None:
        found.append(Chosen("the experiment as it stands", default))
    found.append(Chosen(f"lowest {' + '.join(study.objectives)}", by_objective(done)))
    found.append(Chosen("lowest rank sum", by_rank_sum(done)))
    best = oracle(done)
    if best is not None:
        found.append(Chosen("ORACLE: lowest target error", best, oracle=True))
    return found


def verdict(found: Sequence[Chosen]) -> str:
    """Say by how much the label-free choices miss the oracle's, where target labels are known."""
    best = next((one.outcome.target for one in found if one.oracle), None)
    if best is None:
        return "The target has no known labels here, so nobody can say what the choice costs."
    told = []
    for one in found:
        if one.oracle or "error" not in one.outcome.target:
            continue
        error = one.outcome.target["error"]
        text = f"{one.label}: {error:.4f} ({error - best['error']:+.4f}"
        if "r2" in best:
            r2 = one.outcome.target["r2"]
            text += f"; R² {r2:.3f}, {r2 - best['r2']:+.3f}"
        told.append(f"{text})")
    return (
        f"Target error, against {best['error']:.4f} of the oracle's choice: {'; '.join(told)}. The "
        "oracle takes the best of all trials on the same test items, so it is flattered by chance."
    )
