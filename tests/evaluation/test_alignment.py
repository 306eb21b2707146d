"""Distances between clouds: known where theory knows them, equal to independent code."""

import numpy as np
import pytest
import torch
from scipy.stats import norm
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.svm import SVC

from dagnn.evaluation.alignment import (
    alignments,
    area_under_curve,
    domain_auc,
    gaussian_kernel,
    held_out_scores,
    latent_distance,
    mmd_test,
    squared_mmd,
)
from dagnn.losses.mmd import mmd
from dagnn.training.validation import latent_distance as latent_distance_in_training


def gaussians(items=200, width=6, shift=0.0, seed=0):
    generator = np.random.default_rng(seed)
    source, target = generator.normal(size=(2, items, width))
    target[:, 0] += shift
    return source, target


def rings(items=200, seed=0):
    """Two shells with the same mean and covariance directions: no plane divides them."""
    generator = np.random.default_rng(seed)
    directions = generator.normal(size=(2, items, 3))
    directions /= np.linalg.norm(directions, axis=-1, keepdims=True)
    return directions[0] * generator.normal(1.0, 0.1, (items, 1)), 2 * directions[1]


def test_auc_agrees_with_scikit_learn():
    generator = np.random.default_rng(0)
    source, target = generator.integers(0, 20, 40) / 4, generator.integers(5, 25, 30) / 4
    label = np.repeat([0, 1], [40, 30])
    expected = roc_auc_score(label, np.concatenate([source, target]))
    assert area_under_curve(source, target) == pytest.approx(expected)
    weight = generator.integers(0, 3, (4, 40)), generator.integers(0, 3, (4, 30))
    found = area_under_curve(source, target, *(w.astype(float) for w in weight))
    for row in range(4):
        both = np.concatenate([weight[0][row], weight[1][row]])
        expected = roc_auc_score(label, np.concatenate([source, target]), sample_weight=both)
        assert found[row] == pytest.approx(expected)


@pytest.mark.parametrize("shift", [0.5, 1.0, 2.0])
def test_shifted_gaussians_reach_the_best_possible_auc(shift):
    """The best classifier of two Gaussians a shift apart has AUC ``Φ(shift / √2)``."""
    best = norm.cdf(shift / np.sqrt(2))
    for nonlinear in (False, True):
        value, low, high = domain_auc(*gaussians(600, shift=shift), nonlinear=nonlinear)
        assert value == pytest.approx(best, abs=0.05)
        assert low < value < high


def test_the_linear_classifier_agrees_with_scikit_learn():
    source, target = gaussians(300, shift=1.0, seed=4)
    label = np.repeat([0, 1], 300)
    expected = cross_val_predict(
        LinearDiscriminantAnalysis(),
        np.concatenate([source, target]),
        label,
        cv=StratifiedKFold(5, shuffle=True, random_state=0),
        method="decision_function",
    )
    found, _, _ = domain_auc(source, target, nonlinear=False)
    assert found == pytest.approx(roc_auc_score(label, expected), abs=0.015)


def test_the_nonlinear_classifier_sees_what_a_plane_cannot():
    source, target = rings()
    assert domain_auc(source, target, nonlinear=False)[0] < 0.65
    label = np.repeat([0, 1], 200)
    expected = cross_val_predict(
        SVC(), np.concatenate([source, target]), label, cv=5, method="decision_function"
    )
    reference = roc_auc_score(label, expected)
    assert domain_auc(source, target)[0] == pytest.approx(reference, abs=0.03)
    assert reference > 0.95


def test_equal_clouds_cannot_be_told_apart():
    found = np.array(
        [domain_auc(*gaussians(150, seed=seed), n_bootstrap=200) for seed in range(20)]
    )
    assert found[:, 0].mean() == pytest.approx(0.5, abs=0.02)
    inside = (found[:, 1] <= 0.5) & (found[:, 2] >= 0.5)
    assert inside.mean() >= 0.75


def test_scores_are_held_out_and_repeatable():
    """With more coordinates than items a classifier that saw its test items would be perfect."""
    source, target = gaussians(40, width=200)
    value, _, _ = domain_auc(source, target)
    assert 0.25 < value < 0.75
    first, again = held_out_scores(source, target), held_out_scores(source, target)
    np.testing.assert_array_equal(first[0], again[0])
    np.testing.assert_array_equal(first[1], again[1])


