"""Laws that every encoder and every head of the tables obeys."""

import pytest
import torch
from tiny_batches import CASES, in_domain

from dagnn.models import ENCODERS, HEADS, Network


@pytest.fixture(params=sorted(ENCODERS))
def name(request):
    return request.param


@pytest.mark.parametrize("batch_norm", [False, True])
@pytest.mark.parametrize("domains", [1, 2])
def test_latent_has_one_row_per_item_and_the_promised_width(name, batch_norm, domains):
    sizes, make = CASES[name]
    encoder = ENCODERS[name](sizes, batch_norm=batch_norm, domains=domains)
    latent = encoder(make([0, 1, 2]))
    assert latent.shape == (3, encoder.width)
    assert torch.isfinite(latent).all()


def test_permuting_items_only_permutes_rows(name):
    sizes, make = CASES[name]
    network = Network(ENCODERS[name](sizes), HEADS["moments"](ENCODERS[name](sizes).width, 2))
    network.fit_inputs(make([0, 1, 2, 3, 4]))
    network.eval()
    one, other = network(make([0, 1, 2, 3])), network(make([3, 1, 0, 2]))
    order = [3, 1, 0, 2]
    torch.testing.assert_close(one.latent[order], other.latent)
    torch.testing.assert_close(one.prediction.mean[order], other.prediction.mean)


def test_items_do_not_see_each_other_in_evaluation(name):
    sizes, make = CASES[name]
    encoder = ENCODERS[name](sizes).eval()
    torch.testing.assert_close(encoder(make([0, 1, 2]))[2:], encoder(make([2])))


def test_same_input_gives_the_same_bytes(name):
    sizes, make = CASES[name]
    encoder = ENCODERS[name](sizes).eval()
    assert torch.equal(encoder(make([0, 1, 2])), encoder(make([0, 1, 2])))


def test_every_parameter_receives_a_finite_gradient(name):
    sizes, make = CASES[name]
    network = Network(ENCODERS[name](sizes), HEADS["moments"](ENCODERS[name](sizes).width, 1))
    network.fit_inputs(make([0, 1, 2, 3, 4]))
    output = network(make([0, 1, 2, 3]))
    (output.prediction.mean.square().sum() + output.prediction.std.sum()).backward()
    for parameter_name, parameter in network.named_parameters():
        assert parameter.grad is not None, parameter_name
        assert torch.isfinite(parameter.grad).all(), parameter_name
        assert parameter.grad.abs().sum() > 0, parameter_name


def test_input_statistics_of_one_domain_do_not_touch_the_other(name):
    sizes, make = CASES[name]
    encoder = ENCODERS[name](sizes, domains=2, batch_norm=False).eval()
    one, other = make([0, 1, 2, 3]), make([0, 1, 2, 3])
    one = in_domain(one, 1)
    before = encoder(one), encoder(other)
    encoder.fit_inputs(one)
    assert not torch.equal(encoder(one), before[0])
    assert torch.equal(encoder(other), before[1])


@pytest.mark.parametrize("head", sorted(HEADS))
def test_heads_give_mean_and_std_of_every_parameter(head):
    moments = HEADS[head](12, 3)(torch.randn(5, 12))
    assert moments.mean.shape == moments.std.shape == (5, 3)
