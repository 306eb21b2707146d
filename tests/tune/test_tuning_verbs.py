"""The verbs on the command line: a default verb, exit codes, sentences."""

import pytest
from tiny_studies import write_study
from typer.testing import CliRunner

from dagnn.cli import app


def dagnn(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, list(arguments))
    return result.exit_code, result.output.replace("\n", " ")


@pytest.mark.parametrize("verb", [[], ["run"], ["best"], ["show"]])
def test_every_verb_has_help(verb):
    code, text = dagnn("tune", *verb, "--help")
    assert code == 0 and "Usage" in text


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["spectr"], 2, "spectra"),
        (["--trials", "0", "spectra"], 2, "--trials"),
        (["spectra", "--data", "nowhere"], 3, "nowhere"),
        (["spectra", "--data", ".", "--mock"], 2, "exclude"),
        (["spectra", "--set", "training.epoch=3"], 2, "epochs"),
        (["spectra", "--storage", "study.db"], 2, "sqlite:///"),
        (["show", "nowhere"], 3, "not a study"),
        (["best", "nowhere"], 3, "not a study"),
        (["bset", "study"], 2, "Did you mean 'best'"),
    ],
)
def test_wrong_usage_and_missing_data(arguments, code, words):
    found, text = dagnn("tune", *arguments)
    assert found == code, text
    assert words in text and "Traceback" not in text


def test_the_file_is_enough_and_the_word_run_may_stand_before_it(spectra, tmp_path, monkeypatch):
    monkeypatch.setattr("dagnn.tune.search.write_study_report", lambda *_: None)
    file = str(write_study(tmp_path / "tiny.yaml"))
    given = ["--data", str(spectra), "--out", "study"]
    code, text = dagnn("tune", file, *given, "--trials", "1")
    assert code == 0 and "1/1" in text, text
    code, text = dagnn("tune", "run", file, *given, "--trials", "2")
    assert code == 0 and "2/2" in text, text
    code, text = dagnn("tune", "best", "study", "--out", "best.yaml")
    assert code == 0 and "dagnn train --config best.yaml" in text
    assert "Taken by objective; --by rank_sum would take" in text
    monkeypatch.setattr("dagnn.tune.report.write_study_report", lambda *_: None)
    code, text = dagnn("tune", "show", "study")
    assert code == 0 and "optuna-dashboard" in text
