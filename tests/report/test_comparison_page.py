"""The comparison page is complete in itself, stamped, and says what stands on what."""

import io
from dataclasses import replace

import pytest
from rich.console import Console
from synthetic_runs import finished, seeds
from test_report import Page

from dagnn.report.comparison.page import comparison_figures, opening, write_comparison
from dagnn.report.comparison.runs import Stamp, group_runs
from dagnn.report.comparison.summary import matrices, summarise
from dagnn.report.console import comparison_console
from dagnn.report.figures.style import save_figure

OTHER = {"loss": {"terms": {"coral": {"weight": 1.0}}}}
RIVALS = {"ridge": 0.09, "ridge-aligned": 0.03}
STRESS = Stamp("STRESS TEST", "Omega_m", "targets are restricted to 0.3 to 0.5.", ("simba",))


@pytest.fixture
def write(tmp_path):
    def _write(runs, **options):
        groups = group_runs(runs)
        figures = comparison_figures(groups)
        options = {"title": "tng → simba"} | options
        return write_comparison(tmp_path / "c" / "report.html", groups, figures, **options)

    return _write


@pytest.fixture(scope="module")
def two():
    return [*seeds("a", (0, 1), source_only=0.06), *seeds("b", (0, 1), scale=0.04, settings=OTHER)]


def test_content(write, two):
    html = write(two, notes=["seed-9 is unfinished"]).read_text()
    page = Page(html)
    assert not page.open, "every tag is closed"
    mean = summarise(group_runs(two)[0])["simba", "target", "test", "Omega_m"]["model"]
    for words in (
        "tng → simba", "a (2 seeds)", "b (2 seeds)", "a · source-only (2 seeds)", "prior mean",
        "seed-9 is unfinished", "What adaptation changes", "Differences to a", "2 paired seeds",
        "loss.terms.coral.weight", f"a {mean['relative_error']} (2 seeds)",
    ):  # fmt: skip
        assert words in page.text, words
    assert all(source.startswith("data:image/svg+xml;base64,") for source in page.loaded)
    assert not {"script", "link", "iframe"} & set(page.tags)
    assert "MOCK" not in page.text and "ORACLE" not in page.text


def test_a_single_seed_is_called_one(write):
    text = Page(write([finished("a"), finished("b", settings=OTHER)]).read_text()).text
    assert "a (single seed)" in text and "come from a single seed" not in text
    assert "Every number comes from a single seed" in text
    assert "60 common items, one seed" in text


@pytest.mark.parametrize(("mark", "stamp"), [("mock", "MOCK DATA."), ("oracle", "ORACLE.")])
def test_one_marked_run_stamps_page_figures_and_console(write, two, mark, stamp):
    runs = [*two, finished("c", settings={"name": "c"}, **{mark: True})]
    assert stamp in Page(write(runs).read_text()).text
    word = stamp.split()[0].strip(".")
    assert any(
        word in text.get_text()
        for figure in comparison_figures(group_runs(runs)).values()
        for text in figure.texts
    )
    console = Console(width=130, record=True, file=io.StringIO())
    console.print(comparison_console(group_runs(runs), "title"))
    assert word in console.export_text()


def printed(runs, width=130, **options):
    console = Console(width=width, record=True, file=io.StringIO())
    console.print(comparison_console(group_runs(runs), "title", **options))
    return console.export_text()


def alarm(width):
    return Stamp("ALARM", "simba, Omega_m", f"simba spans only {width}.", ("simba",))


def test_ridge_stands_in_the_tables_once_where_groups_agree(write):
    runs = [*seeds("a", (0, 1), rivals=RIVALS), *seeds("b", (0, 1), rivals=RIVALS, settings=OTHER)]
    text = Page(write(runs).read_text()).text
    number = summarise(group_runs(runs)[0])["simba", "target", "test", "Omega_m"]["ridge-aligned"]
    for shown in (text.partition("Every metric")[0], printed(runs)):
        assert shown.count("ridge, aligned") == shown.count("ridge on summaries") == 2
        assert f"{number['relative_error'].mean:.1%}" in shown
        assert "a · ridge" not in shown and "b · ridge" not in shown
    # Where they do not agree, each is named.
    other = {"ridge": 0.09, "ridge-aligned": 0.05}
    runs[2:] = seeds("b", (0, 1), rivals=other, settings=OTHER)
    assert "a · ridge, aligned" in printed(runs) and "b · ridge, aligned" in printed(runs)


def test_every_group_has_the_prior_mean_of_its_own_items(write):
    alike = [*seeds("a", (0, 1)), *seeds("b", (0, 1), settings=OTHER)]
    unlike = [*seeds("a", (0,)), *seeds("b", (1,), settings=OTHER)]
    for runs, count in ((alike, 1), (unlike, 2)):
        shown = Page(write(runs).read_text()).text.partition("Every metric")[0]
        target = shown.partition("What is compared")[2].partition("tng (source)")[0]
        assert target.count("prior mean") == count, target


def test_the_opening_names_the_best_that_needs_no_network():
    groups = group_runs(seeds("a", (0, 1), rivals=RIVALS))
    best = min(RIVALS, key=lambda name: RIVALS[name])
    words = {"ridge": "summaries", "ridge-aligned": "aligned summaries"}[best]
    assert f"Best without a network: ridge regression on {words}, " in opening(groups)
    assert "without a network: predicting the prior mean, " in opening(
        group_runs(seeds("a", (0, 1)))
    )


