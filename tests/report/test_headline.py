"""The headline reports the target first, and judges by paired differences on the same items."""

from dataclasses import replace

import numpy as np
import pytest
from synthetic_predictions import PRIORS, synthetic

from dagnn.evaluation.measure import evaluate
from dagnn.evaluation.paired import difference, paired_bootstrap, verdict, verdict_sentence
from dagnn.records import Result
from dagnn.report.headline import headline, independent_items
from dagnn.tasks import REGRESSION

SOURCE_ONLY = "the same network without adaptation"


def error(model, value, *, suite="simba", role="target", spread=0.1):
    low, high = value * (1 - spread), value * (1 + spread)
    return Result(suite, role, "test", "Omega_m", "relative_error", value, low, high, model)


def on_target(model="model", *, seed=1, **options):
    return synthetic("simba", "target", model=model, seed=seed, **options)


def told(*predictions, **options):
    guess = REGRESSION.guess(predictions[0], PRIORS)
    every = [guess, *predictions]
    return headline(evaluate(every, PRIORS, n_bootstrap=200), every, **options)


def shifted(given, by, model):
    """Return another predictor whose errors are those of a first one and a little more."""
    further = np.sign(given.mean - given.truth) * by * given.truth
    return replace(given, mean=given.mean + further, model=model)


def test_overlapping_intervals_do_not_hide_a_paired_difference():
    model = on_target(scale=0.08, items=45)
    other = shifted(model, 0.03, "source-only")
    rows = evaluate([model, other], PRIORS)
    mine, theirs = (
        next(r for r in rows if r.metric == "relative_error" and r.model == name)
        for name in ("model", "source-only")
    )
    assert mine.high > theirs.low, "the marginal intervals overlap"
    text = headline(rows, [model, other], seed=3)
    found = next(
        d for d in paired_bootstrap(model, other, PRIORS, seed=3) if d.metric == "relative_error"
    )
    assert found.value == pytest.approx(-0.03, abs=1e-6)
    numbers = f"{100 * found.value:+.1f} points [{100 * found.low:+.1f}, {100 * found.high:+.1f}]"
    expected = f"The model is better than {SOURCE_ONLY}: {numbers} on the same 45 items."
    assert expected.replace("-", "−") in text
    assert "overlap" not in text and "apart" not in text


def test_better_worse_and_undecided():
    good, bad = on_target(scale=0.02), on_target("source-only", scale=0.05, seed=1)
    assert f"The model is better than {SOURCE_ONLY}: −" in told(good, bad)
    swapped = replace(bad, model="model"), replace(good, model="source-only")
    assert f"The model is worse than {SOURCE_ONLY}: +" in told(*swapped)
    mirrored = replace(good, mean=2 * good.truth - good.mean, model="source-only")
    assert f"The model is not distinguishable from {SOURCE_ONLY}: +0.0 points [" in told(
        good, mirrored
    )


def test_every_rival_has_a_verdict():
    model = on_target(scale=0.05)
    text = told(
        shifted(model, 0.1, "galaxy-count"),
        replace(model, mean=2 * model.truth - model.mean, model="ridge"),
        shifted(model, -0.01, "ridge-aligned"),
        model,
    )
    assert "The model is better than predicting the prior mean (−" in text
    assert "and counting galaxies (−10.0 points [−10.0, −10.0]), on the same items." in text
    assert "not distinguishable from ridge regression on summaries: +0.0 points [" in text
    assert "worse than ridge regression on aligned summaries: +" in text
    assert "without adaptation" not in text


def test_predictions_that_are_not_stored_give_no_verdict():
    rows = [error("prior-mean", 0.44), error("source-only", 0.2), error("model", 0.1)]
    text = headline(rows)
    rivals = f"{SOURCE_ONLY} and predicting the prior mean"
    assert f"No verdict on the model against {rivals}" in text
    assert "better" not in text and "worse" not in text
    model, other = on_target(), on_target("source-only")
    strangers = replace(other, ids=tuple(f"CV_{n}" for n in range(len(other.ids))))
    assert "No verdict on the model against" in headline(rows, [model, strangers])


def test_views_of_one_object_are_one_item():
    model = on_target(scale=0.05, items=60)
    other = shifted(model, 0.05, "source-only")
    few = tuple(f"object {row % 19}" for row in range(60))
    text = told(*(replace(p, groups=few) for p in (model, other)))
    assert "Only 19 independent items of simba" in text and "better than the same" not in text
    pairs = tuple(f"object {row % 30}" for row in range(60))
    text = told(*(replace(p, groups=pairs) for p in (model, other)))
    assert "on the same 60 items (30 independent)" in text


