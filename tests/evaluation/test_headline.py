"""The headline reports the target first and claims no more than the intervals allow."""

from dataclasses import replace

import numpy as np
from synthetic_predictions import synthetic

from dagnn.evaluation.headline import count_items, headline
from dagnn.records import Result


def error(model, value, *, suite="simba", role="target", spread=0.1):
    low, high = value * (1 - spread), value * (1 + spread)
    return Result(suite, role, "test", "Omega_m", "relative_error", value, low, high, model)


def test_better_worse_and_undecided():
    prior = error("prior-mean", 0.44)
    better = headline([prior, error("source-only", 0.2), error("model", 0.1)])
    assert "The model is better than the same network without adaptation" in better
    worse = headline([prior, error("source-only", 0.1), error("model", 0.2)])
    assert "The model is worse than the same network without adaptation" in worse
    equal = headline([prior, error("source-only", 0.10), error("model", 0.101)])
    assert "The model is not told apart from the same network without adaptation" in equal


def test_a_model_that_does_not_beat_the_prior_mean_is_named():
    text = headline([error("prior-mean", 0.44), error("model", 0.43)])
    assert "not told apart from predicting the prior mean" in text
    assert "without adaptation" not in text


def test_without_a_measured_target_the_source_is_reported():
    text = headline([error("model", 0.05, suite="tng", role="source")])
    assert text.startswith("On tng (source) Ωₘ is recovered")
    assert headline([]).startswith("No suite has known truths")


def test_the_target_comes_before_other_suites():
    rows = [error("model", 0.3, suite="astrid", role="other"), error("model", 0.1)]
    assert headline(rows).startswith("On simba (target), never labelled in training,")


def test_the_headline_reads_held_out_items_only(results):
    validation = [replace(row, split="valid", value=0.123) for row in results]
    assert headline([*validation, *results]) == headline(results)


def test_baselines_that_are_not_beaten_are_named():
    rows = [
        error("prior-mean", 0.44),
        error("galaxy-count", 0.3),
        error("ridge", 0.105),
        error("ridge-aligned", 0.05),
        error("model", 0.1),
    ]
    text = headline(rows)
    assert "counting galaxies" not in text
    assert "not told apart from ridge regression on summaries" in text
    assert "worse than ridge regression on aligned summaries" in text


def test_an_oracle_is_never_the_model():
    assert headline([error("oracle", 0.01)]).startswith("No suite has known truths")
    text = headline([error("oracle", 0.01), error("model", 0.1)])
    assert "10.0%" in text
    assert "1.0%" not in text.replace("10.0%", "").replace("11.0%", "")


def test_the_share_of_the_gap_is_told():
    def r2(model, value):
        return replace(error(model, value), metric="r2")

    rows = [error("source-only", 0.2), error("model", 0.1), error("oracle", 0.09)]
    known = [r2("source-only", 0.2), r2("oracle", 0.8)]
    text = headline([*rows, *known, r2("model", 0.74)])
    assert "ORACLE trained on target labels is closed to 90%." in text
    assert "grows by 50%." in headline([*rows, *known, r2("model", -0.1)])
    assert "ORACLE" not in headline([*rows, r2("model", 0.74), r2("oracle", 0.8)])


def test_few_items_stand_in_the_place_of_every_verdict():
    rows = [error("prior-mean", 0.44), error("source-only", 0.2), error("model", 0.1)]
    few = headline(rows, counts={("simba", "test"): 19, ("tng", "test"): 90})
    assert "10.0%" in few and "Only 19 independent items of simba" in few
    assert "decide nothing" in few and "apart" not in few and "better than the same" not in few
    assert headline(rows, counts={("simba", "test"): 20}) == headline(rows)


def test_independent_items_of_known_truth_are_counted():
    given = synthetic("simba", "target", items=6, parameters=("Omega_m", "sigma_8"))
    given.truth[0] = np.nan
    given.truth[1, 1] = np.nan
    other = synthetic("tng", items=3, model="source-only")
    assert count_items([given, other]) == {("simba", "test"): 5}
    alike = replace(given, groups=("a", "b", "b", "b", "c", "c"))
    assert count_items([alike]) == {("simba", "test"): 2}


def test_error_bars_that_are_wrong_are_named():
    def with_chi2(low: float, high: float) -> str:
        value = (low + high) / 2
        row = Result("simba", "target", "test", "Omega_m", "chi2", value, low, high, "model")
        return headline([error("prior-mean", 0.4), error("model", 0.1), row])

    assert "Its error bars are too wide: χ² is 0.61 [0.42, 0.81]." in with_chi2(0.42, 0.81)
    assert "Its error bars are too small: χ² is 2.00 [1.50, 2.50]." in with_chi2(1.5, 2.5)
    for low, high in ((0.8, 1.3), (np.nan, np.nan)):
        assert "error bars" not in with_chi2(low, high)


def test_without_intervals_nothing_is_better_or_worse():
    known, unknown = error("source-only", 0.2), error("model", 0.1, spread=np.nan)
    text = headline([error("prior-mean", 0.44), known, unknown])
    assert "too few items for intervals" in text and "overlap" not in text


def test_parameters_that_the_headline_is_not_about_are_named():
    rows = [error("prior-mean", 0.44), error("model", 0.1)]
    assert "Not told here" not in headline(rows)
    more = [replace(row, parameter=name) for name in ("sigma_8", "A_SN1") for row in rows]
    assert headline([*rows, *more]) == f"{headline(rows)} Not told here: σ₈, A_SN1."
