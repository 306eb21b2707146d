"""The model card says what the weights are for and where they end."""

import pytest

from dagnn.report.headline import headline
from dagnn.report.model_card import KNOWN_LIMITS, write_model_card


@pytest.fixture
def write(tmp_path, results):
    def _write(**changes):
        options = {
            "title": "tng → simba",
            "description": "A graph network of 2 blocks, aligned by MMD.",
            "training": {"source": "IllustrisTNG, 210 boxes", "seed": "0"},
            "inputs": {"log10(1 + M*)": "1e10 Msun/h"},
            "priors": {"Omega_m": (0.1, 0.5)},
            "headline": headline(results),
            "results": results,
            "mock": False,
            "notes": ["Statistics of simba come from its unlabelled inputs."],
        } | changes
        return write_model_card(tmp_path / "MODEL_CARD.md", **options).read_text()

    return _write


def test_content(write):
    text = write()
    headings = [line for line in text.splitlines() if line.startswith("#")]
    assert headings == [
        "# Model card: tng → simba",
        "## Trained on",
        "## Inputs",
        "## Predicts",
        "## Intended use",
        "## Results",
        "## Known limits",
    ]
    for words in (
        "A graph network of 2 blocks", "- **source:** IllustrisTNG, 210 boxes",
        "- **log10(1 + M*):** 1e10 Msun/h", "- **Omega_m:** 0.1 to 0.5",
        "- Statistics of simba", "On simba (target), never labelled",
    ):  # fmt: skip
        assert words in text
    assert all(f"- {limit}" in text for limit in KNOWN_LIMITS)
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    assert len(rows) == 1 + 2 * 3
    assert {line.count("|") for line in rows} == {9}


def test_marks(write):
    assert "MOCK" not in write()
    assert "> **MOCK.**" in write(mock=True)
    assert "> **ORACLE.**" in write(oracle=True)
    assert "No suite has known truths." in write(results=[])


def test_every_predictor_has_a_row(write, crowded):
    text = write(results=crowded)
    assert text.count("| ORACLE (target labels) |") == 2
    assert text.count("| ridge, aligned |") == 2