def test_few_items_stand_in_the_place_of_every_verdict():
    few, enough = (
        (on_target(items=n), on_target("source-only", items=n, scale=0.1)) for n in (19, 20)
    )
    text = told(*few)
    assert "Only 19 independent items of simba" in text and "decide nothing" in text
    assert "better than the same" not in text and "distinguishable" not in text
    assert f"better than {SOURCE_ONLY}" in told(*enough)


def test_unknown_numbers_decide_nothing():
    model, other = on_target(), on_target("source-only", scale=0.1)
    model.mean[3] = np.nan
    text = told(model, other)
    assert f"Whether the model is better than {SOURCE_ONLY} is not known" in text
    assert "The model is better" not in text and "distinguishable" not in text


@pytest.mark.parametrize(
    ("metric", "low", "high", "items", "expected"),
    [
        ("relative_error", -0.05, -0.01, 20, "better"),
        ("relative_error", 0.01, 0.05, 20, "worse"),
        ("relative_error", -0.05, 0.01, 20, "not distinguishable"),
        ("relative_error", -0.05, -0.01, 19, "too few"),
        ("balanced_accuracy", 0.01, 0.05, 20, "better"),
        ("r2", -0.05, -0.01, 20, "worse"),
        ("chi2", 0.01, 0.05, 20, "unknown"),
        ("r2", np.nan, np.nan, 20, "unknown"),
    ],
)
def test_a_verdict_needs_items_an_interval_and_a_direction(metric, low, high, items, expected):
    given = paired_bootstrap(on_target(), on_target("source-only"), PRIORS, n_bootstrap=9)[0]
    middle = (low + high) / 2
    found = replace(given, metric=metric, value=middle, low=low, high=high, independent=items)
    assert verdict(found) == expected
    said = verdict_sentence("a", "b", found, "on the same items")
    words = {"too few": "is not decided", "unknown": "is not known"}.get(expected, expected)
    assert words in said and difference(metric, np.nan) == "–"


def test_without_a_measured_target_the_source_is_reported():
    text = headline([error("model", 0.05, suite="tng", role="source")])
    assert text.startswith("On tng (source) Ωₘ is recovered")
    assert headline([]).startswith("No suite has known truths")


def test_the_target_comes_before_other_suites():
    rows = [error("model", 0.3, suite="astrid", role="other"), error("model", 0.1)]
    assert headline(rows).startswith("On simba (target), never labelled in training,")


def test_the_headline_reads_held_out_items_only(results, predictions):
    validation = [replace(row, split="valid", value=0.123) for row in results]
    seen = [replace(p, split="valid", mean=p.mean + 1) for p in predictions]
    assert headline([*validation, *results], [*seen, *predictions]) == headline(
        results, predictions
    )


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
    assert "ORACLE trained on target labels is closed to 90% (a share without interval)." in text
    assert "grows by 50% (" in headline([*rows, *known, r2("model", -0.1)])
    assert "ORACLE" not in headline([*rows, r2("model", 0.74), r2("oracle", 0.8)])


def test_independent_items_of_known_truth_are_counted():
    given = synthetic("simba", "target", items=6, parameters=("Omega_m", "sigma_8"))
    given.truth[0] = np.nan
    given.truth[1, 1] = np.nan
    assert independent_items(given) == 5
    assert independent_items(replace(given, groups=("a", "b", "b", "b", "c", "c"))) == 2


def test_error_bars_that_are_wrong_are_named():
    def with_chi2(low: float, high: float) -> str:
        value = (low + high) / 2
        row = Result("simba", "target", "test", "Omega_m", "chi2", value, low, high, "model")
        return headline([error("prior-mean", 0.4), error("model", 0.1), row])

    assert "Its error bars are too wide: χ² is 0.61 [0.42, 0.81]." in with_chi2(0.42, 0.81)
    assert "Its error bars are too small: χ² is 2.00 [1.50, 2.50]." in with_chi2(1.5, 2.5)
    for low, high in ((0.8, 1.3), (np.nan, np.nan)):
        assert "error bars" not in with_chi2(low, high)


def test_parameters_that_the_headline_is_not_about_are_named():
    rows = [error("prior-mean", 0.44), error("model", 0.1)]
    assert "Not reported here" not in headline(rows)
    more = [replace(row, parameter=name) for name in ("sigma_8", "A_SN1") for row in rows]
    assert headline([*rows, *more]) == f"{headline(rows)} Not reported here: σ₈, A_SN1."
