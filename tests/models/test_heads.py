"""Heads of parameters and of classes."""

import math

import pytest
import torch

from dagnn.models import ClassHead, MomentsHead, PrototypeHead, SignedMomentsHead


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


def test_prototypes_give_the_cosine_over_the_temperature():
    head = PrototypeHead(2, 3, temperature=0.05)
    with torch.no_grad():
        head.prototypes.copy_(torch.tensor([[2.0, 0.0], [0.0, 5.0], [-1.0, -1.0]]))
    logits = head(torch.tensor([[3.0, 0.0]])).logits
    expected = torch.tensor([[20.0, 0.0, -20.0 / math.sqrt(2)]])
    torch.testing.assert_close(logits, expected)


def test_length_of_latents_and_prototypes_does_not_count():
    head, latent = PrototypeHead(8, 4), torch.randn(5, 8)
    before = head(latent).logits
    torch.testing.assert_close(head(9 * latent).logits, before)
    with torch.no_grad():
        head.prototypes.mul_(3)
    torch.testing.assert_close(head(latent).logits, before)
    assert torch.isfinite(head(torch.zeros(1, 8)).logits).all()


def test_temperature_must_be_positive():
    with pytest.raises(ValueError, match="temperature"):
        PrototypeHead(8, 4, temperature=0.0)


def test_class_head_has_the_published_layers_by_default():
    linear = [m for m in ClassHead(2592, 2).layers if isinstance(m, torch.nn.Linear)]
    assert [(m.in_features, m.out_features) for m in linear] == [(2592, 64), (64, 32), (32, 2)]