def test_copies_of_an_item_stay_in_one_fold():
    """Four copies of every item: without groups, the classifier learns items by heart."""
    source, target = (np.repeat(cloud, 4, axis=0) for cloud in gaussians(30, width=40, seed=2))
    names = [str(row // 4) for row in range(120)]
    alone, _, _ = domain_auc(source, target)
    grouped, low, high = domain_auc(source, target, groups=(names, names))
    assert alone > 0.9
    assert low < 0.5 < high
    assert 0.3 < grouped < 0.7


def test_an_object_of_both_domains_is_in_one_fold():
    """Nearly the same latents twice: who has learned an object as a source calls it one."""
    source, target = gaussians(60, width=40)
    target = source + 0.1 * target
    names = [f"galaxy {row}" for row in range(60)]
    apart, _, _ = domain_auc(source, target)
    together, _, _ = domain_auc(source, target, groups=(names, names))
    assert apart < 0.3, "worse than guessing"
    assert 0.4 < together < 0.6


def test_every_measure_counts_groups_and_not_items():
    """Four views of each of 30 galaxies in one cloud: the suites do not differ."""
    clouds = [np.repeat(cloud, 4, axis=0) for cloud in gaussians(30, width=8, seed=3)]
    names = [[f"{suite} {row // 4}" for row in range(120)] for suite in ("a", "b")]
    pair = list(zip("ab", clouds, strict=True))
    alone, grouped = alignments("model", *pair), alignments("model", *pair, groups=tuple(names))
    assert alone[0].value > grouped[0].high, "views that are learned by heart tell suites apart"
    assert alone[1].probability < 0.05 < grouped[1].probability
    for measure in range(3):
        widths = [each[measure].high - each[measure].low for each in (alone, grouped)]
        assert widths[1] > 1.4 * widths[0], alone[measure].measure


def test_groups_are_thinned_with_their_items():
    source, target = gaussians(1500)
    names = tuple([f"{suite} {row // 2}" for row in range(1500)] for suite in ("a", "b"))
    found = alignments("model", ("a", source), ("b", target), n_bootstrap=20, groups=names)
    assert 0.4 < found[0].value < 0.6


def test_too_few_items_are_refused():
    with pytest.raises(ValueError, match="5 folds"):
        domain_auc(*gaussians(4))
    with pytest.raises(ValueError, match="two items"):
        mmd_test(*gaussians(1))


def test_constant_latents_are_aligned():
    cloud = np.ones((30, 4))
    for each in alignments("model", ("tng", cloud), ("simba", cloud), n_bootstrap=20):
        assert np.isfinite([each.value, each.low, each.high]).all()
        assert each.value == pytest.approx(0.5 if each.measure == "domain_auc" else 0, abs=1e-9)


def test_mmd_agrees_with_the_loss():
    source, target = gaussians(90, shift=1.0)
    target = target[:70]
    expected = mmd(torch.as_tensor(source), torch.as_tensor(target), widths=1)
    value, low, high, probability = mmd_test(source, target)
    assert value == pytest.approx(float(expected), rel=2e-3), "medians may be neighbours"
    assert low < 0 < high < value
    assert probability == pytest.approx(1 / 501)


def test_mmd_by_hand():
    kernel = gaussian_kernel(np.array([[0.0], [1.0], [0.0], [1.0]]))
    near = np.exp(-1 / 2)
    value = squared_mmd(kernel, np.array([1.0, 1, 0, 0]))
    assert value == pytest.approx(near + near - 2 * (1 + 1 + near + near) / 4)


def test_p_values_of_equal_clouds_are_uniform():
    found = [mmd_test(*gaussians(40, seed=seed), permutations=99)[3] for seed in range(100)]
    assert 0.38 < np.mean(found) < 0.62
    assert np.mean(np.array(found) <= 0.1) < 0.2


def test_distance_is_the_one_that_training_records():
    source, target = gaussians(50, shift=2.0)
    expected = latent_distance_in_training(torch.as_tensor(source), torch.as_tensor(target))
    assert latent_distance(source, target) == pytest.approx(float(expected))
    counts = np.random.default_rng(0).integers(0, 3, (2, 50))
    weighted = latent_distance(source, target, (counts[:1].astype(float), counts[1:].astype(float)))
    repeated = (np.repeat(c, n, axis=0) for c, n in zip((source, target), counts, strict=True))
    assert weighted[0] == pytest.approx(float(latent_distance(*repeated)))


def test_alignment_shows_in_every_measure():
    apart = alignments("source-only", *zip(("tng", "simba"), gaussians(shift=1.5), strict=True))
    together = alignments("model", *zip(("tng", "simba"), gaussians(shift=0.1), strict=True))
    assert [each.measure for each in apart] == ["domain_auc", "mmd", "latent_distance"]
    for before, after in zip(apart, together, strict=True):
        assert (before.source, before.target) == ("tng", "simba")
        assert before.value > after.value, before.measure
    assert apart[0].low > together[0].high
    assert apart[1].probability < 0.01 < together[1].probability


def test_large_clouds_are_thinned():
    found = alignments("model", *zip("ab", gaussians(5000), strict=True), n_bootstrap=20)
    assert found[0].high - found[0].low > 0.02, "an interval of 1000 items, not of 5000"
