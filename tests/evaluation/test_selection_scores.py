"""Rank sums combine criteria of any unit and never reward what was not measured."""

import math

import pytest

from dagnn.evaluation.selection_scores import chosen, rank_sum, selector_gap

SCORES = {
    "plain": {"source_nll": -1.2, "auc": 0.49, "reverse": 0.30},
    "small": {"source_nll": -1.1, "auc": 0.05, "reverse": 0.10},
    "collapsed": {"source_nll": 2.0, "auc": 0.01, "reverse": 0.40},
}


def test_ranks_are_added():
    assert rank_sum(SCORES) == {"plain": 1 + 3 + 2, "small": 2 + 2 + 1, "collapsed": 3 + 1 + 3}
    assert chosen(rank_sum(SCORES)) == "small"


def test_units_do_not_matter():
    stretched = {
        name: {key: math.exp(7 * value) for key, value in given.items()}
        for name, given in SCORES.items()
    }
    assert rank_sum(stretched) == rank_sum(SCORES)


def test_higher_can_be_better():
    turned = {n: {key: -value for key, value in given.items()} for n, given in SCORES.items()}
    assert rank_sum(turned, better="higher") == rank_sum(SCORES)


def test_ties_share_their_average_rank():
    found = rank_sum({"a": {"x": 1.0}, "b": {"x": 1.0}, "c": {"x": 2.0}})
    assert found == {"a": 1.5, "b": 1.5, "c": 3.0}


@pytest.mark.parametrize("unknown", [{"x": float("nan")}, {}])
def test_unknown_is_worst(unknown):
    given = {"a": {"x": 1.0}, "b": {"x": math.inf}, "c": unknown, "d": unknown}
    assert rank_sum(given) == {"a": 1, "b": 2, "c": 4, "d": 4}


def test_nothing_to_rank_is_refused():
    with pytest.raises(ValueError, match="no score to rank"):
        rank_sum({})
    with pytest.raises(ValueError, match="No score is known of a"):
        chosen({"a": float("nan")})


def test_gap_between_choice_and_oracle():
    r2 = {"plain": 0.24, "small": 0.71, "collapsed": 0.73}
    assert selector_gap(rank_sum(SCORES), r2) == pytest.approx(-0.02)
    assert selector_gap({name: -value for name, value in r2.items()}, r2) == 0
    error = {"plain": 0.39, "small": 0.19, "collapsed": 0.18}
    assert selector_gap(rank_sum(SCORES), error, better="lower") == pytest.approx(0.01)
    unmeasured = r2 | {"collapsed": float("nan")}
    assert selector_gap(rank_sum(SCORES), unmeasured) == 0
    with pytest.raises(ValueError, match="No target metric for plain"):
        selector_gap({"plain": 1.0}, {})
