"""Stamps of a run come from what it has recorded, and a comparison repeats them."""

from pathlib import Path

import numpy as np
import pytest
from tiny_runs import load

from dagnn import run
from dagnn.records import ClassPredictions
from dagnn.report.comparison.runs import Stamp
from dagnn.run.compare import stamps_of
from dagnn.run.folder import RunRecord


def record(**changes: object) -> RunRecord:
    nothing = {"mock": False, "notes": []}
    rest = {"training_items": {}, "priors": {}, "inputs": {}, "description": ""}
    return RunRecord.model_validate(nothing | {"evaluation": nothing} | rest | changes)


def classes(suite: str, role: str, share: float) -> ClassPredictions:
    """Predict the first class for a share of 200 items."""
    first = (np.arange(200) < 200 * share).astype(float)
    return ClassPredictions(
        suite=suite,
        role=role,
        split="test",
        ids=tuple(map(str, range(200))),
        classes=("spiral", "merger"),
        truth=np.full(200, -1),
        probability=np.stack([first, 1 - first], 1),
        latent=np.zeros((200, 0)),
    )


def test_an_interval_below_its_limit_is_an_alarm() -> None:
    stored = {"simba, Omega_m": [0.2, 0.6, 0.95], "tng, Omega_m": [0.0, 0.99, 0.95]}
    (stamp,) = stamps_of(run.load(), record(prior_intervals=stored), [])
    assert (stamp.word, stamp.subject, stamp.suites) == ("ALARM", "simba, Omega_m", ("simba",))
    assert "40% of the prior of Omega_m" in stamp.text


def test_other_proportions_of_classes_are_an_alarm() -> None:
    given = [classes("first", "source", 0.5), classes("second", "target", 0.9)]
    (stamp,) = stamps_of(run.load(), record(), given)
    assert (stamp.word, stamp.suites) == ("ALARM", ("second",))
    assert "90% of second" in stamp.text
    assert stamps_of(run.load(), record(), [given[0], classes("second", "target", 0.52)]) == ()


def test_notes_with_a_kind_are_stamps_and_other_notes_are_not() -> None:
    text = "the run that training started from read labels of simba, a target now."
    notes = [
        {"text": "tng: 3 boxes left out"},
        {"text": "SDSS: 3 images left out"},
        {"kind": "LABELLED", "text": text},
        {"kind": "ALARM", "text": "the intervals give it as well"},
    ]
    expected = (Stamp("LABELLED", f"LABELLED: {text}", text),)
    assert stamps_of(run.load(), record(notes=notes), []) == expected
    sentences = ["tng: 3 boxes left out", "SDSS: 3 images left out"]
    sentences += [f"{note['kind']}: {note['text']}" for note in notes[2:]]
    assert stamps_of(run.load(), record(notes=sentences), []) == expected  # of an older run


def test_a_comparison_repeats_a_stress_test(
    universe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plain, stressed = (
        run.train(load(universe, "training.epochs=1", **asked), out=tmp_path / name)
        for name, asked in (("plain", {}), ("stressed", {"target_prior": {"Omega_m": (0.15, 0.6)}}))
    )
    capsys.readouterr()
    page = run.compare([plain.folder, stressed.folder], out=tmp_path / "both")
    table, told = capsys.readouterr()
    sentence = "STRESS TEST (stressed): targets are restricted to Omega_m from 0.15 to 0.6"
    assert sentence in told and sentence in page.read_text()
    for text in (table, page.read_text()):
        assert "stressed · STRESS TEST" in text and "ridge, aligned" in text
        assert "plain · STRESS TEST" not in text
