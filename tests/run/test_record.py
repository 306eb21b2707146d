"""The record of a run: what older runs wrote is read in one place, what is written comes back."""

import json
import os
import shutil
from pathlib import Path

import pytest
import torch

from dagnn import run
from dagnn.errors import CheckpointError, DataError, MissingDataError
from dagnn.run.compare import read_run
from dagnn.run.folder import Note, RunFolder, load_trained
from dagnn.run.train import is_complete
from dagnn.trust.label_shift import PriorInterval

OLD = {
    "created": "2026-11-01T03:32:52+00:00",
    "command": "dagnn train --source tng --target simba --init-from runs/first",
    "seed": 0,
    "device": "cpu",
    "git_revision": None,
    "platform": "Linux",
    "versions": {"dagnn": "0.1.0", "torch": "2.13.0+cpu"},
    "data": {"tng": "3ee90353b8f3ac5a365edc48", "simba": "8c517e334ba46d57fb6e78a8"},
    "mock": True,
    "evaluation": {"mock": False, "notes": ["astrid: 8 boxes found, 8 used"]},
    "notes": [
        "MOCK: the weights that training started from were trained on MOCK data.",
        "LABELLED: the run that training started from read labels of simba, a target now.",
        "simba: 3 boxes of fewer than 3 galaxies left out",
    ],
    "prior_intervals": {"simba, Omega_m": [0.2, 0.6, 0.95]},
    "training_items": {"source tng": "8 train, 2 valid, 2 test"},
    "priors": {"Omega_m": [0.1, 0.5]},
    "inputs": {"global": "log10 of the number of galaxies"},
    "description": "A graph encoder with gaussian_nll loss; domain terms: none.",
    "of a later version": 1,
}
"""As runs wrote it whose notes are sentences, and who did not record that they are complete."""


@pytest.fixture
def old(finished: run.RunResult, tmp_path: Path) -> RunFolder:
    shutil.copytree(finished.folder, tmp_path / "old")
    folder = RunFolder(tmp_path / "old")
    folder.environment.write_text(json.dumps(OLD))
    return folder


def test_the_record_of_an_older_run_is_read(old: RunFolder) -> None:
    record = old.read_record()
    assert record.notes == [
        Note(kind="MOCK", text=OLD["notes"][0].removeprefix("MOCK: ")),
        Note(kind="LABELLED", text=OLD["notes"][1].removeprefix("LABELLED: ")),
        Note(text=OLD["notes"][2]),
    ]
    assert [str(note) for note in record.notes] == OLD["notes"]
    assert record.intervals == (PriorInterval("simba", "Omega_m", 0.2, 0.6, 0.95),)
    assert record.any_mock and record.classes == [] and record.complete is None


def test_an_older_run_is_complete_reported_and_compared(old: RunFolder) -> None:
    assert is_complete(old)
    page = run.report(old.path).read_text()
    assert all(note in page for note in OLD["notes"])
    assert "of a later version" in page and "prior_intervals" not in page
    stamps = read_run(old, "old").stamps
    assert [stamp.word for stamp in stamps] == ["ALARM", "MOCK", "LABELLED"]


def test_an_older_run_measured_before_it_was_trained_on_is_not_complete(old: RunFolder) -> None:
    later = old.report.stat().st_mtime + 1
    os.utime(old.checkpoints / "last.pt", (later, later))
    assert not is_complete(old)


@pytest.mark.parametrize(
    "wrong",
    [
        {"inputs": {"foo": 1}},
        {"splits": {"tng": {"train": [], "valid": []}}},
        {"experiment": {"source": ["tng"], "training": {"select_on": "last"}}},
        {"training_range": {"mean": "wide"}},
    ],
    ids=lambda wrong: next(iter(wrong)),
)
def test_a_checkpoint_that_says_something_else_is_refused(
    old: RunFolder, wrong: dict[str, object]
) -> None:
    path = old.checkpoints / "best.pt"
    stored = torch.load(path, weights_only=True)
    torch.save(stored | {"meta": stored["meta"] | wrong}, path)
    with pytest.raises(CheckpointError, match=next(iter(wrong))):
        load_trained(path)


def test_a_record_comes_back_without_what_an_older_run_did_not_know(old: RunFolder) -> None:
    before = old.read_record()
    old.write_record(before)
    assert old.read_record() == before
    written = json.loads(old.environment.read_text())
    assert written.keys() == OLD.keys()
    assert written["notes"][2] == {"text": OLD["notes"][2]}
    same = {key for key in OLD if written[key] == OLD[key]}
    assert OLD.keys() - same == {"notes", "evaluation"}


@pytest.mark.parametrize(
    ("key", "value"),
    [("mock", "no"), ("notes", ["", 3]), ("priors", {"Omega_m": [0.1]}), ("evaluation", {})],
)
def test_a_damaged_record_names_the_field(old: RunFolder, key: str, value: object) -> None:
    old.environment.write_text(json.dumps(OLD | {key: value}))
    with pytest.raises(DataError, match=rf"environment\.json is damaged \({key}"):
        old.read_record()
    old.environment.unlink()
    with pytest.raises(MissingDataError, match=r"no environment\.json"):
        old.read_record()
