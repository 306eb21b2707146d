"""The report is complete in itself, escapes what it is given, and says what must be said."""

from html.parser import HTMLParser

import pytest
from synthetic_predictions import PRIORS

from dagnn.evaluation.alignment import alignments
from dagnn.evaluation.calibration import calibrations
from dagnn.evaluation.measure import blocks, gap_closed
from dagnn.report.figures.parameters import truth_figure
from dagnn.report.headline import headline
from dagnn.report.page import CAPTIONS, write_report
from dagnn.tasks.regression_metrics import REGRESSION_METRICS as METRICS


class Page(HTMLParser):
    """Collects text, tags, and everything a browser would load."""

    def __init__(self, html):
        super().__init__()
        self.words, self.tags, self.loaded, self.open = [], [], [], []
        self.feed(html)
        self.text = " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.loaded += [value for key, value in attributes if key in {"src", "href", "srcset"}]
        if tag not in {"meta", "img", "link", "br"}:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, f"</{tag}> closes something else"

    def handle_data(self, data):
        if "style" not in self.open:
            self.words.append(data)


@pytest.fixture(scope="module")
def figure(predictions):
    return truth_figure(predictions[3:], "Omega_m")


@pytest.fixture
def write(tmp_path, results, predictions, figure):
    def _write(**changes):
        options = {
            "title": "tng → simba",
            "results": results,
            "figures": {"truth_Omega_m": figure},
            "config_yaml": "source: [tng]\nseed: 7\n",
            "environment": {"command": "dagnn train --source tng", "versions": {"torch": "2.13.0"}},
            "notes": ["3 boxes were skipped"],
            "mock": False,
            "facts": {"epochs": "60"},
        } | changes
        oracle = options.get("oracle", False)
        options["headline"] = headline(options["results"], predictions, oracle=oracle)
        return write_report(tmp_path / "RUN" / "report.html", **options).read_text()

    return _write


def test_content(write, results):
    html = write()
    page = Page(html)
    assert html.startswith("<!DOCTYPE html>")
    assert not page.open, "every tag is closed"
    for words in (
        "tng → simba", "tng (source) · Ωₘ · test", "simba (target) · Ωₘ · test", "prior mean",
        "source-only", "single seed", "3 boxes were skipped", "epochs 60",
        "source: [tng] seed: 7", "dagnn train --source tng", "versions.torch 2.13.0",
        "dagnn train --config config.yaml", CAPTIONS["truth"],
    ):  # fmt: skip
        assert words in page.text, words
    for metric in METRICS.values():
        assert metric.description in page.text
    row = next(r for r in results if (r.suite, r.model, r.metric) == ("simba", "model", "r2"))
    assert f"{row.value:.2f} {row.low:.2f} … {row.high:.2f}" in page.text


def test_the_headline_compares(write, results):
    text = Page(write()).text
    errors = {
        r.model: f"{r.value:.1%} [{100 * r.low:.1f}, {100 * r.high:.1f}]"
        for r in results
        if r.suite == "simba" and r.metric == "relative_error"
    }
    assert (
        "On simba (target), never labelled in training, Ωₘ is recovered with a relative error of "
        f"{errors['model']}; without adaptation it is {errors['source-only']}; predicting the "
        f"prior mean gives {errors['prior-mean']}. The model is better than the same network "
        "without adaptation: −" in text
    )


def test_nothing_is_loaded_from_elsewhere(write):
    html = write()
    page = Page(html)
    assert page.loaded
    assert all(source.startswith("data:image/svg+xml;base64,") for source in page.loaded)
    assert not {"script", "link", "iframe"} & set(page.tags)
    assert "url(" not in html
    assert "@import" not in html


def test_marks(write):
    plain, marked = Page(write()).text, Page(write(mock=True, oracle=True)).text
    assert "MOCK" not in plain
    assert "ORACLE" not in plain
    assert "MOCK DATA." in marked
    assert "ORACLE." in marked
    assert "whose truths chose the checkpoint (ORACLE)" in marked


def test_everything_is_escaped(write, figure):
    nasty = "<script>alert(1)</script>"
    html = write(
        title=nasty,
        notes=[nasty],
        config_yaml=nasty,
        environment={nasty: nasty, "command": nasty},
        facts={nasty: nasty},
        figures={f'"{nasty}': figure},
    )
    assert "<script" not in html
    assert nasty in Page(html).text


def test_a_report_without_truth_figures_or_command_still_works(write):
    page = Page(write(results=[], figures={}, environment={}, notes=[], facts={}))
    assert "could not be measured" in page.text
    assert "img" not in page.tags
    assert "command that made" not in page.text


def test_the_same_input_gives_the_same_page(write):
    assert write() == write()


def test_baselines_and_oracles_can_be_told_apart(write, crowded):
    html = write(results=crowded)
    page = Page(html)
    assert html.count('<tr class="oracle">') == 4, "two suites, in the short and the full table"
    assert html.count('<tr class="baseline">') == 4 * 4
    assert html.count('<tr class="model">') == 4
    assert "ORACLE (target labels)" in page.text
    share = gap_closed(next(block for block in blocks(crowded) if block.role == "target"))
    assert share > 0.9
    assert f"simba (target) · Ωₘ: {share:.0%}" in page.text
    assert f"is closed to {share:.0%}" in page.text


def test_alignment_and_calibration_are_shown_where_given(write, predictions):
    clouds = [("tng", predictions[0].latent), ("simba", predictions[1].latent)]
    found = alignments("source-only", *clouds, n_bootstrap=50)
    measured = calibrations(predictions, PRIORS)
    page = Page(write(alignments=found, calibrations=measured))
    assert f"tng and simba · source-only {found[0].value:.2f} [" in page.text
    assert f"p = {found[1].probability:.2g})" in page.text
    wrong = next(m for m in measured if not m.calibrated)
    assert (wrong.suite, wrong.model) == ("simba", "source-only")
    assert f"simba (target), test · Ωₘ · source-only {wrong.value:.3f} !" in page.text
    assert f"{wrong.limit:.3f}" in page.text
    empty = Page(write())
    assert "Calibration in numbers" not in empty.text
    assert "look to the network" not in empty.text
