"""The device of these tests refuses what a GPU refuses, and computes what the CPU does."""

import copy

import pytest
import torch
from elsewhere import elsewhere, questions
from torch import nn


def test_training_there_gives_the_numbers_of_the_cpu():
    start = nn.Sequential(nn.Linear(3, 5), nn.BatchNorm1d(5), nn.ReLU(), nn.Linear(5, 1))
    x, seen = torch.randn(20, 3), []
    with elsewhere() as away:
        for device in (torch.device("cpu"), away):
            network = copy.deepcopy(start).to(device)
            optimizer = torch.optim.AdamW(network.parameters(), lr=0.1)
            for _ in range(5):
                optimizer.zero_grad()
                network(x.to(device)).square().mean().backward()
                optimizer.step()
            seen.append([value.cpu() for value in network.state_dict().values()])
            assert {value.device for value in network.state_dict().values()} == {device}
    assert all(map(torch.equal, *seen))


@pytest.mark.parametrize(
    "mistake",
    [
        lambda x: x + torch.ones(3),
        lambda x: torch.cat([x, torch.zeros(1, 3)]),
        lambda x: torch.zeros(2, 3).copy_(x) + x,
        lambda x: torch.zeros(2, 3)[x[0].long()],
        lambda x: nn.Linear(3, 1)(x),
        lambda x: x.numpy(),
        lambda x: torch.randperm(3, generator=torch.Generator(), device=x.device),
        lambda x: x.normal_(generator=torch.Generator()),
    ],
)
def test_what_a_gpu_refuses_is_refused(mistake):
    with elsewhere() as away, pytest.raises((RuntimeError, TypeError)):
        mistake(torch.zeros(2, 3, device=away))


def test_what_a_gpu_takes_is_taken():
    with elsewhere() as away:
        x = torch.arange(6.0, device=away).view(2, 3)
        assert (x * torch.tensor(2.0))[torch.tensor([1])].tolist() == [[6, 8, 10]]
        x[:, 1].mul_(10)
        assert x.cpu().numpy().tolist() == [[0, 10, 2], [3, 40, 5]]
        assert torch.empty(2).copy_(x[0, :2]).tolist() == [0, 10]
        assert float(x.sum()) == 60


def test_waiting_for_the_device_is_counted():
    with elsewhere() as away:
        x = torch.arange(6.0, device=away)
        counts = torch.tensor([1, 2], device=away)

        def asked(work):
            before = questions()
            work()
            return questions() - before

        telling = [x.sum().item, x.cpu, lambda: x[x > 2], lambda: counts.repeat_interleave(counts)]
        assert [asked(work) for work in telling] == [1, 1, 1, 1]
        silent = [
            lambda: x[counts] + x.sum(),
            lambda: counts.repeat_interleave(counts, output_size=3),
            lambda: torch.zeros(6).to(away).add_(x),
        ]
        assert [asked(work) for work in silent] == [0, 0, 0]
