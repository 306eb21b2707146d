"""The command in two processes: one run directory, one voice, one end."""

import signal
import time
from pathlib import Path

import pytest
from processes import finish, start
from tiny_runs import TINY, load

from dagnn import run
from dagnn.report.history import read_epochs


def command(universe: Path, out: Path, *settings: str) -> list[str]:
    """The tiny experiment on the command line."""
    overrides = [part for setting in (*TINY, *settings) for part in ("--set", setting)]
    suites = ["--source", "tng", "--target", "simba", "--data", str(universe)]
    return ["-m", "dagnn", "train", *suites, *overrides, "--out", str(out)]


@pytest.mark.parametrize(
    ("argument", "code", "said"), [("--version", 0, "dagnn "), ("--versoin", 2, "No such option")]
)
@pytest.mark.parametrize("count", [1, 2])
def test_one_of_several_ends_before_python_is_taken_apart(argument, code, said, count):
    script = (
        "import atexit, sys; from dagnn.cli import main; atexit.register(print, 'taken apart');"
        f"sys.argv = ['dagnn', {argument!r}]; main()"
    )
    processes = start(["-c", script], count)
    for text in finish(processes):
        assert said in text
        assert ("taken apart" in text) == (count == 1)
    assert {process.returncode for process in processes} == {code}


@pytest.mark.parametrize("count", [1, 2])
def test_one_of_several_that_breaks_tells_why_and_ends_as_well(count):
    script = (
        "import atexit; from dagnn import cli; atexit.register(print, 'taken apart')\n"
        "def broken(): raise RuntimeError('out of luck')\n"
        "cli.app = broken; cli.main()"
    )
    processes = start(["-c", script], count)
    for text in finish(processes):
        assert "RuntimeError: out of luck" in text
        assert ("taken apart" in text) == (count == 1)
    assert {process.returncode for process in processes} == {1}


@pytest.mark.slow
def test_two_processes_make_the_run_of_one(universe, tmp_path):
    two = tmp_path / "two"
    processes = start(command(universe, two, "evaluation.compare_source_only=true"))
    said = finish(processes)
    assert [process.returncode for process in processes] == [0, 0], said
    assert said[1] == ""
    assert said[0].count("by 2 processes that share every batch") == 2
    one = run.train(load(universe, compare_source_only=True), out=tmp_path / "one").folder
    for part in (Path(), Path("source_only")):
        alone, shared = (read_epochs(folder / part / "metrics.jsonl") for folder in (one, two))
        for ours, theirs in zip(shared, alone, strict=True):
            assert ours.train == pytest.approx(theirs.train, rel=1e-3, abs=1e-4)
    files = [
        {path.relative_to(folder) for path in folder.rglob("*") if path.is_file()}
        for folder in (one, two)
    ]
    assert files[0] == files[1]


@pytest.mark.slow
def test_ctrl_c_ends_all_with_one_message_and_the_run_goes_on(universe, tmp_path):
    out = tmp_path / "run"
    processes = start(command(universe, out, "training.epochs=60"))
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline and len(epochs(out)) < 2:
        time.sleep(0.05)
    for process in processes:
        process.send_signal(signal.SIGINT)
    said = finish(processes)
    assert [process.returncode for process in processes] == [130, 0], said
    assert said[0].count("Interrupted. The state after epoch") == 1
    assert "Traceback" not in said[0] and said[1] == ""
    assert len(epochs(out)) < 60
    run.resume(out)
    assert [record.epoch for record in epochs(out)] == list(range(1, 61))


def epochs(out: Path) -> list:
    log = out / "metrics.jsonl"
    return read_epochs(log) if log.is_file() else []


@pytest.mark.slow
def test_what_cannot_be_shared_is_told_once(universe, tmp_path):
    processes = start(command(universe, tmp_path / "run", "training.batch_size=2"), count=3)
    said = finish(processes)
    assert [process.returncode for process in processes] == [2, 0, 0], said
    assert said[0].count("cannot be shared by 3 processes") == 1
    assert "Traceback" not in said[0] and said[1:] == ["", ""]
