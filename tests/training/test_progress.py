"""What the user sees while training, and the log on disk."""

import io
import json
import math

from rich.console import Console
from toy import train

from dagnn.records import EpochRecord
from dagnn.training import MetricsLog, Plan, ProgressReport, legend
from dagnn.training.callbacks import epoch_line, short_line


def report(terminal: bool, **options) -> tuple[ProgressReport, io.StringIO]:
    text = io.StringIO()
    console = Console(file=text, force_terminal=terminal, width=200)
    return ProgressReport(console, **options), text


def test_one_line_per_epoch_without_a_terminal():
    progress, text = report(terminal=False)
    train(callbacks=[progress])
    lines = text.getvalue().splitlines()
    assert len(lines) == 6
    for number, line in enumerate(lines, start=1):
        assert line.startswith(f"epoch {number}/6 | train: total ")
        for part in ("task", "mmd", "| valid: source_loss", "source_error", "lr ", " s"):
            assert part in line
    assert lines[0].endswith("kept")


def test_terms_that_tell_nothing_are_left_out():
    progress, text = report(terminal=False, silent=["mmd"])
    train(callbacks=[progress])
    assert "task" in text.getvalue() and "mmd" not in text.getvalue()


def test_the_legend_explains_every_word_of_a_line_or_of_the_bar():
    numbers = {"source_error": 0.1, "latent_distance": 0.2}
    record = EpochRecord(3, 60, 1e-3, 1.25, {"total": -2.5, "task": -2.6}, numbers, best=True)
    for word in ("train", "total", "task", "valid", *numbers, "lr", "kept"):
        assert word in epoch_line(record, 30) and word in legend(terminal=False, classes=False)
    for word in ("error", "latent distance"):
        assert word in short_line(record, 30) and word in legend(terminal=True, classes=True)


def test_a_resumed_run_says_where_it_continues():
    progress, text = report(terminal=False)
    progress.on_start(Plan(9, 4), [EpochRecord(3, 12, 1e-3, 1.0, {})])
    assert text.getvalue() == "Continuing after epoch 3 of 9\n"


def test_a_live_bar_in_a_terminal_is_closed_at_the_end():
    progress, text = report(terminal=True, title="tng → simba")
    train(callbacks=[progress])
    assert "tng → simba" in text.getvalue()
    assert "epoch 6/6, error " in text.getvalue()
    assert text.getvalue().count("\n") < 20


def test_bar_and_numbers_fit_80_columns():
    text = io.StringIO()
    numbers = {"source_error": 0.1234, "latent_distance": 0.1234}
    progress = ProgressReport(
        Console(file=text, force_terminal=True, width=80, color_system=None), title="source-only"
    )
    progress.on_start(Plan(30, 4), [])
    progress.on_step(120)
    progress.on_epoch(EpochRecord(30, 120, 1e-3, 1.0, {"total": 1.0}, numbers))
    progress.on_close()
    assert "source-only ━━━━━━━━━━" in text.getvalue()
    assert "epoch 30/30, error 0.123, latent distance 0.123" in text.getvalue()


def test_the_log_is_strict_json_with_null_for_what_is_not_finite(tmp_path):
    log = MetricsLog(tmp_path / "metrics.jsonl")
    record = EpochRecord(1, 4, 1e-3, 0.5, {"total": -1.0}, {"latent_distance": math.nan}, True)
    log.on_start(Plan(2, 4), [])
    log.on_epoch(record)
    [line] = (tmp_path / "metrics.jsonl").read_text().splitlines()
    assert json.loads(line) == {
        "epoch": 1,
        "step": 4,
        "learning_rate": 1e-3,
        "seconds": 0.5,
        "train": {"total": -1.0},
        "valid": {"latent_distance": None},
        "best": True,
    }


def test_the_log_is_readable_after_every_epoch(tmp_path):
    path = tmp_path / "metrics.jsonl"
    train(callbacks=[MetricsLog(path)])
    records = [json.loads(line) for line in path.read_text().splitlines()]
    assert [record["epoch"] for record in records] == [1, 2, 3, 4, 5, 6]
