"""Heads for classes: values worked out by hand."""

import math

import pytest
import torch

from dagnn.models import ClassHead, PrototypeHead


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
