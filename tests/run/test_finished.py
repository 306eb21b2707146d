"""A finished run is told from one that only has results; resuming it changes nothing."""

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tiny_runs import load

from dagnn import run
from dagnn.errors import Interrupted
from dagnn.run.folder import RunFolder
from dagnn.run.train import is_complete
from dagnn.training import ProgressReport


@pytest.fixture
def copied(finished: run.RunResult, tmp_path: Path) -> RunFolder:
    shutil.copytree(finished.folder, tmp_path / "copied")
    return RunFolder(tmp_path / "copied")


def test_resuming_a_finished_run_says_so_and_reads_no_data(
    finished: run.RunResult,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("nothing is to be read")

    files = {p: p.stat().st_mtime_ns for p in finished.folder.rglob("*") if p.is_file()}
    monkeypatch.setattr(sys.modules["dagnn.run.train"], "_train_on", refuse)
    again = run.resume(finished.folder)
    told = capsys.readouterr().err
    assert f"{finished.folder} is finished: trained for 2 epochs" in told
    assert f"dagnn evaluate {finished.folder}" in told
    assert again.results == finished.results and again.mock == finished.mock
    assert [p.ids for p in again.predictions] == [p.ids for p in finished.predictions]
    assert files == {p: p.stat().st_mtime_ns for p in finished.folder.rglob("*") if p.is_file()}


def _without(name: str) -> Callable[[RunFolder], None]:
    return lambda folder: (folder.path / name).unlink()


def _short(folder: RunFolder) -> None:
    """Leave one epoch out of the log."""
    lines = folder.metrics.read_text().splitlines()
    folder.metrics.write_text("\n".join(lines[:-1]) + "\n")


def _unrecorded(folder: RunFolder) -> None:
    """Let a kill have kept the run from being measured to the end."""
    folder.write_record(folder.read_record().updated(complete=False))


def _asks_for_oracle(folder: RunFolder) -> None:
    text = folder.config.read_text()
    assert "compare_oracle: false" in text
    folder.config.write_text(text.replace("compare_oracle: false", "compare_oracle: true"))


@pytest.mark.parametrize(
    "change",
    [
        _without("report.html"),
        _without("checkpoints/best.pt"),
        _without("source_only/checkpoints/last.pt"),
        _without("source_only/metrics.jsonl"),
        _short,
        _unrecorded,
        _asks_for_oracle,
    ],
)
def test_what_is_missing_is_seen(copied: RunFolder, change: Callable[[RunFolder], None]) -> None:
    assert is_complete(copied)
    change(copied)
    assert not is_complete(copied)


@pytest.mark.parametrize("variance", ["none", "source"])
def test_a_run_that_lacks_its_calibration_is_not_finished(copied: RunFolder, variance: str) -> None:
    wanted = copied.read_experiment()
    calibration = wanted.calibration.model_copy(update={"variance": variance})
    copied.config.write_text(wanted.model_copy(update={"calibration": calibration}).to_yaml())
    for folder in (copied, copied.source_only):
        folder.calibration.write_text("{}")
    assert is_complete(copied)
    copied.source_only.calibration.unlink()
    assert is_complete(copied) == (variance == "none")


def test_when_files_were_copied_does_not_matter(copied: RunFolder) -> None:
    for number, file in enumerate(sorted(copied.path.rglob("*"))):
        os.utime(file, (number, number))
    assert is_complete(copied)


def test_an_evaluation_that_is_interrupted_leaves_the_run_to_be_resumed(
    copied: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("dagnn.run.outputs.write_pages", interrupt)
        with pytest.raises(KeyboardInterrupt):
            run.evaluate(copied.path, suites=["astrid"])
        assert copied.is_finished() and not is_complete(copied)
        with pytest.raises(Interrupted):
            run.resume(copied.path)
        assert copied.is_finished() and not is_complete(copied)
    run.evaluate(copied.path)
    assert is_complete(copied)


def test_patience_may_end_a_training_early(copied: RunFolder) -> None:
    experiment = copied.read_experiment()
    for patience, complete in ((1, True), (None, False)):
        asked = {"epochs": 9, "patience": patience, "select_on": "source_loss"}
        training = experiment.training.model_copy(update=asked)
        copied.config.write_text(experiment.model_copy(update={"training": training}).to_yaml())
        # The second epoch is no better than the first.
        for folder in (copied, copied.source_only):
            first = folder.metrics.read_text().splitlines()[0]
            again = first.replace('"epoch": 1', '"epoch": 2')
            folder.metrics.write_text(f"{first}\n{again}\n")
        assert is_complete(copied) == complete


def test_a_run_that_was_evaluated_half_way_is_resumed(
    universe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = 0

    def interrupt(self: ProgressReport, step: int) -> None:
        nonlocal calls
        calls += 1
        if calls == 5:  # in the second epoch
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(ProgressReport, "on_step", interrupt)
        with pytest.raises(Interrupted):
            run.train(load(universe), out=tmp_path / "run")
    run.evaluate(tmp_path / "run")
    folder = RunFolder(tmp_path / "run")
    assert folder.is_finished() and not is_complete(folder)
    assert "Training was stopped after 1 of 2 epochs" in folder.report.read_text()
    run.resume(tmp_path / "run")
    assert is_complete(folder)
    assert "Training was stopped" not in folder.report.read_text()
