"""Console, headline, report and card of a run that tells classes."""

import io

import numpy as np
import pytest
from rich.console import Console
from synthetic_classes import CLASSES, synthetic_classes
from test_report import Page

from dagnn.evaluation.measure import evaluate
from dagnn.evaluation.storage import read_results, write_results
from dagnn.report.console import console_table
from dagnn.report.figures.classes import confusion_figure
from dagnn.report.headline import headline
from dagnn.report.model_card import write_model_card
from dagnn.report.page import CAPTIONS, write_report
from dagnn.report.sections import Section, class_sections, unknown_sentences
from dagnn.tasks import CLASSIFICATION, REGRESSION, task_of_results


@pytest.fixture(scope="module")
def predicted():
    return [
        synthetic_classes(items=300, skill=5.0, model="source-only"),
        synthetic_classes(
            "decals", "target", items=300, skill=0.5, unknown=40, model="source-only", seed=2
        ),
        synthetic_classes(items=300, skill=4.0),
        synthetic_classes("decals", "target", items=300, skill=3.5, unknown=40, seed=2),
        synthetic_classes("decals", "target", items=300, skill=6.0, model="oracle", seed=2),
    ]


@pytest.fixture(scope="module")
def rows(predicted):
    return evaluate(predicted, np.array([0.5, 0.3, 0.2]), n_bootstrap=200)


def balanced(rows, suite, model):
    wanted = (suite, model, "balanced_accuracy")
    return next(r for r in rows if (r.suite, r.model, r.metric) == wanted)


def test_views_are_chosen_by_the_results(rows, results):
    assert task_of_results(rows) is CLASSIFICATION
    assert task_of_results(results) is REGRESSION
    assert task_of_results([]) is REGRESSION


def test_results_round_trip(tmp_path, rows):
    assert read_results(write_results(tmp_path / "results.csv", rows)) == rows


def test_the_headline_compares_balanced_accuracies(rows, predicted):
    first = [p for p in predicted if p.model == "source-only"]
    guesses = [CLASSIFICATION.guess(p, np.full(3, 1 / 3)) for p in first]
    text = headline(rows, [*guesses, *predicted])
    told = balanced(rows, "decals", "model")
    assert text.startswith(
        "On decals (target), never labelled in training, classes are recognised with a balanced "
        f"accuracy of {told.value:.1%} ["
    )
    assert "guessing by class frequencies gives 33.3% [33.3, 33.3]." in text
    assert "The model is better than the same network without adaptation" in text
    assert "The model is better than guessing by class frequencies (+" in text
    control, model = (next(p for p in predicted if (p.suite, p.model) == ("decals", name))
                      for name in ("source-only", "model"))  # fmt: skip
    common = int(((control.truth == model.truth) & (model.truth < 3)).sum())
    assert f"] on the same {common} items." in text and " points [+" in text
    assert "The gap in balanced accuracy between source-only and an ORACLE" in text


def test_worse_is_said_where_more_is_better(predicted):
    swapped = [
        synthetic_classes("decals", "target", items=300, skill=4.0, model="source-only"),
        synthetic_classes("decals", "target", items=300, skill=0.0),
    ]
    text = headline(evaluate(swapped, np.full(3, 1 / 3), n_bootstrap=100), swapped)
    assert "The model is worse than the same network without adaptation" in text


def test_the_console_shows_one_line_per_network(rows):
    console = Console(file=io.StringIO(), width=100)
    console.print(console_table(rows, "sdss → decals", True))
    text = console.file.getvalue()
    assert max(map(len, text.splitlines())) <= 100
    assert "…" not in text
    assert "MOCK DATA · sdss → decals" in text
    for words in ("balanced accuracy", "AUC", "class frequencies", "ORACLE (target labels)"):
        assert words in text
    assert "merger" not in text
    told = balanced(rows, "decals", "model")
    assert f"{told.value:.1%} [{100 * told.low:.1f}, {100 * told.high:.1f}]" in text


def test_the_report_tells_classes_unknown_ones_and_shift(tmp_path, rows, predicted):
    more = Section("Robustness", [("what", "n"), ("noise", "7")], "About it.")
    html = write_report(
        tmp_path / "report.html",
        title="sdss → decals",
        headline="What came out.",
        results=rows,
        figures={"confusion": confusion_figure(predicted)},
        config_yaml="source: [sdss]",
        environment={},
        mock=False,
        sections=[more],
    ).read_text()
    page = Page(html)
    assert not page.open
    for words in (
        "decals (target) · test", "class frequencies", "Class by class", "Class proportions",
        "Unknown classes", "decals (target) · merger · test", "About it.", "H-score",
        "predicted by model", CAPTIONS["confusion"], "Gap closed", "balanced accuracy",
        CLASSIFICATION.remark,
    ):  # fmt: skip
        assert words in page.text, words
    assert "R²" not in page.text
    assert "prior mean" not in page.text


def test_the_report_shows_no_metric_that_nothing_was_measured_in(tmp_path):
    known = synthetic_classes("decals", "target", items=60, skill=3.0)
    options = {"title": "sdss", "config_yaml": "", "environment": {}, "mock": True}
    rows = evaluate([known], np.full(3, 1 / 3), n_bootstrap=100)
    figures = {"latent_class": confusion_figure([known])}
    options |= {"headline": "What came out.", "results": rows, "figures": figures}
    html = write_report(tmp_path / "r.html", **options).read_text()
    text = Page(html).text
    assert "H-score" not in text and "unknown recall" not in text
    assert "predicted share" in text and "Brier" in text
    assert "classes that lie apart are told apart" in text and "parameter is in order" not in text
    assert "MOCK DATA." in text and "catalogues" not in text


def test_sections_hold_recalls_and_shares(rows, predicted, results):
    sections = {section.title: section.table for section in class_sections(rows)}
    assert list(sections) == ["Class by class", "Class proportions", "Unknown classes"]
    recalls = sections["Class by class"]
    assert recalls[0] == ("suite · network", *CLASSES)
    assert [line[0] for line in recalls[1:]][:2] == [
        "sdss (source) · source-only",
        "sdss (source) · model",
    ]
    shares = {line[0]: line[1:] for line in sections["Class proportions"][1:]}
    truth = predicted[0].truth
    expected = tuple(f"{(truth == k).mean():.1%}" for k in range(3))
    assert shares["sdss (source) · true"] == expected
    assert len(sections["Unknown classes"][1:]) == 2, "where there are unknown items"
    assert class_sections(results) == []


def test_how_well_the_unknown_is_noticed_is_said_of_the_model_alone(rows, results):
    (said,) = unknown_sentences(rows)
    (area,) = (r for r in rows if (r.model, r.metric) == ("model", "unknown_auroc"))
    assert f"AUROC of {area.value:.2f} [" in said and area.suite in said
    assert unknown_sentences(results) == []


def test_the_card_names_classes_instead_of_priors(tmp_path, rows):
    card = write_model_card(
        tmp_path / "card.md",
        title="sdss → decals",
        description="A small network.",
        training={"seed": "1"},
        inputs={"images": "3 channels"},
        priors={},
        headline="What came out.",
        results=rows,
        mock=False,
    ).read_text()
    assert "Probabilities of these classes:\n\n- spiral\n- elliptical\n- merger" in card
    assert "| balanced accuracy | accuracy | AUC |" in card
    assert "other proportions than training was weighted to" in card
    assert "prior" not in card
