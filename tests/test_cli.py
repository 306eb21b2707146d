"""The command line: exit codes, suggestions, clear errors, help that answers at once."""

import inspect
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from dagnn.cli import app

VERBS = ["train", "matrix", "evaluate", "predict", "report", "inspect", "prepare", "doctor", "mock"]


def dagnn(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, list(arguments))
    return result.exit_code, result.output


@pytest.fixture(autouse=True)
def _empty_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DAGNN_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("DAGNN_DATA", raising=False)


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help(verb: str) -> None:
    code, text = dagnn(verb, "--help")
    assert code == 0 and "Usage" in text


def commands(command: Any, *path: str) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Give every command and subcommand with the words that call it."""
    yield path, command
    for name, inner in getattr(command, "commands", {}).items():
        yield from commands(inner, *path, name)


@pytest.mark.parametrize(
    ("path", "command"),
    [pytest.param(*each, id=" ".join(each[0]) or "dagnn") for each in commands(get_command(app))],
)
def test_help_is_whole_in_a_terminal_of_80_columns(path: tuple[str, ...], command: Any) -> None:
    text = CliRunner().invoke(app, [*path, "--help"], env={"COLUMNS": "80"}).output
    assert "…" not in text, "a name or a word of the help is cut"
    assert max(map(len, text.splitlines())) <= 80
    for parameter in command.params:
        for name in (n for n in (*parameter.opts, *parameter.secondary_opts) if n[:2] == "--"):
            assert name in text.split(), name
    # Only the first paragraph is filled anew; lines of others would break in two.
    later = inspect.cleandoc(command.help or "").partition("\n\n")[2]
    assert all(len(line) <= 78 for line in later.splitlines())


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["trian"], 2, "train"),
        (["train", "--sorce", "tng"], 2, "--source"),
        (["train", "--source", "tngg", "--mock"], 2, "Did you mean 'tng'"),
        (["train", "--config", "spectra_mdm"], 2, "spectra_mmd"),
        (["train", "--set", "training.epoch=3"], 2, "epochs"),
        (["train", "--source", "tng", "--target", "tng"], 2, "at once"),
        (["train", "--mock", "--data", "."], 2, "exclude"),
        (["train", "--resume", "x", "--seed", "1"], 2, "--resume"),
        (["train", "--resume", "x", "--seeds", "2"], 2, "--resume"),
        (["train", "--resume", "x"], 3, "not a run"),
        (["train", "--resume", "x", "--seeds", "1"], 3, "not a run"),
        (["train", "--source", "", "--mock"], 2, "--source"),
        (["train", "--target", ",", "--mock"], 2, "needs a target"),
        (["matrix", "--suites", ""], 2, "source"),
        (["train", "--seeds", "0"], 2, "--seeds"),
        (["train", "--source", "tngg", "--mock", "--seeds", "2"], 2, "Did you mean 'tng'"),
        (["matrix"], 2, "--suites"),
        (["matrix", "--suites", "tng", "--mock"], 2, "two different"),
        (["matrix", "--suites", "tng,IllustrisTNG", "--mock"], 2, "two different"),
        (["matrix", "--suites", "tng,simba", "--leave-one-out", "--mock"], 2, "at least 3"),
        (["matrix", "--suites", "tng,sinba", "--mock"], 2, "simba"),
        (["train", "--config", "spectra_mmd"], 2, "--data"),
        (["train", "--data", "nowhere"], 3, "nowhere"),
        (["prepare", "--data", "nowhere"], 3, "nowhere"),
        (["prepare"], 3, "--data"),
        (["prepare", "--data", ".", "--shard", "2"], 2, "1/8"),
        (["prepare", "--data", ".", "--shard", "0/4"], 2, "counted from 1"),
        (["prepare", "--data", ".", "--shard", "5/4"], 2, "no shard 5 of 4"),
        (["prepare", "--data", ".", "--shard", "1/0"], 2, "no shard 1 of 0"),
        (["prepare", "--data", ".", "--shard", "-1/4"], 2, "i/n"),
        (["prepare", "--data", ".", "--source", "tngg"], 2, "Did you mean 'tng'"),
        (["train", "--source", "tng", "--target", "eagle", "--mock"], 2, "simba"),
        (["train", "--source", "simba", "--mock"], 2, "--target"),
        (["evaluate", "nowhere"], 3, "not a run"),
        (["report", "nowhere"], 3, "not a run"),
        (["report", "nowhere", "neither"], 3, "not a run"),
        (["report", "nowhere", "--out", "x"], 2, "comparison"),
        (["predict", "nowhere"], 2, "RUN FILE"),
        (["predict", "nowhere", "x.hdf5"], 3, "not a run"),
        (["predict", "--weights", "w.pt", "x.hdf5"], 3, "w.pt"),
        (["inspect", "nowhere"], 3, "nowhere"),
        (["mock", "universe", "--suite", "illustris"], 2, "tng"),
        (["mock", "universe", "--count", "0"], 2, "count"),
    ],
)
def test_wrong_usage_and_missing_data(arguments: list[str], code: int, words: str) -> None:
    found, text = dagnn(*arguments)
    assert found == code, text
    assert words in text
    assert "Traceback" not in text


def test_the_version_is_shown() -> None:
    code, text = dagnn("--version")
    assert code == 0 and text.startswith("dagnn 0.")


def test_doctor_names_versions_and_the_scatter_install_line() -> None:
    code, text = dagnn("doctor")
    assert code == 0
    for word in ("torch", "torch-geometric", "torch-scatter", "CUDA"):
        assert word in text


def test_inspect_tells_what_is_wrong_and_exits_3(tmp_path: Path) -> None:
    page = tmp_path / "groups_090.hdf5"
    page.write_text("<!DOCTYPE html><html><title>404 Not Found</title></html>")
    code, text = dagnn("inspect", str(page))
    assert code == 3
    assert "web page" in text


def test_a_full_disk_is_an_error_and_not_a_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device", "runs/demo/config.yaml")

    monkeypatch.setattr("dagnn.run.report", full)
    code, text = dagnn("report", "runs/demo")
    assert code == 1
    assert "No space left on device" in text and "runs/demo/config.yaml" in text


def test_help_answers_at_once() -> None:
    """A timed bound is loose on purpose; what it guards is a heavy import at the top."""
    started = time.perf_counter()
    subprocess.run([sys.executable, "-m", "dagnn", "--help"], check=True, capture_output=True)
    assert time.perf_counter() - started < 10
    code = "import sys, dagnn.cli; sys.exit(any(m in sys.modules for m in ('torch', 'numpy')))"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.slow
def test_ctrl_c_exits_130_and_the_run_resumes(shared: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    command = [sys.executable, "-m", "dagnn", "train", "--config", "spectra_mmd"]
    command += ["--data", str(shared / "camels"), "--out", str(out)]
    command += ["--set", "evaluation.bootstrap=100", "--set", "evaluation.latent_map=pca"]
    long = [*command, "--set", "training.epochs=2000"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    running = subprocess.Popen(long, stderr=subprocess.PIPE, text=True, env=environment)
    assert running.stderr is not None
    for line in running.stderr:
        if line.startswith("epoch    2/"):
            break
    running.send_signal(signal.SIGINT)
    _, errors = running.communicate(timeout=60)
    assert running.returncode == 130, errors
    assert "Error:" not in errors, "who interrupts has made no error"
    assert f"dagnn train --resume {out}" in errors.replace("\n", "")
    assert (out / "checkpoints" / "last.pt").is_file()
