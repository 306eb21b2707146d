"""How much each searched key matters for the objective."""

import warnings

import optuna
from optuna.importance import get_param_importances

FEWEST_TRIALS = 4


def importances(joined: optuna.Study, objective: int = 0) -> dict[str, float]:
    """Return the share of each key, largest first; empty with too few or equal trials.

    Args:
        joined: the study in its storage.
        objective: position of the objective.

    References:
        Watanabe et al. 2023, arXiv:2304.10255 (PED-ANOVA).
    """
    done = joined.get_trials(deepcopy=False, states=(optuna.trial.TrialState.COMPLETE,))
    if len(done) < FEWEST_TRIALS or len({trial.values[objective] for trial in done}) < 2:
        return {}
    several = len(joined.directions) > 1
    target = (lambda trial: float(trial.values[objective])) if several else None
    with warnings.catch_warnings():
        # Says that a key that rarely counts cannot be judged well.
        warnings.simplefilter("ignore", UserWarning)
        found: dict[str, float] = get_param_importances(joined, target=target)
    return {key: value for key, value in found.items() if value == value}
