"""Groups, means over seeds, paired differences, the matrix, and what is not comparable."""

import csv
import math
from dataclasses import replace

import numpy as np
import pytest
from synthetic_runs import finished, seeds

from dagnn.report.comparison.differences import (
    COLUMNS,
    changes,
    to_first,
    to_no_adaptation,
    to_oracle,
    write_comparison_csv,
)
from dagnn.report.comparison.notes import comparability
from dagnn.report.comparison.page import opening
from dagnn.report.comparison.runs import Stamp, differing, group_runs
from dagnn.report.comparison.summary import matrices, places, summarise

OTHER = {"loss": {"terms": {"coral": {"weight": 1.0}}}}
TARGET = ("simba", "target", "test", "Omega_m")


def test_runs_that_differ_by_seed_only_are_one_group():
    groups = group_runs([*seeds("mmd"), *seeds("coral", settings=OTHER)])
    assert [(group.name, group.count) for group in groups] == [
        ("mmd", "3 seeds"),
        ("coral", "3 seeds"),
    ]
    assert differing([group.settings() for group in groups]) == {
        "loss.terms.mmd.weight": ["0.3", "–"],
        "loss.terms.coral.weight": ["–", "1.0"],
    }


def test_other_data_or_a_repeated_seed_is_another_group():
    one = finished("a")
    groups = group_runs([one, finished("b", data={"tng": "xyz"}), finished("c")])
    assert [group.count for group in groups] == ["single seed"] * 3
    notes = " ".join(comparability(groups))
    assert "c repeats settings and seeds of a" in notes
    assert "data of tng are not the same" in notes


def test_paired_intervals_count_groups_and_not_items():
    """Sixty views of ten boxes are resampled by tens, which is another interval."""

    def in_tens(run):
        views = [replace(p, groups=tuple(f"{i % 10}" for i in range(60))) for p in run.predictions]
        return replace(run, predictions=views)

    def width(runs):
        first, second = group_runs(runs)
        found = {c.metric: c for c in changes((second, "model"), (first, "model"))}
        assert found["relative_error"].items == 60
        return found["relative_error"].high - found["relative_error"].low

    runs = [finished("a"), finished("b", scale=0.05, settings=OTHER)]
    assert abs(width([in_tens(run) for run in runs]) / width(runs) - 1) > 0.05


def test_mean_and_sd_over_seeds():
    runs = seeds("mmd")
    group = group_runs(runs)[0]
    found = summarise(group)[TARGET]["model"]["r2"]
    values = [
        row.value
        for run in runs
        for row in run.results
        if (row.suite, row.metric, row.model) == ("simba", "r2", "model")
    ]
    assert found.n == 3 and found.mean == pytest.approx(np.mean(values))
    assert found.sd == pytest.approx(np.std(values, ddof=1))
    assert str(found).startswith("0.9") and "±" in str(found)


def test_a_single_seed_has_an_interval_and_no_sd():
    found = summarise(group_runs([finished()])[0])[TARGET]["model"]["r2"]
    assert found.n == 1 and math.isnan(found.sd)
    assert str(found).endswith("]") and "±" not in str(found)


def test_targets_come_first():
    assert places(group_runs([finished()]))[0] == TARGET


def _change(found, metric="relative_error", role="target"):
    return next(c for c in found if c.metric == metric and c.role == role)


def test_differences_over_seeds_are_paired():
    groups = group_runs([*seeds("a", scale=0.05), *seeds("b", scale=0.02, settings=OTHER)])
    change = _change(to_first(groups))
    means = [summarise(g)[TARGET]["model"]["relative_error"].mean for g in groups]
    assert change.value == pytest.approx(means[1] - means[0])
    assert (change.seeds, change.better, change.items) == (3, 3, 60)
    assert change.interval == "seeds" and change.verdict == "better"
    half = 4.302653 * change.sd / math.sqrt(3)
    assert change.high - change.low == pytest.approx(2 * half, rel=1e-5)
    assert _change(to_first(groups[::-1])).verdict == "worse"


def test_one_seed_is_bootstrapped_over_common_items_in_any_order():
    a, b = finished("a", scale=0.05), finished("b", scale=0.05, settings=OTHER)

    def part(predictions, keep):
        return replace(
            predictions,
            ids=tuple(np.array(predictions.ids)[keep]),
            **{k: getattr(predictions, k)[keep] for k in ("truth", "mean", "std", "latent")},
        )

    shuffled = np.random.default_rng(0).permutation(60)[:40]
    b = replace(b, predictions=[part(p, shuffled) for p in b.predictions])
    groups = group_runs([a, b])
    change = _change(to_first(groups))
    # The same predictions, item by item: only a mismatch of items could tell them apart.
    assert (change.value, change.low, change.high, change.items) == (0, 0, 0, 40)
    assert "60 and 40, 40 of them in common" in " ".join(comparability(groups))