def test_matrices_of_ridge_precede_those_of_the_networks(write):
    runs = [
        finished(f"{name}/{source}-to-{target}", source=(source,), target=(target,),
                 rivals=RIVALS, settings={"name": name} | settings)
        for name, settings in (("mmd", {}), ("coral", OTHER))
        for source, target in (("tng", "simba"), ("simba", "tng"))
    ]  # fmt: skip
    groups = group_runs(runs)
    names = ["ridge on summaries", "ridge, aligned", "mmd", "coral"]
    assert [matrix.name for matrix in matrices(groups)] == names
    page = write(runs).read_text()
    assert [page.index(f"<span>{name} · Ω") for name in names] == sorted(
        page.index(f"<span>{name} · Ω") for name in names
    )
    drawn = {a.get_title() for a in comparison_figures(groups)["matrix_Omega_m"].axes}
    assert drawn == {f"{metric} · {n}" for metric in ("relative error", "R²") for n in names[2:]}
    assert "on suites that were not" in opening(group_runs(runs[:2]))


def test_alarms_and_stress_tests_are_repeated_with_whom_they_concern(write):
    stamps = {0: (STRESS, alarm("61%")), 1: (STRESS,), 2: (STRESS, alarm("58%"))}
    runs = [
        *seeds("plain", source_only=0.05, rivals=RIVALS),
        *(replace(run, stamps=stamps[run.seed]) for run in seeds(
            "stress", source_only=0.05, rivals=RIVALS, settings=OTHER)),
    ]  # fmt: skip
    page = Page(write(runs).read_text())
    assert "STRESS TEST (stress): targets are restricted to 0.3 to 0.5." in page.text
    assert "ALARM (stress, seeds 0, 2): simba spans only 61%. (Numbers of seed 0;" in page.text
    for text in (page.text, printed(runs, 150)):
        assert "stress · STRESS TEST · ALARM in 2 of 3 seeds" in text
        # What was done to the suite concerns everybody; an alarm about alignment the model.
        for row in ("source-only", "ridge, aligned", "prior mean"):
            assert f"stress · {row} · STRESS TEST" in text
            assert f"plain · {row} · STRESS" not in text
    assert "% ± " in page.text and "(3 seeds, STRESS TEST, ALARM in 2 of 3 seeds)" in page.text


def test_a_stamp_of_one_suite_marks_no_other(write):
    runs = [
        finished("a", stamps=(alarm("61%"),)),
        finished("b", source=("simba",), target=("tng",)),
    ]
    (matrix,) = matrices(group_runs(runs))
    assert matrix.marks[("tng",), "simba"] == ("ALARM",)
    assert {marks for place, marks in matrix.marks.items() if place != (("tng",), "simba")} == {()}
    text = Page(write(runs).read_text()).text
    assert text.count("a · ALARM") == 2, "main table and full table"


def test_the_spread_over_seeds_is_described_as_it_is(write, two):
    everything = "so the spread holds split, initial weights and batches together"
    assert f"{everything}. A single" in Page(write(two).read_text()).text
    started = [*two[:2], *seeds("c", (0, 1), settings={"init_from": "/runs/first"})]
    text = Page(write(started).read_text()).text
    assert f"{everything}, except in c, whose seeds share" in text
    assert "keep its split" in text


def test_notes_of_single_runs_are_told_once(write):
    notes = ("Training was stopped after 3 of 30 epochs.",)
    runs = [finished("a", notes=notes), finished("b", settings=OTHER, notes=notes)]
    assert "a, b: Training was stopped after 3 of 30 epochs." in Page(write(runs).read_text()).text


def test_everything_is_escaped(write):
    nasty = "<script>alert(1)</script>"
    html = write(
        [finished(nasty), finished("b", settings={"name": nasty})], title=nasty, notes=[nasty]
    )
    assert "<script" not in html.read_text()


def test_a_matrix_has_its_table_and_figure(write, tmp_path):
    runs = [
        run
        for source, target in (("tng", "simba"), ("simba", "tng"))
        for run in seeds(f"{source}-to-{target}", (0, 1), source=(source,), target=(target,))
    ]
    text = Page(write(runs).read_text()).text
    assert "trained on ↓ measured on →" in text and "on suites that were not" in text
    figures = comparison_figures(group_runs(runs))
    assert list(figures) == ["matrix_Omega_m", "comparison_Omega_m"]
    for name, figure in figures.items():
        assert all(path.stat().st_size > 1000 for path in save_figure(figure, tmp_path, name))


def test_the_opening_of_a_matrix_tells_ranges_from_small_to_large():
    runs = [
        finished("a", scale=0.02),
        finished("b", source=("simba",), target=("tng",), scale=0.06),
    ]
    groups = group_runs(runs)
    errors = [
        summarise(group)[suite, "target", "test", "Omega_m"]["model"]["relative_error"].mean
        for group, suite in zip(groups, ("simba", "tng"), strict=True)
    ]
    # As text, the larger one would come first.
    assert errors[0] < 0.1 < errors[1]
    assert f"{errors[0]:.1%} to {errors[1]:.1%} on suites that were not" in opening(groups)


def test_without_truths_the_page_says_so(write):
    run = finished("a", results=[])
    assert "could not be measured" in Page(write([run]).read_text()).text


def test_the_console_shows_every_number_whole(two):
    console = Console(width=100, record=True, file=io.StringIO())
    console.print(comparison_console(group_runs(two), "title"))
    text = console.export_text()
    assert "…" not in text and "a · source-only" in text
    assert (
        str(summarise(group_runs(two)[1])["simba", "target", "test", "Omega_m"]["model"]["r2"])
        in text
    )


def test_a_terminal_of_80_columns_cuts_no_interval():
    run = finished("a", source_only=0.05, rivals=RIVALS)
    found = summarise(group_runs([run])[0])["simba", "target", "test", "Omega_m"]["model"]
    text = printed([run], width=80, narrow=True)
    assert "…" not in text and found["relative_error"].spread() in text
