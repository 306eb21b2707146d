"""Seeds and matrices: the same call goes on where it stopped; reports of many runs."""

import csv
import shutil
from pathlib import Path

import pytest
import torch
from tiny_runs import load

from dagnn import run
from dagnn.errors import Interrupted, MissingDataError, UsageError
from dagnn.run.compare import find_runs
from dagnn.run.folder import RunFolder
from dagnn.run.sweep import pairings
from dagnn.training import ProgressReport

ONE_EPOCH = "training.epochs=1"


@pytest.fixture(scope="module")
def sweep(universe: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("sweep") / "two"
    run.train_seeds(load(universe, ONE_EPOCH, seed=4), 2, out=out)
    return out


def test_seeds_are_ordinary_runs_with_a_comparison(sweep: Path, universe: Path) -> None:
    for seed in (4, 5):
        folder = RunFolder(sweep / f"seed-{seed}")
        assert folder.is_finished() and folder.read_experiment().seed == seed
    with (sweep / "comparison" / "comparison.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert {row["seeds"] for row in rows if row["kind"] == "metric"} == {"2"}
    assert "2 seeds" in (sweep / "comparison" / "report.html").read_text()
    assert (sweep / "comparison" / "figures" / "comparison_Omega_m.pdf").is_file()


def test_seeds_of_one_start_say_that_they_share_its_split(
    sweep: Path, universe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    start = sweep / "seed-4"
    page = run.train_seeds(load(universe, ONE_EPOCH, init_from=start), 2, out=tmp_path / "out")
    told = capsys.readouterr().err
    sentence = f"All seeds start from the weights of {start} and keep its split"
    # Before hours are spent, and beside the table.
    assert told.index(sentence) < told.index("1 of 2") < told.rindex(sentence)
    assert sentence in page.read_text() and "does not include the split" in page.read_text()
    splits = [
        torch.load(tmp_path / "out" / f"seed-{seed}" / "checkpoints" / "last.pt")["meta"]["splits"]
        for seed in (0, 1)
    ]
    assert splits[0] == splits[1]


def test_more_seeds_keep_what_is_finished(sweep: Path, universe: Path, tmp_path: Path) -> None:
    out = tmp_path / "grown"
    shutil.copytree(sweep, out)
    before = (out / "seed-4" / "results.csv").stat().st_mtime_ns
    run.train_seeds(load(universe, ONE_EPOCH, seed=4), 3, out=out)
    assert (out / "seed-4" / "results.csv").stat().st_mtime_ns == before
    assert RunFolder(out / "seed-6").is_finished()


def test_other_settings_are_refused_before_anything_is_trained(sweep: Path, universe: Path) -> None:
    with pytest.raises(UsageError, match=r"training\.learning_rate 0\.003, now 0\.5"):
        run.train_seeds(
            load(universe, ONE_EPOCH, "training.learning_rate=0.5", seed=3), 2, out=sweep
        )
    assert not (sweep / "seed-3").exists()


def test_an_interrupted_sweep_goes_on_with_the_same_call(
    universe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    experiment = load(universe, "training.epochs=2")
    calls = 0

    def interrupt(self: ProgressReport, step: int) -> None:
        nonlocal calls
        calls += 1
        if calls == 12:  # in the second epoch of the second seed
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(ProgressReport, "on_step", interrupt)
        with pytest.raises(Interrupted, match=r"1 of 2 runs .* same command line goes on"):
            run.train_seeds(experiment, 2, out=tmp_path / "broken")
    assert (tmp_path / "broken/seed-1/checkpoints/last.pt").is_file()
    first = (tmp_path / "broken/seed-0/results.csv").stat().st_mtime_ns
    run.train_seeds(experiment, 2, out=tmp_path / "broken")
    assert (tmp_path / "broken/seed-0/results.csv").stat().st_mtime_ns == first
    # Resumed and not begun anew: the first epoch stands once in the log.
    epochs = (tmp_path / "broken/seed-1/metrics.jsonl").read_text().splitlines()
    assert len(epochs) == 2 and RunFolder(tmp_path / "broken/seed-1").is_finished()


def test_a_run_that_only_wrote_its_configuration_starts_anew(
    sweep: Path, universe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = tmp_path / "out" / "seed-4"
    begun.mkdir(parents=True)
    shutil.copy(sweep / "seed-4" / "config.yaml", begun)

    def train(experiment: run.Experiment, *, out: Path, **_: object) -> None:
        assert out == begun and not any(out.iterdir())
        shutil.copytree(sweep / "seed-4", out, dirs_exist_ok=True)

    monkeypatch.setattr("dagnn.run.sweep.train", train)
    run.train_seeds(load(universe, ONE_EPOCH, seed=4), 1, out=tmp_path / "out")
    assert RunFolder(begun).is_finished()


def test_a_matrix_has_every_ordered_pair(universe: Path, tmp_path: Path) -> None:
    out = tmp_path / "matrix"
    page = run.train_matrix(load(universe, ONE_EPOCH), ["IllustrisTNG", "simba"], out=out)
    assert {path.parent.parent.name for path in out.glob("*/seed-0/report.html")} == {
        "tng-to-simba",
        "simba-to-tng",
    }
    assert "trained on ↓" in page.read_text()
    assert (out / "comparison" / "figures" / "matrix_Omega_m.png").is_file()


def test_pairings_leave_each_suite_out_once() -> None:
    found = pairings(["tng", "simba", "astrid"], leave_one_out=True)
    assert len(found) == len(set(found)) == 9
    assert found[6:] == [
        (("simba", "astrid"), "tng"),
        (("tng", "astrid"), "simba"),
        (("tng", "simba"), "astrid"),
    ]


@pytest.mark.parametrize(
    ("suites", "leave_one_out", "words"),
    [
        (["tng"], False, "two"),
        (["tng", "IllustrisTNG"], False, "two"),
        (["tng", "simba"], True, "3"),
    ],
)
def test_too_few_suites(suites: list[str], leave_one_out: bool, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        pairings(suites, leave_one_out)


def test_runs_are_compared_by_path_or_by_folder(
    sweep: Path, universe: Path, tmp_path: Path
) -> None:
    other = run.train(load(universe, ONE_EPOCH, "loss.terms={coral: {}}"), out=tmp_path / "coral")
    page = run.compare([sweep, other.folder], out=tmp_path / "page")
    text = page.read_text()
    assert page == tmp_path / "page" / "report.html"
    assert "loss.terms.coral.weight" in text and "Every number comes" not in text
    assert "No seed in common" in text
    assert run.holds_runs(sweep) and not run.holds_runs(other.folder)


def test_what_is_no_finished_run_is_an_error_or_a_note(sweep: Path, tmp_path: Path) -> None:
    with pytest.raises(MissingDataError, match="not a run"):
        run.compare([sweep, tmp_path / "nowhere"])
    copied = tmp_path / "copied"
    shutil.copytree(sweep, copied)
    (copied / "seed-5" / "report.html").unlink()
    with pytest.raises(MissingDataError, match=r"unfinished.*dagnn train --resume .*seed-5"):
        run.compare([copied / "seed-4", copied / "seed-5"])
    page = run.compare([copied])
    assert page == copied / "comparison" / "report.html"
    assert "seed-5 is unfinished and left out" in page.read_text()
    with pytest.raises(UsageError, match="is a run"):
        run.compare([copied], out=copied / "seed-4")


def test_a_run_that_is_named_twice_counts_once(sweep: Path) -> None:
    folders, unfinished = find_runs([sweep, sweep / "seed-4"])
    assert [folder.path.name for folder in folders] == ["seed-4", "seed-5"] and not unfinished


def test_a_suite_that_is_absent_is_missed_before_the_first_training(
    universe: Path, tmp_path: Path
) -> None:
    out = tmp_path / "matrix"
    with pytest.raises(MissingDataError, match="eagle is not in"):
        run.train_matrix(load(universe), ["tng", "simba", "eagle"], out=out)
    assert not out.exists()


def test_a_comparison_is_not_put_into_a_folder_of_something_else(
    sweep: Path, tmp_path: Path
) -> None:
    folder, file = tmp_path / "docs", tmp_path / "README.md"
    folder.mkdir()
    (folder / "index.md").touch()
    file.touch()
    for out in (folder, file):
        with pytest.raises(UsageError, match="something else than a comparison"):
            run.compare([sweep], out=out)
    assert [path.name for path in folder.iterdir()] == ["index.md"]
    for _ in range(2):
        run.compare([sweep], out=tmp_path / "new")
    (tmp_path / "new" / "comparison.csv").unlink()  # stopped while it was drawn
    (tmp_path / "new" / ".DS_Store").touch()
    run.compare([sweep], out=tmp_path / "new")


def test_finished_runs_are_kept_and_compared_without_their_data(
    universe: Path, tmp_path: Path
) -> None:
    data, out = tmp_path / "data", tmp_path / "seeds"
    shutil.copytree(universe, data)
    run.train_seeds(load(data), 1, out=out)
    shutil.rmtree(data / "FOF_Subfind")
    run.train_seeds(load(data), 1, out=out)
    shutil.rmtree(out / "comparison" / "figures")
    (out / "comparison" / "comparison.csv").rename(out / "comparison" / "mine.csv")
    with pytest.raises(UsageError, match="move it away"):
        run.train_seeds(load(data), 1, out=out)