def test_truths_that_disagree_are_not_the_same_item():
    a, b = finished("a"), finished("b", settings=OTHER)
    b = replace(b, predictions=[replace(p, truth=p.truth + 0.01) for p in b.predictions])
    assert all(change.interval == "unpaired" for change in to_first(group_runs([a, b])))


def test_without_a_common_seed_means_are_compared():
    groups = group_runs([*seeds("a", (0, 1)), *seeds("b", (7, 8), scale=0.05, settings=OTHER)])
    change = _change(to_first(groups))
    assert change.interval == "unpaired" and change.seeds == change.items == 0
    assert change.low < change.value < change.high
    assert "No seed in common with a: b" in " ".join(comparability(groups))


def test_a_suite_in_two_roles_is_compared_and_named():
    forth, back = finished("a"), finished("b", source=("simba",), target=("tng",))
    found = [c for c in to_first(group_runs([forth, back])) if c.suite == "simba"]
    assert {(c.role, c.reference_role) for c in found} == {("source", "target")}


def test_adaptation_is_compared_within_a_group():
    groups = group_runs([*seeds("a", source_only=0.08), *seeds("b", settings=OTHER)])
    found = to_no_adaptation(groups)
    assert {c.reference for c in found} == {"a · source-only"}
    assert _change(found).verdict == "better"


def test_the_oracle_gap_needs_a_twin():
    chosen = {"training": {"select_on": "target_oracle", "device": "auto"}}
    oracle = seeds("oracle", scale=0.02, settings=chosen, oracle=True)
    blind, other = seeds("blind", scale=0.03), seeds("other", scale=0.05, settings=OTHER)
    groups = group_runs([*blind, *other, *oracle])
    found = to_oracle(groups)
    assert {(c.name, c.reference, c.role) for c in found} == {
        ("blind", "oracle (ORACLE)", "target")
    }
    assert _change(found).value > 0
    assert to_oracle(groups[:2]) == []


def test_the_matrix_prefers_runs_that_adapted_to_the_suite():
    pairs = [("tng", "simba"), ("simba", "tng"), ("tng", "astrid"), ("astrid", "tng")]
    runs = [
        run
        for source, target in pairs
        for run in seeds(f"{source}-to-{target}", (0, 1), source=(source,), target=(target,))
    ]
    # A run that met simba unprepared must not count in tng → simba.
    stray = [replace(row, suite="simba", role="other", value=-9.0) for row in runs[4].results]
    runs[4] = replace(runs[4], results=[*runs[4].results, *stray])
    runs += seeds("loo", (0,), source=("simba", "astrid"), target=("tng",))
    (matrix,) = matrices(group_runs(runs))
    assert matrix.rows == (("tng",), ("simba",), ("astrid",), ("simba", "astrid"))
    assert matrix.suites == ("tng", "simba", "astrid")
    expected = summarise(group_runs(runs[:2])[0])[TARGET]["model"]["r2"]
    assert matrix.cells[("tng",), "simba"]["r2"].mean == pytest.approx(expected.mean)
    # Two runs per seed share this source; a seed counts once.
    assert matrix.cells[("tng",), "tng"]["r2"].n == 2
    assert (("simba",), "astrid") not in matrix.cells
    assert matrix.is_same_suite(("simba", "astrid"), "astrid")


def test_one_source_makes_no_matrix():
    assert matrices(group_runs([finished("a"), finished("b", settings=OTHER)])) == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"mock": True}, "MOCK are b"),
        ({"oracle": True}, "chose the checkpoints of b"),
        ({"revision": "e" * 40 + "-dirty"}, "versions of the code: eeeeeeeee, eeeeeeeee-dirty"),
        ({"seed": 5}, "No seed in common"),
    ],
)
def test_what_is_not_comparable_is_said(change, words):
    a = finished("a", revision="e" * 40)
    b = replace(finished("b", settings=OTHER), **change)
    assert words in " ".join(comparability(group_runs([a, b])))


def test_other_parameters_are_compared_where_they_are_shared():
    a, b = finished("a"), finished("b", settings=OTHER)

    def widened(p):
        wide = {k: np.repeat(getattr(p, k), 2, axis=1) for k in ("truth", "mean", "std")}
        return replace(p, parameters=("sigma_8", "Omega_m"), **wide)

    groups = group_runs([a, replace(b, predictions=[widened(p) for p in b.predictions])])
    assert {c.parameter for c in to_first(groups)} == {"Omega_m"}
    assert _change(to_first(groups)).value == 0
    assert "Not the same parameters" in " ".join(comparability(groups))


def test_seeds_that_share_a_split_say_so():
    started = {"init_from": "/runs/first"}
    groups = group_runs([*seeds("a"), *seeds("b", settings=started)])
    (note,) = comparability(groups)
    assert note.startswith("b: All seeds start from the weights of /runs/first")
    assert "does not include the split" in note
    # One seed has no spread that could lack anything.
    lone = group_runs([finished("a"), finished("b", settings=started)])
    assert not any("split of" in note for note in comparability(lone))


