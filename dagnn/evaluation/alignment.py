r"""How far apart two clouds of latents (or of raw summaries) lie.

Three measures, none of which reads a label: the area under the ROC curve (AUC)
of a classifier that tries to distinguish the suites, the maximum mean discrepancy,
and the distance of the means. A small distance does not prove that a prediction
carries over: a constant latent is perfectly aligned. The classifier is deterministic
and has nothing to tune, so that its AUC measures the clouds alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import rankdata

from dagnn.evaluation.baselines import Ridge
from dagnn.evaluation.measure import bootstrap_weights, percentile_interval
from dagnn.records import FloatArray, IntArray

Groups = tuple[Sequence[str], Sequence[str]]
"""Group of every source item and of every target item."""
MOST_ITEMS = 1000
"""Larger clouds are thinned at random: costs grow with the square of the number."""
RANDOM_FEATURES = 256


@dataclass(frozen=True)
class Alignment:
    """One measure of how far apart two suites look to one network.

    Attributes:
        model: whose latents: ``source-only`` is before, ``model`` after alignment.
        source: short name of the source suite.
        target: short name of the other suite.
        measure: ``domain_auc``, ``mmd`` or ``latent_distance``.
        value: the measure.
        low: for AUC and distance the lower end of the 95% bootstrap interval; for
            the MMD the lower end of what two samples of one distribution would give.
        high: the upper end.
        probability: for the MMD the permutation p-value; NaN otherwise.
    """

    model: str
    source: str
    target: str
    measure: str
    value: float
    low: float
    high: float
    probability: float = float("nan")


def _thinned(
    cloud: FloatArray, groups: Sequence[str] | None, seed: int
) -> tuple[FloatArray, list[str] | None]:
    rows = np.sort(np.random.default_rng(seed).permutation(len(cloud))[:MOST_ITEMS])
    kept = None if groups is None else [groups[row] for row in rows.tolist()]
    return np.asarray(cloud[rows], dtype=np.float64), kept


def domain_auc(
    source: FloatArray,
    target: FloatArray,
    *,
    nonlinear: bool = True,
    folds: int = 5,
    n_bootstrap: int = 500,
    seed: int = 0,
    groups: Groups | None = None,
) -> tuple[float, float, float]:
    """Return the cross-validated AUC of a domain classifier with its 95% interval.

    0.5: the clouds are not distinguishable; 1: they are separate. Chance alone moves it by
    about ``0.4 √(1/n + 1/m)`` to either side, a third more than the interval, which holds
    the fitted classifiers fixed. Clouds that agree *better* than chance (means equal by
    construction, for example) give less than 0.5, as what a fold lacks on one side the
    others then have too much of: read that as 0.5.

    Args:
        source: ``[n, W]``.
        target: ``[m, W]``.
        nonlinear: whether the classifier may bend, see :func:`held_out_scores`.
        folds: of the cross-validation, stratified by domain.
        n_bootstrap: resamples of held-out scores behind the interval.
        seed: of folds, random features and resampling.
        groups: one name per source item and per target item; items of one group
            stay in one fold, also those of the other domain, and are resampled together.

    Raises:
        ValueError: a domain has fewer groups than folds.
    """
    scores = held_out_scores(
        source, target, nonlinear=nonlinear, folds=folds, seed=seed, groups=groups
    )
    ours, theirs = groups or (None, None)
    weight = (
        bootstrap_weights(len(source), n_bootstrap, seed, ours),
        bootstrap_weights(len(target), n_bootstrap, seed + 1, theirs),
    )
    low, high = percentile_interval(area_under_curve(*scores, *weight))
    return float(area_under_curve(*scores)), low, high


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
    ours, theirs = groups or (
        [f"source {row}" for row in range(len(source))],
        [f"target {row}" for row in range(len(target))],
    )
    fold = np.concatenate(_folds(ours, theirs, folds, seed))
    points = np.concatenate([source, target])
    is_target = np.repeat([False, True], [len(source), len(target)])
    scores = np.zeros(len(points))
    for number in range(folds):
        test = fold == number
        raw = _scores(points[~test], is_target[~test], points[test], nonlinear, seed)
        scores[test] = rankdata(raw) / test.sum()
    return scores[~is_target], scores[is_target]


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


def _squared_distances(points: FloatArray) -> FloatArray:
    square = np.square(points).sum(1)
    return np.asarray(np.maximum(square[:, None] + square[None, :] - 2 * points @ points.T, 0))


def gaussian_kernel(points: FloatArray) -> FloatArray:
    r"""Return ``exp(−d² / (2 s))`` of all pairs, ``s`` the median squared distance, ``[N, N]``.

    References:
        Gretton et al. 2012, JMLR 13, 723, section 8 (median heuristic).
    """
    distances = _squared_distances(points - points.mean(0))
    pairs = distances[np.triu_indices(len(points), k=1)]
    scale = float(np.median(pairs)) or float(pairs.mean()) or 1.0
    return np.asarray(np.exp(-distances / (2 * scale)))


def squared_mmd(kernel: FloatArray, is_source: FloatArray) -> FloatArray:
    r"""Return the unbiased squared maximum mean discrepancy of a kernel matrix.

    .. math:: \frac{1}{n(n-1)} \sum_{i \ne j} k(x_i, x_j)
              + \frac{1}{m(m-1)} \sum_{i \ne j} k(y_i, y_j)
              - \frac{2}{nm} \sum_{ij} k(x_i, y_j)

    Args:
        kernel: ``[N, N]`` of the pooled sample.
        is_source: 1 for a source item and 0 for a target item, ``[..., N]``; each
            row is one way to divide the sample.

    Returns:
        ``[...]``; slightly negative values occur where the domains agree.

    References:
        Gretton et al. 2012, JMLR 13, 723, eq. 3.
    """
    own = np.diag(kernel)
    is_target = 1 - is_source
    towards = is_source @ kernel
    n, m = is_source.sum(-1), is_target.sum(-1)
    across = (towards * is_target).sum(-1)
    within_source = (towards * is_source).sum(-1) - is_source @ own
    within_target = ((is_target @ kernel) * is_target).sum(-1) - is_target @ own
    return np.asarray(
        within_source / (n * (n - 1)) + within_target / (m * (m - 1)) - 2 * across / (n * m)
    )


def _units(n: int, m: int, groups: Groups | None) -> tuple[FloatArray, IntArray]:
    """Return what moves as a whole: 1 per group of the source, 0 per target's; group of items."""
    ours, theirs = groups or (range(n), range(m))
    first, second = (np.unique(np.asarray(side), return_inverse=True)[1] for side in (ours, theirs))
    count, others = int(first.max()) + 1, int(second.max()) + 1
    return np.repeat([1.0, 0.0], [count, others]), np.concatenate([first, count + second])


