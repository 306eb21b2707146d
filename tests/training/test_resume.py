"""Resume: a run killed anywhere continues as if it had not been."""

import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import toy
from toy import SETTINGS, toy_domains, toy_network, toy_objective, train

from dagnn.data.streams import Domains
from dagnn.errors import CheckpointError, Interrupted
from dagnn.training import Callback, Checkpoints, MetricsLog, fit, load_checkpoint


class Stop(Callback):
    """Ctrl-C at one step or after one epoch."""

    def __init__(self, step: int = 0, epoch: int = 0) -> None:
        self.step = step
        self.epoch = epoch

    def on_step(self, step):
        if step == self.step:
            raise KeyboardInterrupt

    def on_epoch(self, record):
        if record.epoch == self.epoch:
            raise KeyboardInterrupt


def same(first, second) -> bool:
    """Whether two nested states are equal bit for bit."""
    if isinstance(first, torch.Tensor):
        return torch.equal(first, second)
    if isinstance(first, dict):
        return first.keys() == second.keys() and all(same(first[key], second[key]) for key in first)
    if isinstance(first, list | tuple):
        return len(first) == len(second) and all(map(same, first, second))
    return first == second


def assert_same_run(first: Path, second: Path) -> None:
    one, two = (load_checkpoint(path / "checkpoints" / "last.pt") for path in (first, second))
    for part in ("network", "objective", "optimizer", "domains", "random", "epoch", "step"):
        assert same(getattr(one, part), getattr(two, part)), part
    assert same(one.selected, two.selected)
    for old, new in zip(one.history, two.history, strict=True):
        assert {**old, "seconds": 0} == {**new, "seconds": 0}
    best = [load_checkpoint(path / "checkpoints" / "best.pt") for path in (first, second)]
    assert same(best[0].network, best[1].network)
    assert best[0].epoch == best[1].epoch


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("uninterrupted")
    network, result = train(folder)
    return folder, network, result


STOPS = [{"epoch": epoch} for epoch in range(1, 7)] + [{"step": step} for step in (1, 6, 24)]


@pytest.mark.parametrize("stop", STOPS, ids=str)
def test_a_run_stopped_anywhere_and_resumed_is_bit_identical(uninterrupted, tmp_path, stop):
    folder, network, result = uninterrupted
    with pytest.raises(Interrupted):
        train(tmp_path, callbacks=[Stop(**stop)])
    torch.manual_seed(999)  # whatever the new process has done before
    resumed, again = train(tmp_path, resume=True, seed=5)
    assert_same_run(folder, tmp_path)
    assert same(dict(network.state_dict()), dict(resumed.state_dict()))
    assert result.best_epoch == again.best_epoch


def test_a_run_stopped_in_every_epoch_is_bit_identical(uninterrupted, tmp_path):
    with pytest.raises(Interrupted):
        train(tmp_path, callbacks=[Stop(step=2)])
    for epoch in range(1, 6):
        with pytest.raises(Interrupted):
            train(tmp_path, resume=True, callbacks=[Stop(epoch=epoch)])
    train(tmp_path, resume=True)
    assert_same_run(uninterrupted[0], tmp_path)


def stubborn_validation():
    """Validation that only gets worse after epoch 2, counted from the history of calls."""
    losses = {1: 2.0, 2: 1.0, 3: 1.5, 4: 1.6, 5: 1.7}
    state = {"epoch": 0}

    def validate(network):
        state["epoch"] += 1
        return {"source_loss": losses[state["epoch"]]}

    return validate, state


def test_early_stopping_remembers_its_patience(tmp_path):
    settings = replace(SETTINGS, patience=3)
    validate, state = stubborn_validation()
    options = {"settings": settings, "validate": validate}
    with pytest.raises(Interrupted):
        fit_with(tmp_path, callbacks=[Stop(epoch=4)], **options)
    assert state["epoch"] == 4
    result = fit_with(tmp_path, resume=True, **options)
    assert len(result.history) == 5
    assert result.stopped_early
    assert result.best_epoch == 2
    # Resuming what is finished changes nothing.
    again = fit_with(tmp_path, resume=True, **options)
    assert again == result


def fit_with(folder, resume=False, objective=None, domains=None, network=None, **options):
    checkpoints = Checkpoints(folder / "checkpoints")
    options = {"settings": SETTINGS, "validate": toy.toy_validation, **options}
    return fit(
        network or toy_network(),
        objective or toy_objective(),
        domains or toy_domains(),
        checkpoints=checkpoints,
        resume=checkpoints.last if resume else None,
        **options,
    )


