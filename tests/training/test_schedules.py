"""Learning-rate schedules: values, shape, and that training follows them."""

import pytest
import torch
from toy import toy_domains, toy_network, toy_objective

from dagnn.training import SCHEDULES, Callback, TrainSettings, fit
from dagnn.training.loop import Loop

GRID = [step / 1000 for step in range(1001)]


@pytest.mark.parametrize("name", SCHEDULES)
def test_fractions_stay_within_zero_and_one_and_reach_the_peak(name):
    values = [SCHEDULES[name](progress) for progress in GRID]
    assert min(values) >= 0
    assert max(values) == pytest.approx(1, abs=5e-3)


@pytest.mark.parametrize("name", ["one_cycle", "cosine"])
def test_annealed_schedules_end_low(name):
    assert SCHEDULES[name](0.999) < 1e-3


def test_one_cycle_agrees_with_torch():
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    steps = 1001
    reference = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=1.0, total_steps=steps, final_div_factor=400.0
    )
    for progress in GRID[:-1]:
        # torch counts its two phases to one step before their ends
        ours = SCHEDULES["one_cycle"](progress)
        assert ours == pytest.approx(optimizer.param_groups[0]["lr"], abs=6e-3)
        optimizer.step()
        reference.step()


def test_cosine_values():
    values = [SCHEDULES["cosine"](progress) for progress in (0, 1 / 3, 0.5, 1)]
    assert values == pytest.approx([1, 0.75, 0.5, 0])


def test_cyclic_makes_two_and_three_quarter_triangles():
    values = [SCHEDULES["cyclic"](progress / 2.75) for progress in (0, 0.5, 1.0, 1.5, 2.0, 2.5)]
    assert values == pytest.approx([0, 1, 0, 1, 0, 1], abs=2e-4)


@pytest.mark.parametrize("name", SCHEDULES)
def test_training_follows_the_schedule(name):
    settings = TrainSettings(epochs=2, learning_rate=0.01, schedule=name)
    network, objective, domains = toy_network(), toy_objective(), toy_domains()
    loop = Loop(network, objective, domains, settings)
    rates = []
    for _ in range(8):
        loop.run_step()
        rates.append({group["lr"] for group in loop.optimizer.param_groups})
    assert rates == [{0.01 * SCHEDULES[name](step / 8)} for step in range(8)]


def test_a_record_tells_the_rate_at_the_end_of_its_epoch():
    seen = []

    class Look(Callback):
        def on_epoch(self, record):
            seen.append(record.learning_rate)

    settings = TrainSettings(epochs=2, schedule="cosine", learning_rate=0.01)
    fit(toy_network(), toy_objective(), toy_domains(), settings=settings, callbacks=[Look()])
    assert seen == [0.01 * SCHEDULES["cosine"](step / 8) for step in (3, 7)]
