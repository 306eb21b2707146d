"""Training histories are read back as they were written."""

import json
from dataclasses import asdict

import pytest

from dagnn.errors import MissingDataError, TableError
from dagnn.report.history import read_epochs, training_facts


def test_round_trip_ignores_foreign_keys(tmp_path, history):
    path = tmp_path / "metrics.jsonl"
    lines = [json.dumps(asdict(record) | {"note": "more"}) for record in history]
    path.write_text("\n".join(lines) + "\n")
    assert read_epochs(path) == history


def test_broken_histories_name_the_line(tmp_path, history):
    path = tmp_path / "metrics.jsonl"
    with pytest.raises(MissingDataError, match=r"metrics\.jsonl"):
        read_epochs(path)
    path.write_text(json.dumps(asdict(history[0])) + '\n{"epoch": 2}\n')
    with pytest.raises(TableError, match="line 2"):
        read_epochs(path)
    path.write_text('{"epoch": ')
    with pytest.raises(TableError, match="line 1"):
        read_epochs(path)


def test_facts(history):
    facts = training_facts(history)
    assert facts["epochs"] == "9"
    assert facts["optimiser steps"] == "90"
    assert facts["chosen epoch"] == "7"
    assert facts["time"] == "22.5 s"
    assert facts["source_error at the chosen epoch"] == "0.05714"
    assert training_facts([]) == {}
    assert training_facts(history * 4)["time"] == "1 min 30 s"