def mmd_test(
    source: FloatArray,
    target: FloatArray,
    *,
    permutations: int = 500,
    seed: int = 0,
    groups: Groups | None = None,
) -> tuple[float, float, float, float]:
    """Return the squared MMD, its 95% range if the domains agreed, and the p-value.

    The range and the p-value come from dividing the pooled items, or groups, at random.

    Args:
        source: ``[n, W]``, two items or more.
        target: ``[m, W]``, two items or more.
        permutations: random divisions.
        seed: of the divisions.
        groups: one name per source item and per target item; items of one group and domain
            go to the same side.

    Returns:
        ``(value, low, high, p-value)``.

    Raises:
        ValueError: fewer than two items in a domain.
    """
    if min(len(source), len(target)) < 2:
        raise ValueError(f"MMD needs two items per domain, got {len(source)} and {len(target)}.")
    kernel = gaussian_kernel(np.concatenate([source, target]))
    is_source = np.repeat([1.0, 0.0], [len(source), len(target)])
    value = float(squared_mmd(kernel, is_source))
    sides, unit = _units(len(source), len(target), groups)
    generator = np.random.default_rng(seed)
    divided = generator.permuted(np.tile(sides, (permutations, 1)), axis=1)[:, unit]
    null = squared_mmd(kernel, divided)
    low, high = percentile_interval(null)
    return value, low, high, float((1 + (null >= value).sum()) / (1 + permutations))


