"""A small domain classifier: can two clouds of points be told apart?

It is deterministic and has nothing to tune, so that its answer measures the
clouds and not somebody's patience.
"""

from collections.abc import Sequence

import numpy as np
from scipy.stats import rankdata

from dagnn.evaluation.ridge import Ridge
from dagnn.records import FloatArray, IntArray

RANDOM_FEATURES = 256


def area_under_curve(
    source: FloatArray,
    target: FloatArray,
    source_weight: FloatArray | None = None,
    target_weight: FloatArray | None = None,
) -> FloatArray:
    r"""Return the probability that a target item scores above a source item; ties count half.

    Args:
        source: scores ``[n]``.
        target: scores ``[m]``.
        source_weight: how often each item counts, ``[R, n]``.
        target_weight: ``[R, m]``.

    Returns:
        A scalar, or ``[R]``.

    References:
        Mann & Whitney 1947, Ann. Math. Stat. 18, 50; Hanley & McNeil 1982,
        Radiology 143, 29.

    Example:
        >>> area_under_curve(np.array([0.1, 0.4]), np.array([0.4, 0.9]))
        array(0.875)
    """
    above = (target[None, :] > source[:, None]) + 0.5 * (target[None, :] == source[:, None])
    if source_weight is None or target_weight is None:
        return np.asarray(above.mean())
    total = source_weight.sum(1) * target_weight.sum(1)
    return np.asarray(((source_weight @ above) * target_weight).sum(1) / total)


def random_features(points: FloatArray, median: float, seed: int) -> FloatArray:
    r"""Return cosine features of Gaussian kernels, ``[n, RANDOM_FEATURES]``.

    Frequencies are spread over three bandwidths around the median distance
    (half, once, twice), so that fine and broad differences both show.

    References:
        Rahimi & Recht 2007, NeurIPS 20, algorithm 1.
    """
    generator = np.random.default_rng(seed)
    width = median * np.repeat([0.5, 1.0, 2.0], -(-RANDOM_FEATURES // 3))[:RANDOM_FEATURES]
    frequency = generator.normal(size=(points.shape[1], RANDOM_FEATURES)) / width
    phase = generator.uniform(0, 2 * np.pi, RANDOM_FEATURES)
    return np.asarray(np.cos(points @ frequency + phase))


def _median_distance(points: FloatArray) -> float:
    """Return the median distance of neighbouring rows of a shuffled sample."""
    rows = np.random.default_rng(0).permutation(len(points))
    return float(np.median(np.linalg.norm(points[rows] - points[np.roll(rows, 1)], axis=1))) or 1.0


def _folds(
    ours: Sequence[str], theirs: Sequence[str], folds: int, seed: int
) -> tuple[IntArray, IntArray]:
    """Give every item of both domains a fold number; groups stay together, also across domains."""
    shared = sorted(set(ours) & set(theirs))
    common = np.random.default_rng(seed).permutation(len(shared)) % folds
    found = []
    for groups, draw in ((ours, seed), (theirs, seed + 1)):
        alone = sorted(set(groups) - set(shared))
        if (number := len(shared) + len(alone)) < folds:
            raise ValueError(
                f"{folds} folds need as many independent items per domain, got {number}."
            )
        order = (len(shared) + np.random.default_rng(draw).permutation(len(alone))) % folds
        fold_of = dict(zip([*shared, *alone], [*common, *order], strict=True))
        found.append(np.array([fold_of[group] for group in groups], dtype=np.int64))
    return found[0], found[1]


def _scores(
    train: FloatArray, is_target: FloatArray, test: FloatArray, nonlinear: bool, seed: int
) -> FloatArray:
    """Train on some items and return the scores of others, ``[n_test]``."""
    centre, spread = train.mean(0), train.std(0)
    scale = np.where(spread > 1e-10 * (1 + np.abs(centre)), spread, 1.0)
    train, test = (train - centre) / scale, (test - centre) / scale
    if nonlinear:
        median = _median_distance(train)
        train, test = (
            np.concatenate([points, random_features(points, median, seed)], axis=1)
            for points in (train, test)
        )
    # Regression on ±1, each domain with the same total weight, is Fisher's
    # discriminant; the ridge keeps it stable where latents are many or collinear.
    share = is_target.mean()
    label = np.where(is_target, 0.5 / share, -0.5 / (1 - share))
    return Ridge.fit(train, label[:, None]).predict(test)[:, 0]


def _each(domain: str, items: int) -> list[str]:
    """Name every item a group of its own."""
    return [f"{domain} {item}" for item in range(items)]


def held_out_scores(
    source: FloatArray,
    target: FloatArray,
    *,
    nonlinear: bool = True,
    folds: int = 5,
    seed: int = 0,
    groups: tuple[Sequence[str], Sequence[str]] | None = None,
) -> tuple[FloatArray, FloatArray]:
    """Score every item by a classifier that has not seen it; targets shall score high.

    Ridge-regularised discriminant analysis, on the coordinates themselves and
    (``nonlinear``) on random Fourier features. Scores are replaced by their rank
    within the fold, as those of different fits do not share a scale.

    Args:
        source: ``[n, W]``.
        target: ``[m, W]``.
        nonlinear: whether to add random features.
        folds: number of folds, stratified by domain.
        seed: of folds and random features.
        groups: one name per source item and per target item. Items of one group are in
            one fold, those of the other domain as well: an object that both show would
            be recognised, and taken for the domain in which it was learned.

    Returns:
        Scores of sources ``[n]`` and of targets ``[m]``, in (0, 1].

    Raises:
        ValueError: a domain has fewer groups than folds.
    """
    ours, theirs = groups or (_each("source", len(source)), _each("target", len(target)))
    fold = np.concatenate(_folds(ours, theirs, folds, seed))
    points = np.concatenate([source, target])
    is_target = np.repeat([False, True], [len(source), len(target)])
    scores = np.zeros(len(points))
    for number in range(folds):
        test = fold == number
        raw = _scores(points[~test], is_target[~test], points[test], nonlinear, seed)
        scores[test] = rankdata(raw) / test.sum()
    return scores[~is_target], scores[is_target]
