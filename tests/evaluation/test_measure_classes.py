"""Results of classes: what is measured, what is not, and against what."""

from dataclasses import replace

import numpy as np
import pytest
from synthetic_classes import CLASSES, synthetic_classes

from dagnn.evaluation.measure import (
    blocks,
    bootstrap_weights,
    evaluate,
    gap_closed,
    percentile_interval,
)
from dagnn.tasks import CLASSIFICATION
from dagnn.tasks.classification import class_frequencies
from dagnn.tasks.classification_metrics import BY_CLASS, CLASS_METRICS, OPEN_METRICS

FREQUENCIES = np.array([0.5, 0.3, 0.2])


def measured(*predictions, **options):
    return evaluate(predictions, FREQUENCIES, n_bootstrap=200, **options)


def pick(results, **wanted):
    found = [r for r in results if all(getattr(r, key) == value for key, value in wanted.items())]
    assert len(found) == 1, found
    return found[0]


def test_every_metric_of_all_classes_and_of_each():
    found = measured(synthetic_classes())
    rows = {(r.model, r.parameter, r.metric) for r in found}
    models = ("prior-class", "model")
    expected = {(m, "class", name) for m in models for name in CLASS_METRICS}
    expected |= {(m, c, name) for m in models for c in CLASSES for name in BY_CLASS}
    assert rows == expected
    assert len(found) == len(rows), "no row twice"
    for row in found:
        assert row.low <= row.value <= row.high, row


def test_guessing_by_class_frequencies():
    given = synthetic_classes()
    found = measured(given)
    guess = CLASSIFICATION.guess(given, FREQUENCIES)
    assert guess.latent.shape == (120, 0)
    balanced = pick(found, model="prior-class", metric="balanced_accuracy")
    assert (balanced.value, balanced.low, balanced.high) == pytest.approx([1 / 3] * 3)
    plain = pick(found, model="prior-class", metric="accuracy")
    assert plain.value == pytest.approx((given.truth == 0).mean())
    assert pick(found, model="prior-class", metric="auc").value == 0.5


def test_frequencies_are_those_of_known_labels():
    labels = np.array([0, 0, 1, -1, 3])
    assert class_frequencies(labels, 3) == pytest.approx([2 / 3, 1 / 3, 0])
    with pytest.raises(ValueError, match="no frequencies"):
        class_frequencies(np.array([-1, 3]), 3)


def test_items_without_label_are_not_measured():
    given = synthetic_classes(unlabelled=70)
    kept = replace(
        given,
        ids=given.ids[70:],
        truth=given.truth[70:],
        probability=given.probability[70:],
        novelty=given.novelty[70:],
    )
    assert measured(given) == measured(kept)
    nothing = replace(given, truth=np.full(120, -1))
    assert measured(nothing) == []


def test_unknown_items_count_only_where_the_unknown_is_measured():
    given = synthetic_classes(unknown=30)
    known = replace(
        given,
        ids=given.ids[:120],
        truth=given.truth[:120],
        probability=given.probability[:120],
        novelty=given.novelty[:120],
    )
    with_them, without = measured(given), measured(known)
    assert {r.metric for r in without}.isdisjoint(OPEN_METRICS)
    for name in CLASS_METRICS:
        wanted = {"model": "model", "metric": name, "parameter": "class"}
        assert pick(with_them, **wanted).value == pick(without, **wanted).value
    area = pick(with_them, model="model", metric="unknown_auroc")
    assert area.low > 0.6
    assert pick(with_them, model="prior-class", metric="unknown_auroc").value == 0.5
    assert pick(with_them, model="prior-class", metric="unknown_recall").value == 0
    untold = measured(replace(given, novelty=None))
    assert {r.metric for r in untold}.isdisjoint(OPEN_METRICS), "not measured by anything else"
    only = replace(synthetic_classes(items=5), truth=np.full(5, 3))
    assert {r.metric for r in measured(only)} == set(OPEN_METRICS)


def test_an_absent_class_has_no_row_and_no_weight():
    given = synthetic_classes()
    given.truth[given.truth == 2] = -1
    found = measured(given)
    assert not [r for r in found if r.parameter == "merger"]
    assert pick(found, model="prior-class", metric="balanced_accuracy").value == 0.5


def test_groups_widen_intervals():
    given = synthetic_classes(items=80)
    for values in (given.truth, given.probability):
        values[40:] = values[:40]
    groups = {f"galaxy {n}": f"object {n % 40}" for n in range(80)}
    narrow, wide = (
        pick(r, model="model", metric="accuracy")
        for r in (measured(given), measured(given, groups=groups))
    )
    assert wide.high - wide.low > 1.2 * (narrow.high - narrow.low)


def test_blocks_order_predictors_and_tell_the_gap():
    everyone = [
        synthetic_classes("decals", "target", skill=skill, model=model)
        for model, skill in (("oracle", 5.0), ("model", 3.5), ("source-only", 1.0))
    ]
    main = next(b for b in blocks(measured(*everyone)) if b.parameter == "class")
    assert list(main.rows) == ["prior-class", "source-only", "model", "oracle"]
    assert 0.2 < gap_closed(main, "balanced_accuracy") < 1.2
    assert gap_closed(main) is None, "there is no R²"


def test_the_interval_of_a_biased_metric_is_moved_back_to_its_value():
    # Resampling few items makes a mean of absolute deviations larger.
    given = synthetic_classes(items=40, skill=3.0)
    row = pick(measured(given), model="model", parameter="class", metric="ece")
    truth, probability = given.truth, given.probability
    weight = bootstrap_weights(40, 200, 0, given.ids)
    draws = CLASS_METRICS["ece"](truth, probability, weight=weight)
    low, high = percentile_interval(draws)
    moved = row.value - draws.mean()
    assert moved < 0, "or this tests nothing"
    assert (row.low, row.high) == pytest.approx(
        (max(0, min(low + moved, row.value)), max(high + moved, row.value))
    )
