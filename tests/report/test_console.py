"""The console table fits a terminal, reads without colours, and hides no warning."""

import io
from dataclasses import replace

import pytest
from rich.console import Console
from synthetic_predictions import PRIORS, synthetic

from dagnn.evaluation.measure import evaluate
from dagnn.evaluation.wording import number
from dagnn.report.console import console_table


def printed(*arguments, width=100, **options):
    console = Console(file=io.StringIO(), width=width)
    console.print(console_table(*arguments, **options))
    return console.file.getvalue()


def test_rows_and_numbers(results):
    text = printed(results, "tng → simba", False)
    assert "tng → simba · Omega_m" in text
    assert "single seed" in text
    order = ["tng (source)", "prior mean", "source-only", "model", "simba (target)"]
    places = [text.index(word) for word in order]
    assert places == sorted(places)
    row = next(r for r in results if r.suite == "simba" and r.model == "model" and r.metric == "r2")
    assert f"{row.value:.2f} [{row.low:.2f}, {row.high:.2f}]" in text


def test_marks_stand_in_the_title(results):
    assert "MOCK" not in printed(results, "run", False)
    assert printed(results, "run", True).strip().startswith("MOCK DATA · run")
    assert "MOCK DATA · ORACLE · run" in printed(results, "run", True, oracle=True)


def test_the_widest_table_fits_a_hundred_columns():
    parameters = ("Omega_m", "sigma_8")
    bad = synthetic("swift-eagle", "target", shift=-0.9, scale=0.3, parameters=parameters)
    everyone = [bad, replace(bad, model="source-only"), replace(bad, model="oracle")]
    text = printed(evaluate(everyone, PRIORS, n_bootstrap=100), "tng → swift-eagle", True)
    assert "…" not in text
    assert max(map(len, text.splitlines())) <= 100
    assert "Omega_m" in text
    assert "sigma_8" in text


def test_a_terminal_of_80_columns_cuts_no_interval(results):
    text = printed(results, "tng → simba", False, width=80, narrow=True)
    assert "…" not in text and max(map(len, text.splitlines())) <= 80
    for row in (r for r in results if r.metric == "r2" and r.model == "model"):
        assert f"[{row.low:.2f}, {row.high:.2f}]".replace("-", "−") in text


def test_a_plain_log_has_no_control_characters(results):
    assert "\x1b" not in printed(results, "run", True)


def test_splits_are_told_apart_where_all_are_shown(results):
    seen = [*results, *(replace(row, split="all") for row in results)]
    assert "tng (source), test" in printed(seen, "run", False)
    hidden = [replace(row, split="valid") for row in results]
    assert "valid" not in printed([*results, *hidden], "run", False)
    assert "no item with known truth" in printed([], "run", False)
    assert "no item with known truth" in printed(hidden, "run", False)


@pytest.mark.parametrize(
    ("metric", "value", "text"),
    [
        ("chi2", 185.53, "186"),
        ("chi2", 4.2e7, "4.2e+07"),
        ("chi2", 12.34, "12.3"),
        ("relative_error", 3.62, "362%"),
        ("chi2", 1.0, "1.00"),
        ("rmse", 0.0123456, "0.0123"),
        ("r2", -0.001, "0.00"),
        ("r2", -0.2, "−0.20"),
        ("bias", 0.01, "+0.010"),
        ("coverage68", 0.6827, "68%"),
        ("r2", float("nan"), "–"),
        ("chi2", float("inf"), "inf"),
    ],
)
def test_numbers_are_written_for_reading(metric, value, text):
    assert number(metric, value) == text


def test_every_predictor_has_a_line_and_an_oracle_says_so(crowded):
    text = printed(crowded, "tng → simba", True)
    assert max(map(len, text.splitlines())) <= 100
    assert "…" not in text
    lines = [line for line in text.splitlines() if "ORACLE" in line]
    assert [line.strip().startswith("ORACLE (target labels)") for line in lines] == [True, True]
    for name in ("number of galaxies", "ridge on summaries", "ridge, aligned"):
        assert text.count(name) == 2
