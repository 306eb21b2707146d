"""Several processes: the losses of one, one message where something breaks."""

import json
from pathlib import Path

import pytest
import torch
from processes import finish, start
from shared_cases import CASES, MIXED, REFUSED, gradient_of_shared_rows, losses, plain_steps

from dagnn import collective
from dagnn.errors import UsageError
from dagnn.training.distributed import init_process_group
from dagnn.training.loop import SINGLE_PROCESS, process_group
from dagnn.training.optimizers import OPTIMIZERS

SCRIPT = str(Path(__file__).with_name("shared_cases.py"))


@pytest.fixture(autouse=True)
def _plain_steps(monkeypatch):
    monkeypatch.setitem(OPTIMIZERS, "adam", OPTIMIZERS["adam"])
    plain_steps()


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """What several processes found in all cases."""
    out = tmp_path_factory.mktemp("shared") / "found.json"
    processes = start([SCRIPT, str(out)])
    said = finish(processes)
    assert [process.returncode for process in processes] == [0, 0], said
    assert said == ["", ""]
    return json.loads(out.read_text())


def test_gradients_through_a_shared_batch_are_those_of_the_whole_one(shared):
    assert shared["law"] == pytest.approx(gradient_of_shared_rows(), rel=1e-10)


@pytest.mark.parametrize("name", CASES)
def test_every_step_has_the_losses_of_one_process(shared, name):
    alone = losses(CASES[name])
    assert len(shared[name]) == len(alone)
    for ours, theirs in zip(shared[name], alone, strict=True):
        assert ours == pytest.approx(theirs, rel=1e-5, abs=1e-5)


def test_mixed_precision_is_shared_too(shared):
    alone = losses(CASES["graphs"], MIXED)
    assert alone != losses(CASES["graphs"])
    for ours, theirs in zip(shared["mixed"], alone, strict=True):
        # Products are rounded to eight bits, so a sum in another order may show.
        assert ours == pytest.approx(theirs, rel=1e-2, abs=1e-2)


def test_dropout_differs_between_processes_and_epochs(shared):
    differences = [step["halves"] for step in shared["dropout"][:-1]]
    assert min(differences) > 0.01
    assert len(set(differences)) == len(differences)


def test_a_shared_training_with_dropout_resumes_exactly(shared):
    assert shared["resumed"] == shared["dropout"][:-1]


def test_what_all_meet_is_an_error_like_any_other(shared):
    words = ["NonFiniteLossError: Training became non-finite", "batch of 1", "BatchNorm1d"]
    for name, text in zip(REFUSED, words, strict=True):
        assert text in shared[name], name


@pytest.mark.parametrize(
    ("way", "first", "second"),
    [("raise", "", "no memory left"), ("kill", "Another process of this training has gone", "")],
)
def test_an_error_in_one_process_ends_all_with_one_message(tmp_path, way, first, second):
    processes = start([SCRIPT, str(tmp_path / "found.json"), way])
    said = finish(processes)
    assert all(process.returncode for process in processes)
    for text, expected in zip(said, (first, second), strict=True):
        assert expected in text if expected else not text, said


def test_alone_nothing_is_shared(monkeypatch):
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    with init_process_group() as group:
        assert group is SINGLE_PROCESS is process_group()
        assert group.is_main and group.world_size == 1
    rows = torch.arange(4)
    assert collective.local_rows(rows) is rows
    assert collective.gather_rows(rows) is rows
    assert collective.sum_over_processes(rows) is rows


def test_a_batch_is_cut_into_consecutive_shares(monkeypatch):
    monkeypatch.setattr(collective, "world_size", lambda: 3)
    cut = []
    for rank in range(3):
        monkeypatch.setattr(torch.distributed, "get_rank", lambda rank=rank: rank)
        cut.append(collective.local_rows(torch.arange(7)).tolist())
    assert cut == [[0, 1, 2], [3, 4], [5, 6]]
    with pytest.raises(UsageError, match="2 items cannot be shared by 3 processes"):
        collective.local_rows(torch.arange(2))


def test_processes_that_find_nobody_say_how_to_start(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.delenv("RANK", raising=False)
    with pytest.raises(UsageError, match="torchrun --nproc-per-node"), init_process_group():
        pass


@pytest.mark.parametrize("size", [{"WORLD_SIZE": "abc"}, {"WORLD_SIZE": ""}, {"LOCAL_RANK": "1.5"}])
def test_what_should_count_processes_and_does_not_is_named(monkeypatch, size):
    ((name, value),) = size.items()
    for key, text in ({"WORLD_SIZE": "2"} | size).items():
        monkeypatch.setenv(key, text)
    with (
        pytest.raises(UsageError, match=f"{name} is '{value}'.*torchrun --nproc"),
        init_process_group(),
    ):
        pass
