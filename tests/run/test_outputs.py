"""What a run stores of its predictions is enough to draw its report again."""

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dagnn import run
from dagnn.errors import DataError
from dagnn.evaluation.storage import read_predictions
from dagnn.records import ClassPredictions, EpochRecord, Result
from dagnn.run.folder import RunFolder
from dagnn.run.outputs import (
    _epochs,
    how_aligned,
    show_table,
    with_groups,
    with_latents,
    write_tables,
)
from dagnn.training import MetricsLog, Plan

CLASSES = ("spiral", "merger")
VIEWS = 4


def views(suite: str, role: str, seed: int, galaxies: int = 30) -> ClassPredictions:
    """Show each galaxy from several sides, with nearly one latent; suites do not differ."""
    random = np.random.default_rng(seed)
    items = VIEWS * galaxies
    latent = np.repeat(random.normal(size=(galaxies, 8)), VIEWS, axis=0)
    return ClassPredictions(
        suite=suite,
        role=role,
        split="test",
        ids=tuple(f"{suite}[{row}]" for row in range(items)),
        classes=CLASSES,
        truth=np.zeros(items, np.int64),
        probability=np.full((items, 2), 0.5),
        latent=latent + 0.01 * random.normal(size=latent.shape),
        groups=tuple(f"{suite} {row // VIEWS}" for row in range(items)),
    )


@pytest.fixture
def stored(tmp_path: Path) -> RunFolder:
    folder = RunFolder(tmp_path / "run")
    folder.path.mkdir()
    lone = replace(views("third", "other", 2), groups=())
    given = [views("first", "source", 0), views("second", "target", 1), lone]
    write_tables(folder, given, [], mock=True)
    return folder


def test_every_row_of_a_table_says_that_it_is_mock(stored: RunFolder) -> None:
    with stored.predictions.open() as stream:
        assert {row["mock"] for row in csv.DictReader(stream)} == {"True"}
    assert stored.results.read_text().strip().endswith(",model,mock")


def test_groups_come_back_with_the_latents(stored: RunFolder) -> None:
    read = read_predictions(stored.predictions)
    for back in (with_latents(stored, read), with_groups(stored, read)):
        assert [p.groups[VIEWS] for p in back] == ["first 1", "second 1", "third[4]"]
        assert all(len(p.groups) == len(p.ids) for p in back)


def test_the_domain_classifier_never_meets_a_galaxy_that_it_has_learned(stored: RunFolder) -> None:
    back = with_latents(stored, read_predictions(stored.predictions))[:2]
    grouped = how_aligned(back, seed=0)
    alone = how_aligned([replace(p, groups=()) for p in back], seed=0)
    assert [each.measure for each in grouped] == ["domain_auc", "mmd", "latent_distance"]
    assert alone[0].value > 0.75, "views of one galaxy in both folds"
    assert 0.3 < grouped[0].value < 0.7


def test_few_galaxies_with_many_views_are_too_few() -> None:
    given = [views("first", "source", 0, 10), views("second", "target", 1, 10)]
    assert how_aligned(given, seed=0) == []


@pytest.mark.parametrize("width", [80, 140])
def test_a_terminal_shows_every_number_whole(
    width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("FORCE_COLOR", "1")  # what the console then takes for a terminal
    names = ("relative_error", "r2", "chi2", "coverage68")
    rows = [Result("simba", "target", "test", "Omega_m", n, 0.5, -0.25, 0.75) for n in names]
    show_table(run.load(), rows, mock=False)
    text = capsys.readouterr().out
    assert "…" not in text and text.count("0.75]") == 2 and text.count("75.0]") == 1


def test_damaged_latents_are_named(stored: RunFolder) -> None:
    read = read_predictions(stored.predictions)
    stored.latents.write_text("PK")
    with pytest.raises(DataError, match=r"latents\.npz"):
        with_groups(stored, read)
    stored.latents.unlink()
    assert [p.groups for p in with_groups(stored, read)] == [(), (), ()]


def test_terms_that_are_zero_by_what_they_are_are_told_nowhere(tmp_path: Path) -> None:
    record = EpochRecord(1, 4, 1e-3, 1.0, {"task": 1.0, "calm": 0.0}, {"calm": 0.0, "mmd": 0.1})
    log = MetricsLog(tmp_path / "metrics.jsonl")
    log.on_start(Plan(1, 4), [record])
    settings = ["loss.terms.calm.name=statistics", "loss.terms.mmd.weight=0.2"]
    [told] = _epochs(log.path, run.load("base", settings))
    assert (told.train, told.valid) == ({"task": 1.0}, {"mmd": 0.1})