def latent_distance(
    source: FloatArray,
    target: FloatArray,
    weight: tuple[FloatArray, FloatArray] | None = None,
) -> FloatArray:
    r"""Return the distance of the means in units of the clouds' own spread.

    .. math:: d = \sqrt{\lVert \bar h_s - \bar h_t \rVert^2 / v}, \quad
              v = \tfrac12 \big( \langle \lVert h_s - \bar h_s \rVert^2 \rangle
                               + \langle \lVert h_t - \bar h_t \rVert^2 \rangle \big)

    The same number that training records as ``latent_distance``. It cannot be
    negative, so near zero every resample lies above it.

    Args:
        source: ``[n, W]``.
        target: ``[m, W]``.
        weight: how often each item counts, ``[..., n]`` and ``[..., m]``.

    Example:
        >>> cloud = np.array([[-1.0, 0.0], [1.0, 0.0]])
        >>> latent_distance(cloud, cloud + np.array([0.0, 3.0]))
        array(3.)
    """
    ones = weight or (np.ones(len(source)), np.ones(len(target)))
    centres, spreads = [], []
    for cloud, counts in zip((source, target), ones, strict=True):
        total = counts.sum(-1, keepdims=True)
        centred = cloud - cloud.mean(0)
        shift = counts @ centred / total
        square = (counts @ np.square(centred).sum(1)) / total[..., 0]
        centres.append(cloud.mean(0) + shift)
        spreads.append(square - np.square(shift).sum(-1))
    between = np.square(centres[0] - centres[1]).sum(-1)
    return np.asarray(np.sqrt(between / np.maximum((spreads[0] + spreads[1]) / 2, 1e-12)))


def alignments(
    model: str,
    source: tuple[str, FloatArray],
    target: tuple[str, FloatArray],
    *,
    seed: int = 0,
    n_bootstrap: int = 500,
    groups: Groups | None = None,
) -> list[Alignment]:
    """Measure how far apart two suites look to one network.

    Call it with the latents of ``source-only`` (before) and of ``model`` (after),
    or with raw input summaries under a name of their own.

    Args:
        model: whose latents these are.
        source: short name and latents ``[n, W]`` of a source suite.
        target: short name and latents ``[m, W]`` of another suite.
        seed: of thinning, folds, resampling and permutations.
        n_bootstrap: resamples or permutations behind each range.
        groups: one name per source item and per target item. Items of one group count as
            one independent thing in folds, resamples and permutations, see
            :func:`domain_auc`; None takes every item for one.

    Returns:
        ``domain_auc``, ``mmd`` and ``latent_distance``, in that order.

    Raises:
        ValueError: a domain has fewer groups than the folds of a classifier.
    """
    names: tuple[Sequence[str] | None, Sequence[str] | None] = groups or (None, None)
    ours, our_groups = _thinned(source[1], names[0], seed)
    theirs, their_groups = _thinned(target[1], names[1], seed)
    kept = (our_groups, their_groups) if our_groups and their_groups else None
    weight = (
        bootstrap_weights(len(ours), n_bootstrap, seed, our_groups),
        bootstrap_weights(len(theirs), n_bootstrap, seed + 1, their_groups),
    )
    distance = percentile_interval(latent_distance(ours, theirs, weight))
    measured = {
        "domain_auc": domain_auc(ours, theirs, n_bootstrap=n_bootstrap, seed=seed, groups=kept),
        "mmd": mmd_test(ours, theirs, permutations=n_bootstrap, seed=seed, groups=kept),
        "latent_distance": (float(latent_distance(ours, theirs)), *distance),
    }
    return [
        Alignment(model, source[0], target[0], measure, *numbers)
        for measure, numbers in measured.items()
    ]
