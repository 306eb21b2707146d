"""Choosing between configurations without target labels, and what the choice costs.

No single criterion can be trusted: the discrepancy or the domain classifier alone
is content with a collapsed latent, and the source error alone with a network that
ignores the target. Their ranks together lose little (see docs).

References:
    Ganin et al. 2016, arXiv:1505.07818, section 5.1.2 (reverse validation,
    after Zhong et al. 2010, ECML PKDD).
"""

from collections.abc import Mapping
from typing import Literal

import numpy as np
from scipy.stats import rankdata

Better = Literal["lower", "higher"]


def rank_sum(
    scores: Mapping[str, Mapping[str, float]], better: Better = "lower"
) -> dict[str, float]:
    """Add the ranks of each configuration over all criteria; the smallest sum is the choice.

    Ranks do not care for the units of a criterion. Configurations that tie share
    the average of their ranks. An unknown score (NaN, or absent where others have
    it) takes the worst rank, so that a configuration cannot win by not being measured.

    Args:
        scores: configuration → criterion → score; for example ``source_nll``,
            ``domain_auc`` (its excess over 0.5) and ``reverse_error``.
        better: whether lower or higher scores are better.

    Returns:
        Configuration → sum of ranks, from 1 per criterion for the best of all.

    Raises:
        ValueError: there is nothing to rank.

    Example:
        >>> rank_sum({"a": {"nll": 0.1, "auc": 0.2}, "b": {"nll": 0.3, "auc": 0.1},
        ...           "c": {"nll": 0.2, "auc": float("nan")}})
        {'a': 3.0, 'b': 4.0, 'c': 5.0}
    """
    criteria = list(dict.fromkeys(name for given in scores.values() for name in given))
    if not criteria:
        raise ValueError("There is no score to rank: give one criterion or more.")
    nan = float("nan")
    table = np.array([[given.get(name, nan) for name in criteria] for given in scores.values()])
    ranks = np.stack([_ranks(column, better) for column in table.T], 1)
    return dict(zip(scores, ranks.sum(1).tolist(), strict=True))


def _ranks(values: np.ndarray, better: Better) -> np.ndarray:
    """Rank from best (1) to worst; unknown values share the last rank ``n``."""
    unknown = np.isnan(values)
    ranks = np.full(len(values), float(len(values)))
    if not unknown.all():
        known = values[~unknown]
        ranks[~unknown] = rankdata(known if better == "lower" else -known)
    return ranks


def chosen(scores: Mapping[str, float]) -> str:
    """Return the configuration with the lowest known score; the first of those that tie.

    Raises:
        ValueError: no score is known.
    """
    known = {name: value for name, value in scores.items() if not np.isnan(value)}
    if not known:
        raise ValueError(f"No score is known of {', '.join(scores) or 'no configuration'}.")
    return min(known, key=lambda name: known[name])


def selector_gap(
    scores: Mapping[str, float], target_metric: Mapping[str, float], better: Better = "higher"
) -> float:
    """Return the target metric of the chosen configuration minus that of the best one.

    Zero if the label-free choice was the best there was; negative (for a metric
    where higher is better) by how much it lost. It reads target labels, so it
    belongs in a report about selection and never into a selection.

    Args:
        scores: configuration → label-free score, lower is better, such as :func:`rank_sum`.
        target_metric: configuration → metric on the labelled target, such as R².
        better: whether lower or higher values of the target metric are better.

    Raises:
        ValueError: a configuration has no target metric, or no score is known.

    Example:
        >>> selector_gap({"a": 3.0, "b": 4.0}, {"a": 0.5, "b": 0.75})
        -0.25
    """
    if missing := set(scores) - set(target_metric):
        raise ValueError(f"No target metric for {', '.join(sorted(missing))}.")
    measured = {n: target_metric[n] for n in scores if not np.isnan(target_metric[n])}
    sign = 1 if better == "lower" else -1
    best = chosen({name: sign * value for name, value in measured.items()})
    return target_metric[chosen(scores)] - target_metric[best]