def test_ctrl_c_says_what_is_saved_and_how_to_go_on(tmp_path):
    with pytest.raises(Interrupted) as caught:
        train(tmp_path, callbacks=[Stop(step=6)])
    last = tmp_path / "checkpoints" / "last.pt"
    assert str(caught.value) == (
        f"Interrupted. The state after epoch 1 is kept in {last}. "
        f"Continue with: dagnn train --resume {tmp_path}"
    )
    assert caught.value.exit_code == 130
    assert load_checkpoint(last).epoch == 1


def test_ctrl_c_in_the_first_epoch_leaves_the_start_to_resume_from(tmp_path):
    with pytest.raises(Interrupted, match="before the first epoch"):
        train(tmp_path, callbacks=[Stop(step=1)])
    assert load_checkpoint(tmp_path / "checkpoints" / "last.pt").step == 0


def test_ctrl_c_without_checkpoints_is_passed_on():
    with pytest.raises(KeyboardInterrupt):
        train(callbacks=[Stop(step=1)])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"epochs": 9}, "epochs was 6 and is now 9.*steps in total was 24 and is now 36"),
        ({"learning_rate": 0.1}, "learning_rate was 0.02 and is now 0.1"),
        ({"schedule": "cosine"}, "schedule was one_cycle and is now cosine"),
        ({"optimizer": "adam"}, "optimizer was adamw and is now adam"),
    ],
)
def test_other_settings_cannot_be_resumed(uninterrupted, changes, message):
    with pytest.raises(CheckpointError, match=message):
        fit_with(uninterrupted[0], resume=True, settings=replace(SETTINGS, **changes))


def test_more_patience_may_be_given_on_resume(uninterrupted, tmp_path):
    folder = uninterrupted[0]
    settings = replace(SETTINGS, patience=None)
    result = fit_with(folder, resume=True, settings=settings)
    assert len(result.history) == 6


def test_another_network_objective_or_data_cannot_be_resumed(uninterrupted):
    folder = uninterrupted[0]
    with pytest.raises(CheckpointError, match="another network"):
        fit_with(folder, resume=True, network=toy_network(width=7))
    with pytest.raises(CheckpointError, match="with 2 targets, now there are 1"):
        domains = toy_domains()
        fit_with(folder, resume=True, domains=Domains(domains.sources, domains.targets[:1]))
    with pytest.raises(CheckpointError, match="steps in total was 24 and is now 18"):
        domains = toy_domains()
        domains.steps = 3
        fit_with(folder, resume=True, domains=domains)


def test_metrics_log_has_one_line_per_epoch_also_after_a_resume(tmp_path):
    log = tmp_path / "metrics.jsonl"
    with pytest.raises(Interrupted):
        train(tmp_path, callbacks=[MetricsLog(log), Stop(epoch=3)])
    with log.open("a") as lines:
        lines.write('{"epoch": 4, "left by a killed run": true}\n')
    train(tmp_path, resume=True, callbacks=[MetricsLog(log)])
    lines = log.read_text().splitlines()
    assert len(lines) == 6
    assert "killed" not in log.read_text()


def start_training(folder: Path) -> subprocess.Popen:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        [sys.executable, toy.__file__, str(folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )
    for line in process.stdout:
        if line.strip() == "epoch 2":
            break
    return process


@pytest.mark.slow
@pytest.mark.parametrize("kind", [signal.SIGKILL, signal.SIGINT])
def test_a_killed_process_is_resumed_bit_identically(tmp_path, kind):
    settings = replace(SETTINGS, epochs=8)
    process = start_training(tmp_path / "killed")
    process.send_signal(kind)
    _, message = process.communicate(timeout=60)
    if kind == signal.SIGINT:
        assert process.returncode == 130
        assert f"Continue with: dagnn train --resume {tmp_path / 'killed'}" in message
    else:
        assert process.returncode == -signal.SIGKILL
    stopped_at = load_checkpoint(tmp_path / "killed" / "checkpoints" / "last.pt").epoch
    assert 2 <= stopped_at < 8
    train(tmp_path / "killed", settings=settings, resume=True, seed=3)
    train(tmp_path / "whole", settings=settings)
    assert_same_run(tmp_path / "killed", tmp_path / "whole")