def test_like_runs_need_no_word_of_caution():
    groups = group_runs([*seeds("a"), *seeds("b", settings=OTHER)])
    assert comparability(groups) == []


def test_the_csv_reads_back(tmp_path):
    groups = group_runs([*seeds("a", source_only=0.05), *seeds("b", settings=OTHER)])
    path = write_comparison_csv(tmp_path / "new" / "comparison.csv", groups)
    with path.open() as stream:
        rows = list(csv.DictReader(stream))
    assert tuple(rows[0]) == COLUMNS
    assert {row["kind"] for row in rows} == {"metric", "difference", "adaptation"}
    row = next(
        r for r in rows if (r["kind"], r["role"], r["metric"]) == ("difference", "target", "r2")
    )
    assert float(row["value"]) == _change(to_first(groups), "r2").value
    assert row["seeds"] == "3" and row["group"] == "b" and row["reference"] == "a"


def test_the_csv_tells_what_its_numbers_are_stamped_with(tmp_path):
    stamp = Stamp("ALARM", "simba, Omega_m", "narrow", ("simba",))
    groups = group_runs([finished("a", stamps=(stamp,), source_only=0.05)])
    with write_comparison_csv(tmp_path / "comparison.csv", groups).open() as stream:
        found = {(r["suite"], r["model"]): r["marks"] for r in csv.DictReader(stream)}
    assert found["simba", "model"] == "ALARM"
    assert found["simba", "source-only"] == found["tng", "model"] == ""


def test_a_stamp_of_no_suite_marks_every_network_on_all_of_them(tmp_path):
    stamp = Stamp("LABELLED", "LABELLED: of simba", "of simba")
    runs = seeds("a", source_only=0.05, rivals={"ridge": 0.06})
    groups = group_runs([replace(runs[0], stamps=(stamp,)), *runs[1:]])
    with write_comparison_csv(tmp_path / "comparison.csv", groups).open() as stream:
        found = {(r["suite"], r["model"]): r["marks"] for r in csv.DictReader(stream)}
    for suite in ("tng", "simba"):
        assert found[suite, "model"] == found[suite, "source-only"] == "LABELLED in 1 of 3 seeds"
        assert found[suite, "ridge"] == ""


def test_differences_of_a_group_with_itself_are_none():
    group = group_runs(seeds("a"))[0]
    found = changes((group, "model"), (group, "model"))
    assert found and all(change.value == 0 and not change.verdict for change in found)


def test_the_opening_states_paired_differences_with_their_intervals():
    runs = [finished("mmd", source_only=0.06, rivals={"ridge": 0.02}), finished("new", scale=0.05,
            settings={"name": "new"})]  # fmt: skip
    text = opening(group_runs(runs))
    assert "mmd is better than the same network without adaptation: −" in text
    assert "new is worse than mmd: +" in text
    (ridge,) = [s for s in text.split(". ") if s.startswith("mmd is not distinguishable from")]
    assert ridge == (
        "mmd is not distinguishable from ridge regression on summaries: +0.0 points [+0.0, +0.0] "
        "on the same 60 items"
    )
    assert " points [" in text and "apart" not in text


def test_seeds_are_judged_by_their_paired_differences():
    runs = seeds("mmd", source_only=0.06)
    text = opening(group_runs(runs))
    assert "mmd is better than the same network without adaptation: −" in text
    assert "in the mean of 3 paired seeds" in text


def test_what_shares_no_items_has_no_verdict():
    one, two = finished("a", seed=0), finished("b", seed=1, scale=0.2, settings={"name": "b"})
    assert "No verdict on b against a" in opening(group_runs([one, two]))
    many = [*seeds("a"), *seeds("b", numbers=(7, 8, 9), scale=0.2, settings={"name": "b"})]
    groups = group_runs(many)
    assert "No verdict on b against a" in opening(groups)
    assert not any(change.verdict for change in to_first(groups))
    stored = finished("c", source_only=0.2)
    bare = replace(stored, predictions=[p for p in stored.predictions if p.model == "model"])
    text = opening(group_runs([bare]))
    assert "No verdict on c against the same network without adaptation" in text
    assert "c is" not in text


def test_few_common_items_decide_nothing():
    one, two = finished("a"), finished("b", scale=0.2, settings={"name": "b"})
    for kept, decided in ((20, True), (19, False)):
        fewer = [p.take(range(kept)) for p in two.predictions]
        groups = group_runs([one, replace(two, predictions=fewer)])
        assert any(change.verdict for change in to_first(groups)) == decided
        assert ("b is worse than a: +" in opening(groups)) == decided
    assert "19 independent items in common" in opening(groups)
