"""Checkpoint files: whole or absent, plain content, clear errors."""

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from toy import train

from dagnn.errors import CheckpointError
from dagnn.training import Checkpoints, load_checkpoint, load_weights
from dagnn.training.checkpoint import Checkpoint, save_checkpoint


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    train(folder)
    return folder / "checkpoints"


def an_empty_checkpoint(**content) -> Checkpoint:
    parts = {key: {} for key in ("network", "objective", "optimizer", "domains", "random")}
    numbers = {"epoch": 3, "step": 30, "total_steps": 90, "settings": {}, "history": []}
    return Checkpoint(**{**parts, **numbers, **content})


def test_only_tensors_and_plain_values_are_inside(trained):
    content = torch.load(trained / "last.pt", weights_only=True)
    assert content["epoch"] == 6
    assert set(content["random"]) == {"cpu"}
    assert [record["epoch"] for record in content["history"]] == [1, 2, 3, 4, 5, 6]


def test_no_temporary_file_is_left(trained):
    assert sorted(path.name for path in trained.iterdir()) == ["best.pt", "last.pt"]


def test_meta_travels_along(tmp_path):
    meta = {"config": {"a": [1, 2.5, None, True]}, "splits": {"tng": {"train": ["LH_0"]}}}
    checkpoints = Checkpoints(tmp_path, meta)
    checkpoints.save(an_empty_checkpoint(meta=checkpoints.meta), best=True)
    for path in (checkpoints.last, checkpoints.best):
        assert load_checkpoint(path).meta == meta


@pytest.mark.parametrize("value", [Path("x"), np.float64(1.0), np.zeros(2), {"deep": [object()]}])
def test_meta_that_could_not_be_loaded_safely_is_refused_at_once(tmp_path, value):
    with pytest.raises(TypeError, match=r"meta\.thing"):
        Checkpoints(tmp_path, {"thing": value})


def test_nothing_is_written_before_the_first_save(tmp_path):
    Checkpoints(tmp_path / "checkpoints")
    assert not (tmp_path / "checkpoints").exists()


def test_best_is_written_only_for_the_best(tmp_path):
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(an_empty_checkpoint(epoch=1), best=True)
    checkpoints.save(an_empty_checkpoint(epoch=2), best=False)
    assert load_checkpoint(checkpoints.best).epoch == 1
    assert load_checkpoint(checkpoints.last).epoch == 2


def test_a_failed_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "last.pt"
    save_checkpoint(an_empty_checkpoint(), path)
    with pytest.raises((pickle.PicklingError, AttributeError)):
        save_checkpoint(an_empty_checkpoint(epoch=4, network={"bad": lambda: None}), path)
    assert load_checkpoint(path).epoch == 3
    assert list(tmp_path.iterdir()) == [path]


class Malicious:
    def __reduce__(self):
        return (Path.touch, (Path("executed"),))


@pytest.mark.parametrize("damage", ["truncated", "empty", "text", "pickle", "other torch file"])
def test_files_that_are_no_checkpoint_are_named(trained, tmp_path, monkeypatch, damage):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "broken.pt"
    whole = (trained / "last.pt").read_bytes()
    if damage == "truncated":
        path.write_bytes(whole[: len(whole) // 2])
    elif damage == "empty":
        path.write_bytes(b"")
    elif damage == "text":
        path.write_text("<html>not found</html>")
    elif damage == "pickle":
        torch.save({"format": Malicious()}, path)
    else:
        torch.save({"weights": torch.zeros(3)}, path)
    with pytest.raises(CheckpointError, match=r"broken\.pt"):
        load_checkpoint(path)
    assert not (tmp_path / "executed").exists()


def test_a_missing_file_and_missing_parts_are_named(tmp_path):
    with pytest.raises(CheckpointError, match="There is no checkpoint"):
        load_checkpoint(tmp_path / "last.pt")
    torch.save({"format": "dagnn checkpoint 1", "network": {}}, tmp_path / "part.pt")
    with pytest.raises(CheckpointError, match="lacks best_network, domains"):
        load_checkpoint(tmp_path / "part.pt")


def test_weights_of_another_shape_are_refused():
    with pytest.raises(CheckpointError, match="another encoder"):
        load_weights(nn.Linear(3, 2), nn.Linear(4, 2).state_dict(), "encoder")
