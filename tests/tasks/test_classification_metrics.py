"""Class metrics against scikit-learn, and by hand where it has none."""

import numpy as np
import pytest
from sklearn import metrics as reference
from synthetic_classes import synthetic_classes

from dagnn.evaluation.measure import bootstrap_weights
from dagnn.tasks.classification_metrics import (
    BY_CLASS,
    CLASS_METRICS,
    OPEN_METRICS,
    confusion,
    ranked_area,
)

ONE_HOT = np.eye(3)
THEIRS = {
    "accuracy": lambda t, p: reference.accuracy_score(t, p.argmax(1)),
    "balanced_accuracy": lambda t, p: reference.balanced_accuracy_score(t, p.argmax(1)),
    "auc": lambda t, p: reference.roc_auc_score(t, p, multi_class="ovr", average="macro"),
    "precision": lambda t, p: reference.precision_score(t, p.argmax(1), average="macro"),
    "recall": lambda t, p: reference.recall_score(t, p.argmax(1), average="macro"),
    "f1": lambda t, p: reference.f1_score(t, p.argmax(1), average="macro"),
    "brier": lambda t, p: reference.mean_squared_error(ONE_HOT[t], p) * 3 / 2,
}


@pytest.fixture
def sample():
    given = synthetic_classes(items=90)
    return given.truth, given.probability


@pytest.mark.parametrize("name", THEIRS)
def test_agrees_with_scikit_learn(name, sample):
    assert float(CLASS_METRICS[name](*sample)) == pytest.approx(THEIRS[name](*sample))


def test_every_metric_has_a_reference():
    assert {*THEIRS, "ece"} == set(CLASS_METRICS)


def test_two_classes_agree_with_scikit_learn():
    truth = np.array([0, 1, 1, 0, 1])
    first = np.array([0.8, 0.4, 0.1, 0.4, 0.3])
    both = np.stack([first, 1 - first], 1)
    assert float(CLASS_METRICS["auc"](truth, both)) == pytest.approx(
        reference.roc_auc_score(truth, 1 - first)
    )
    assert float(CLASS_METRICS["brier"](truth, both)) == pytest.approx(
        reference.brier_score_loss(truth, 1 - first)
    )


@pytest.mark.parametrize("name", [*CLASS_METRICS, *OPEN_METRICS])
def test_weights_are_repetitions(name):
    given = synthetic_classes(items=40, unknown=12)
    known = given.truth < 3 if name in CLASS_METRICS else np.ones(52, dtype=bool)
    sample = [given.truth[known], given.probability[known]]
    if name in OPEN_METRICS:
        sample.append(given.novelty)
    metric = (CLASS_METRICS | OPEN_METRICS)[name]
    weight = bootstrap_weights(len(sample[0]), 6, seed=3)
    expected = [
        float(metric(*(np.repeat(values, row, 0) for values in sample)))
        for row in weight.astype(int)
    ]
    np.testing.assert_allclose(metric(*sample, weight=weight), expected, rtol=1e-12)
    assert np.shape(metric(*sample)) == ()


def test_ece_by_plain_bins(sample):
    truth, probability = sample
    confidence, right = probability.max(1), probability.argmax(1) == truth
    total = 0.0
    for low in np.arange(15) / 15:
        inside = (confidence >= low) & (confidence < low + 1 / 15)
        if inside.any():
            total += inside.mean() * abs(right[inside].mean() - confidence[inside].mean())
    assert float(CLASS_METRICS["ece"](truth, probability)) == pytest.approx(total)


def test_ece_sees_overconfidence_and_honesty():
    honest, sure = (synthetic_classes(items=20_000, sharpness=s) for s in (1.0, 4.0))
    assert float(CLASS_METRICS["ece"](honest.truth, honest.probability)) < 0.02
    assert float(CLASS_METRICS["ece"](sure.truth, sure.probability)) > 0.1


def test_a_class_without_items_does_not_count():
    truth = np.array([0, 0, 1, 1])
    probability = np.array([[0.6, 0.2, 0.2], [0.1, 0.1, 0.8], [0.1, 0.7, 0.2], [0.2, 0.5, 0.3]])
    assert float(CLASS_METRICS["balanced_accuracy"](truth, probability)) == 0.75
    assert float(CLASS_METRICS["auc"](truth, probability)) == pytest.approx((5 / 8 + 1) / 2)
    labels = {"labels": [0, 1], "average": "macro"}
    for name, theirs in (("precision", reference.precision_score), ("f1", reference.f1_score)):
        expected = theirs(truth, probability.argmax(1), **labels)
        assert float(CLASS_METRICS[name](truth, probability)) == pytest.approx(expected)


def test_areas_count_ties_half():
    score = np.array([0.1, 0.4, 0.4, 0.9, 0.4])
    positive = np.array([False, False, True, True, True])
    expected = reference.roc_auc_score(positive, score)
    assert float(ranked_area(score, positive)) == pytest.approx(expected)
    assert np.isnan(ranked_area(score, np.zeros(5, dtype=bool)))


def test_confusion_and_shares_agree_with_scikit_learn(sample):
    truth, probability = sample
    table = confusion(truth, probability)
    np.testing.assert_array_equal(table, reference.confusion_matrix(truth, probability.argmax(1)))
    assert BY_CLASS["share"].function(table) == pytest.approx(np.bincount(truth) / 90)
    predicted = np.bincount(probability.argmax(1), minlength=3) / 90
    assert BY_CLASS["predicted_share"].function(table) == pytest.approx(predicted)
    recall = reference.recall_score(truth, probability.argmax(1), average=None)
    assert BY_CLASS["recall"].function(table) == pytest.approx(recall)


def test_unknown_classes_by_hand():
    right, wrong = [0.6, 0.2, 0.2], [0.2, 0.2, 0.6]
    probability = np.array([right, wrong, right, right, wrong])
    truth = np.array([0, 1, 0, 3, 3])
    novelty = np.array([0.3, 0.5, 1.01, 1.2, 1.0])  # the third is called unknown, the last missed
    sample = truth, probability, novelty
    values = {name: float(metric(*sample)) for name, metric in OPEN_METRICS.items()}
    assert values["known_accuracy"] == pytest.approx(1 / 3)
    assert values["unknown_recall"] == pytest.approx(1 / 2)
    assert values["h_score"] == pytest.approx(2 * (1 / 3) * (1 / 2) / (5 / 6))
    assert values["unknown_auroc"] == pytest.approx(reference.roc_auc_score(truth == 3, novelty))


def test_h_score_is_zero_where_nothing_unknown_is_found():
    truth, probability = np.array([0, 1, 3]), np.eye(3)
    assert float(OPEN_METRICS["h_score"](truth, probability, np.zeros(3))) == 0
