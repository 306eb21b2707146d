"""Laws that every encoder and every head of the tables obeys."""

import copy

import pytest
import torch
from elsewhere import elsewhere, moved
from tiny_batches import CASES, IMAGE_CASES, in_domain

from dagnn.models import ENCODERS, HEADS, Network

ALL = CASES | IMAGE_CASES
MOMENTS, CLASSES = {"moments", "published"}, {"classes", "prototypes"}


@pytest.fixture(params=sorted(ENCODERS))
def name(request):
    return request.param


def test_every_member_of_the_tables_is_tested():
    assert set(ENCODERS) == set(ALL)
    assert set(HEADS) == MOMENTS | CLASSES


@pytest.mark.parametrize("domains", [1, 2])
@pytest.mark.parametrize(
    ("name", "options"),
    [(name, {}) for name in sorted(ALL)] + [(name, {"batch_norm": True}) for name in sorted(CASES)],
)
def test_latent_has_one_row_per_item_and_the_promised_width(name, options, domains):
    sizes, make = ALL[name]
    encoder = ENCODERS[name](sizes, domains=domains, **options)
    latent = encoder(make([0, 1, 2]))
    assert latent.shape == (3, encoder.width)
    assert torch.isfinite(latent).all()


def test_permuting_items_only_permutes_rows(name):
    sizes, make = ALL[name]
    network = Network(ENCODERS[name](sizes), HEADS["moments"](ENCODERS[name](sizes).width, 2))
    network.fit_inputs(make([0, 1, 2, 3, 4]))
    network.eval()
    one, other = network(make([0, 1, 2, 3])), network(make([3, 1, 0, 2]))
    order = [3, 1, 0, 2]
    torch.testing.assert_close(one.latent[order], other.latent)
    torch.testing.assert_close(one.prediction.mean[order], other.prediction.mean)


def test_items_do_not_see_each_other_in_evaluation(name):
    sizes, make = ALL[name]
    encoder = ENCODERS[name](sizes).eval()
    torch.testing.assert_close(encoder(make([0, 1, 2]))[2:], encoder(make([2])))


def test_same_input_gives_the_same_bytes(name):
    sizes, make = ALL[name]
    encoder = ENCODERS[name](sizes).eval()
    assert torch.equal(encoder(make([0, 1, 2])), encoder(make([0, 1, 2])))


def test_every_parameter_receives_a_finite_gradient(name):
    sizes, make = ALL[name]
    network = Network(ENCODERS[name](sizes), HEADS["moments"](ENCODERS[name](sizes).width, 1))
    network.fit_inputs(make([0, 1, 2, 3, 4]))
    output = network(make([0, 1, 2, 3]))
    (output.prediction.mean.square().sum() + output.prediction.std.sum()).backward()
    for parameter_name, parameter in network.named_parameters():
        assert parameter.grad is not None, parameter_name
        assert torch.isfinite(parameter.grad).all(), parameter_name
        assert parameter.grad.abs().sum() > 0, parameter_name


def test_input_statistics_of_one_domain_do_not_touch_the_other(name):
    sizes, make = ALL[name]
    encoder = ENCODERS[name](sizes, domains=2).eval()
    one, other = make([0, 1, 2, 3]), make([0, 1, 2, 3])
    one = in_domain(one, 1)
    before = encoder(one), encoder(other)
    encoder.fit_inputs(one)
    assert not torch.equal(encoder(one), before[0])
    assert torch.equal(encoder(other), before[1])


@pytest.mark.parametrize("head", sorted(MOMENTS))
def test_heads_give_mean_and_std_of_every_parameter(head):
    moments = HEADS[head](12, 3)(torch.randn(5, 12))
    assert moments.mean.shape == moments.std.shape == (5, 3)


@pytest.mark.parametrize("head", sorted(CLASSES))
def test_heads_give_a_score_of_every_class(head):
    made = HEADS[head](width=12, classes=3)
    latent = torch.randn(5, 12, requires_grad=True)
    logits = made(latent).logits
    assert logits.shape == (5, 3)
    assert made.count == 3
    logits.square().sum().backward()
    assert all(p.grad.abs().sum() > 0 for p in (latent, *made.parameters()))


@pytest.mark.parametrize("head", sorted(HEADS))
def test_another_device_gives_the_numbers_of_the_cpu(name, head):
    sizes, make = ALL[name]
    encoder = ENCODERS[name](sizes, domains=2)
    start = Network(encoder, HEADS[head](encoder.width, 3))
    for domain in (0, 1):
        start.fit_inputs(in_domain(make([0, 1, 2, 3, 4]), domain))
    found = []
    with elsewhere() as away:
        for device in (torch.device("cpu"), away):
            network = copy.deepcopy(start).to(device)
            torch.manual_seed(1)
            said = network(moved(in_domain(make([0, 1, 2, 3]), 1), device))
            sum(part.square().sum() for part in (said.latent, *said.prediction)).backward()
            values = [*said.prediction, *(weight.grad for weight in network.parameters())]
            assert {value.device for value in values} == {device}
            found.append([value.detach().cpu() for value in values])
    assert all(map(torch.equal, *found))
