"""What the user sees while training, and the log on disk."""

import io
import json
import math

from rich.console import Console
from toy import train

from dagnn.records import EpochRecord
from dagnn.training import MetricsLog, Plan, ProgressReport


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
        assert line.startswith(f"epoch {number}/6 | total ")
        for part in ("task", "mmd", "source_loss", "source_error", "lr ", " s"):
            assert part in line
    assert lines[0].endswith("kept")


def test_lines_can_be_thinned_out_but_the_last_stays():
    progress, text = report(terminal=False, every=4)
    train(callbacks=[progress])
    assert [line[:9] for line in text.getvalue().splitlines()] == ["epoch 4/6", "epoch 6/6"]


def test_a_resumed_run_says_where_it_continues():
    progress, text = report(terminal=False)
    progress.on_start(Plan(9, 4), [EpochRecord(3, 12, 1e-3, 1.0, {})])
    assert text.getvalue() == "continuing after epoch 3 of 9\n"


def test_a_live_bar_in_a_terminal_is_closed_at_the_end():
    progress, text = report(terminal=True, title="tng → simba")
    train(callbacks=[progress])
    assert "tng → simba" in text.getvalue()
    assert "100%" in text.getvalue()
    assert "epoch 6/6" in text.getvalue()
    assert text.getvalue().count("\n") < 20


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
