"""Runs of classes are compared as runs of parameters are: paired, with their own metrics."""

import csv
from dataclasses import replace

import numpy as np
import pytest
from synthetic_classes import CLASSES, synthetic_classes
from test_report import Page

from dagnn.errors import MismatchError
from dagnn.evaluation.measure import evaluate
from dagnn.evaluation.paired import paired_bootstrap
from dagnn.report.comparison.differences import to_first, to_no_adaptation, write_comparison_csv
from dagnn.report.comparison.notes import comparability
from dagnn.report.comparison.page import comparison_figures, opening, write_comparison
from dagnn.report.comparison.runs import FinishedRun, group_runs
from dagnn.tasks.classification_metrics import balanced_accuracy


def blurred(given, share):
    """Mix predictions with guessing, which moves the wrong half of the decisions."""
    rng = np.random.default_rng(9)
    wrong = rng.random(len(given.ids)) < share
    probability = given.probability.copy()
    probability[wrong] = np.roll(probability[wrong], 1, axis=1)
    return replace(given, probability=probability)


def run_of(name="mmd/seed-0", seed=0, wrong=0.0, source=("sdss",), target=("decals",), **options):
    """Make a finished run whose target predictions are spoilt to a share."""
    predictions = [synthetic_classes(s, "source", seed=seed) for s in source]
    for suite in target:
        good = synthetic_classes(suite, "target", items=200, unknown=20, seed=seed)
        predictions += [replace(blurred(good, 0.5), model="source-only"), blurred(good, wrong)]
    config = {"name": name.split("/")[0], "source": list(source), "target": list(target)}
    return FinishedRun(
        name=name,
        source=source,
        target=target,
        seed=seed,
        results=evaluate(predictions, np.array([0.5, 0.3, 0.2]), 100),
        predictions=predictions,
        config=config,
        **options,
    )


def test_paired_difference_is_the_difference_of_the_metrics():
    good = synthetic_classes(items=150, unknown=5, unlabelled=4)
    bad = blurred(good, 0.4)
    found = {d.metric: d for d in paired_bootstrap(good, bad)}
    known = (good.truth >= 0) & (good.truth < len(CLASSES))
    ours, theirs = (balanced_accuracy(good.truth[known], p.probability[known]) for p in (good, bad))
    one = found["balanced_accuracy"]
    assert one.value == pytest.approx(ours - theirs)
    assert one.low < one.value < one.high and one.low > 0 and one.items == known.sum()
    same = paired_bootstrap(good, good)
    assert all(d.value == d.low == d.high == 0 and d.probability == 1 for d in same)


def test_unlike_predictors_are_refused():
    good = synthetic_classes()
    for other in (
        replace(good, suite="other"),
        replace(good, ids=good.ids[::-1]),
        replace(good, truth=(good.truth + 1) % 3),
    ):
        with pytest.raises(MismatchError):
            paired_bootstrap(good, other)


def test_groups_are_compared_on_common_items_with_a_verdict():
    runs = [run_of("plain/seed-0", wrong=0.4), run_of("mmd/seed-0", wrong=0.0)]
    groups = group_runs(runs)
    change = next(
        c for c in to_first(groups) if (c.suite, c.metric) == ("decals", "balanced_accuracy")
    )
    assert change.verdict == "better" and change.items == 200 and change.value > 0.1
    brier = next(c for c in to_first(groups) if (c.suite, c.metric) == ("decals", "brier"))
    assert brier.verdict == "better" and brier.value < 0
    gain = next(c for c in to_no_adaptation(groups[1:]) if c.metric == "balanced_accuracy")
    assert gain.verdict == "better"
    words = opening(groups)
    assert "Balanced accuracy on decals (target)" in words
    assert "mmd/seed-0 is better than plain/seed-0" in words
    assert not any("classes are told apart" in note for note in comparability(groups))


def test_other_classes_are_not_paired_and_said_so():
    one, two = run_of("a/seed-0"), run_of("b/seed-0")
    renamed = [replace(p, classes=("x", "y", "z")) for p in two.predictions]
    groups = group_runs([one, replace(two, predictions=renamed)])
    assert all(c.interval == "unpaired" for c in to_first(groups))
    assert any("Not the same classes are predicted" in note for note in comparability(groups))


def test_page_csv_and_matrix_of_classes(tmp_path):
    seeds = [run_of(f"mmd/sdss/seed-{k}", seed=k) for k in (0, 1)]
    back = [
        run_of(f"mmd/decals/seed-{k}", seed=k, source=("decals",), target=("sdss",)) for k in (0, 1)
    ]
    groups = group_runs([*seeds, *back])
    figures = comparison_figures(groups)
    assert {"matrix_class", "comparison_class"} == set(figures)
    page = write_comparison(tmp_path / "report.html", groups, figures, title="both ways")
    text = Page(page.read_text()).text
    for words in ("balanced accuracy", "class frequencies", "Suite × suite", "2 paired seeds"):
        assert words in text, words
    assert "relative error" not in text.casefold() and "prior mean" not in text.casefold()
    rows = list(csv.DictReader(write_comparison_csv(tmp_path / "c.csv", groups).open()))
    assert {"balanced_accuracy", "unknown_auroc"} <= {row["metric"] for row in rows}
