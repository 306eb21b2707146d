"""Heads: the moments they start from, and the bound on the standard deviation."""

import pytest
import torch

from dagnn.models import MomentsHead, SignedMomentsHead


def test_untrained_head_answers_the_prior():
    moments = MomentsHead(16, 2)(torch.zeros(4, 16))
    assert moments.mean.mean().item() == pytest.approx(0.5, abs=0.2)
    assert moments.std.mean().item() == pytest.approx(12**-0.5, abs=0.1)


def test_std_stays_above_its_bound():
    head = MomentsHead(3, 1, hidden=(), minimum_std=0.02)
    with torch.no_grad():
        head.layers[-1].weight.zero_()
        head.layers[-1].bias.fill_(-100.0)
    assert head(torch.randn(6, 3)).std.min().item() == pytest.approx(0.02)


def test_published_head_lets_std_take_either_sign():
    std = SignedMomentsHead(5, 1)(torch.randn(200, 5) * 10).std
    assert (std < 0).any()
    assert (std > 0).any()


def test_mean_and_std_are_separate_outputs_in_the_published_order():
    head = SignedMomentsHead(2, 2, hidden=())
    with torch.no_grad():
        head.layers[0].weight.zero_()
        head.layers[0].bias.copy_(torch.tensor([1.0, 2.0, 3.0, 4.0]))
    moments = head(torch.zeros(1, 2))
    assert moments.mean.tolist() == [[1, 2]]
    assert moments.std.tolist() == [[3, 4]]
