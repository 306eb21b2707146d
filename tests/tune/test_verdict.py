"""A chosen trial is judged by paired differences on the same target items."""

import numpy as np
import pytest

from dagnn.tune.outcomes import (
    DEFAULT,
    Choice,
    Outcome,
    lowest_rank_sum,
    paired_difference,
    verdict,
)


def squared(size, items=45, seed=0, groups=None):
    values = np.random.default_rng(seed).exponential(size=items) * size**2
    return {"simba": {"groups": groups or [f"LH_{n}" for n in range(items)],
                      "squared": values.tolist()}}  # fmt: skip


def outcome(number, items, error):
    return Outcome(number, "complete", {}, target={"error": error, "r2": 0.9}, items=items)


def verdict_on(chosen_items, default_items, chosen=1):
    return verdict(
        [
            Choice(DEFAULT, outcome(0, default_items, 0.1)),
            Choice("lowest rank sum", outcome(chosen, chosen_items, 0.09)),
            Choice("ORACLE: lowest target error", outcome(2, chosen_items, 0.08), oracle=True),
        ]
    )


def test_the_difference_is_paired_and_has_an_interval():
    text = verdict_on(squared(0.09), squared(0.1))
    assert f"Trial 1 (lowest rank sum) is better than {DEFAULT}: −0.0" in text
    assert "] in prior units on the same 45 items." in text
    found = paired_difference(squared(0.09), squared(0.1), ("a", "b"))
    # Equal items scaled: every resample agrees, although intervals of each alone overlap.
    roots = [np.sqrt(np.mean(squared(size)["simba"]["squared"])) for size in (0.09, 0.1)]
    assert found.value == pytest.approx(roots[0] - roots[1])
    assert found.low < found.value < found.high < 0
    assert "is not distinguishable from" in verdict_on(squared(0.1, seed=1), squared(0.1, seed=2))


def test_groups_are_drawn_whole_and_too_few_decide_nothing():
    alike = [f"LH_{n % 15}" for n in range(45)]
    text = verdict_on(squared(0.09, groups=alike), squared(0.1, groups=alike))
    assert "is not decided: 15 independent items" in text


def test_items_that_are_not_stored_give_no_verdict():
    for other in ({}, squared(0.1, items=44)):
        text = verdict_on(squared(0.09), other)
        assert f"No verdict on trial 1 (lowest rank sum) against {DEFAULT}" in text
        assert "better than" not in text
    same = verdict_on(squared(0.1), squared(0.1), chosen=0)
    assert f"Trial 0 (lowest rank sum) is {DEFAULT}." in same


def test_classes_are_compared_by_balanced_accuracy():
    truth = [0] * 30 + [1] * 10
    groups = [str(n) for n in range(40)]
    first = {"decals": {"groups": groups, "truth": truth, "guess": truth}}
    second = {"decals": {"groups": groups, "truth": truth, "guess": [0] * 40}}
    found = paired_difference(first, second, ("a", "b"))
    assert (found.metric, found.value) == ("balanced_accuracy", pytest.approx(0.5))
    text = verdict_on(first, second)
    assert f"is better than {DEFAULT}: +50.0 points [+50.0, +50.0] on the same 40 items." in text


SCORES = {
    "plain": {"source_nll": 0.1, "domain_auc": 0.4, "reverse_error": 0.2},
    "small": {"source_nll": 0.2, "domain_auc": 0.3, "reverse_error": 0.1},
    "collapsed": {"source_nll": 0.9, "domain_auc": 0.0, "reverse_error": 0.9},
}


def test_the_lowest_rank_sum_is_independent_of_units():
    assert lowest_rank_sum(SCORES) == "small"
    scaled = {name: {**row, "source_nll": 100 * row["source_nll"]} for name, row in SCORES.items()}
    assert lowest_rank_sum(scaled) == "small"


def test_unknown_scores_take_the_worst_rank_and_the_first_of_ties_is_taken():
    nan = float("nan")
    assert lowest_rank_sum({"a": {"x": nan}, "b": {"x": 2.0}, "c": {"x": 1.0}, "d": {}}) == "c"
    assert lowest_rank_sum({"a": {"x": nan, "y": 0.0}, "b": {"x": 9.0, "y": 0.0}}) == "b"
    assert lowest_rank_sum({"z": {"x": 1.0}, "a": {"x": 1.0}}) == "z"
    with pytest.raises(ValueError, match="no score"):
        lowest_rank_sum({"a": {}, "b": {}})
