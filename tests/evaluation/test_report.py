"""The report is complete in itself, escapes what it is given, and says what must be said."""

from html.parser import HTMLParser

import pytest

from dagnn.evaluation.figures import truth_figure
from dagnn.evaluation.metrics import METRICS
from dagnn.evaluation.report import CAPTIONS, write_report


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
    return truth_figure(predictions[3:], "Omega_m", mock=False)


@pytest.fixture
def write(tmp_path, results, figure):
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
        "without adaptation" in text
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


def test_everything_is_escaped(write):
    nasty = "<script>alert(1)</script>"
    html = write(
        title=nasty,
        notes=[nasty],
        config_yaml=nasty,
        environment={nasty: nasty, "command": nasty},
        facts={nasty: nasty},
        captions={"truth_Omega_m": f'"{nasty}'},
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
