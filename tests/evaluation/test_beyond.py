"""One rule for what reaches beyond the prior, in tables, notes, pages and figures."""

import csv

import numpy as np
import pytest
from matplotlib.collections import LineCollection
from synthetic_predictions import synthetic
from synthetic_runs import seeds

from dagnn.evaluation.beyond import beyond_prior
from dagnn.evaluation.storage import read_predictions, write_predictions
from dagnn.report.comparison.notes import comparability
from dagnn.report.comparison.runs import group_runs
from dagnn.report.figures.parameters import truth_figure
from dagnn.report.sections import beyond_section
from dagnn.tasks.prior import Prior
from dagnn.tasks.regression import outside, outside_texts

OMEGA, FEEDBACK = Prior.of("Omega_m"), Prior.of("A_SN1")


def predicted(means, stds, **changes):
    given = synthetic(items=len(means), **changes)
    given.mean[:, 0], given.std[:, 0] = means, stds
    return given


@pytest.mark.parametrize(
    ("prior", "mean", "std", "expected"),
    [
        (OMEGA, 0.3, 0.05, ""),
        (OMEGA, 0.69, 0.05, "mean"),
        (OMEGA, -0.15, 0.05, "mean"),
        (OMEGA, 0.48, 0.05, "bar"),
        (OMEGA, 0.12, 0.05, "bar"),
        (OMEGA, 0.5, 0.0, ""),
        (OMEGA, np.nan, 0.05, "mean"),
        (OMEGA, 0.3, np.nan, "bar"),
        # Limits of a logarithmic prior are those in physical units.
        (FEEDBACK, 3.9, 0.05, ""),
        (FEEDBACK, 4.1, 0.05, "mean"),
        (FEEDBACK, 0.3, 0.1, "bar"),
        (FEEDBACK, 0.2, 0.01, "mean"),
    ],
)
def test_a_mean_or_an_error_bar_beyond_the_prior(prior, mean, std, expected):
    means, bars = outside(prior, np.array([mean]), np.array([std]))
    assert {"mean": bool(means[0]), "bar": bool(bars[0])} == {
        "mean": expected == "mean",
        "bar": expected == "bar",
    }


def test_every_row_of_a_table_says_what_lies_beyond_its_own_prior(tmp_path):
    given = synthetic(items=3, parameters=("Omega_m", "sigma_8"))
    given.mean[:], given.std[:] = [[0.3, 0.8], [0.69, 0.8], [0.48, 1.2]], 0.03
    priors = {name: Prior.of(name) for name in given.parameters}
    path = write_predictions(tmp_path / "p.csv", [given], priors=priors)
    with path.open() as stream:
        said = {(r["id"], r["parameter"]): r["outside_prior"] for r in csv.DictReader(stream)}
    assert {place: text for place, text in said.items() if text} == {
        ("LH_1", "Omega_m"): "predicted Omega_m is 0.69 (prior: 0.1 to 0.5)",
        ("LH_2", "Omega_m"): "error bar of Omega_m is 0.45 to 0.51 (prior: 0.1 to 0.5)",
        ("LH_2", "sigma_8"): "predicted sigma_8 is 1.2 (prior: 0.6 to 1)",
    }
    (read,) = read_predictions(path)
    np.testing.assert_array_equal(read.mean, given.mean)
    assert outside_texts(Prior(0.0, 2.0), "Omega_m", given.mean[:, 0], given.std[:, 0]) == [""] * 3


def test_counts_and_shares_are_told_of_every_predictor():
    given = [
        predicted([0.69, 0.48, 0.3, 0.3], 0.05, suite="simba", role="target"),
        predicted([0.3, 0.3, 0.3, 0.3], 0.05, suite="simba", role="target", model="ridge"),
        predicted([0.45, 0.3, 0.3, 0.3], 0.1, suite="tng", model="source-only"),
    ]
    found = beyond_prior(given, {"Omega_m": OMEGA})
    assert [(f.suite, f.model, f.means, f.bars) for f in found] == [
        ("simba", "model", 1, 1),
        ("tng", "source-only", 0, 1),
    ]
    first, second = (each.sentence() for each in found)
    assert "1 of 4 (25%) predictions lie outside the prior of Ωₘ, 0.1 to 0.5" in first
    assert "the 1σ error bars of 1 more (25%) reach beyond it" in first
    assert "the 1σ error bars of 1 of 4 (25%) predictions reach beyond" in second
    (section,) = beyond_section(found)
    assert section.table[1][1:] == ("0.1 to 0.5", "1 of 4 (25%)", "1 of 4 (25%)")
    assert beyond_section([]) == [] == beyond_prior(given[1:2], {"Omega_m": OMEGA})


def test_a_comparison_counts_over_all_seeds():
    runs = seeds("mmd", scale=0.1, priors={"Omega_m": OMEGA})
    held = [p for run in runs for p in run.predictions if p.suite == "simba"]
    means, bars = (sum(int(outside(OMEGA, p.mean[:, 0], p.std[:, 0])[k].sum()) for p in held)
                   for k in (0, 1))  # fmt: skip
    (note,) = [n for n in comparability(group_runs(runs)) if "simba (target" in n and "prior" in n]
    assert means and bars
    assert f"{means} of 180" in note and f"{bars} more" in note and "3 of 3 seeds" in note


def test_the_truth_figure_draws_the_prior_and_marks_what_lies_beyond():
    given = predicted([0.69, 0.48, 0.3, 0.05], [0.05, 0.05, 0.05, 0.1])
    (axes,) = truth_figure([given], "Omega_m", OMEGA).axes
    edges = {line.get_ydata()[0] for line in axes.lines if line.get_linestyle() == ":"}
    assert edges == {0.1, 0.5}
    assert axes.get_ylim()[0] < 0.1 and axes.get_ylim()[1] > 0.5
    crosses = next(line for line in axes.lines if line.get_marker() == "x")
    np.testing.assert_array_equal(sorted(crosses.get_ydata()), [0.05, 0.69])
    ends = [
        segment[:, 1].tolist()
        for lines in axes.collections
        if isinstance(lines, LineCollection)
        for segment in lines.get_segments()
    ]
    for expected in ([0.64, 0.74], [0.5, 0.53], [-0.05, 0.1]):
        assert any(np.allclose(expected, end) for end in ends), expected
    assert "beyond the prior: 2 means, 1 more error bars" in axes.texts[0].get_text()


def test_a_truth_figure_within_the_prior_counts_nothing():
    given = predicted([0.2, 0.3, 0.4], 0.05)
    (axes,) = truth_figure([given], "Omega_m", OMEGA).axes
    assert "beyond" not in axes.texts[0].get_text()
