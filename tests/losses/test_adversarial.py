"""DANN: what the discriminator learns, and what the encoder is told."""

import math

import pytest
import torch
from in_domain import InDomain
from latents import ADVERSARIAL, make_pair, make_term, samples
from torch import nn

from dagnn.data.streams import Domains, Stream
from dagnn.errors import UsageError
from dagnn.losses import DANN, Objective, TaskLoss
from dagnn.losses.adversarial import domain_cross_entropy
from dagnn.nn import reverse_gradient
from dagnn.records import Moments, Output
from dagnn.training import TrainSettings, fit


def trained(name: str, shift: float) -> float:
    """Return the value of a term after its own parameters have been trained on fixed latents."""
    term = make_term(name, dropout=0.0)
    pair = make_pair(*samples(shift, 2000, 2000))
    optimizer = torch.optim.Adam(term.parameters(), lr=0.01)
    for _ in range(30):
        optimizer.zero_grad()
        term(pair).backward()
        optimizer.step()
    return float(term(pair).detach())


@pytest.mark.parametrize("name", ADVERSARIAL)
def test_separable_domains_are_told_apart_and_equal_ones_are_not(name):
    values = [trained(name, shift) for shift in (0.0, 0.5, 1.0, 4.0)]
    assert values == sorted(values, reverse=True)
    assert values[0] > 0.8 * math.log(2)
    assert values[-1] < 0.01


@pytest.mark.parametrize("name", ADVERSARIAL)
def test_chance_is_log_two_for_any_batch_sizes(name):
    term = make_term(name)
    nn.init.zeros_(term.discriminator[-1].weight)
    nn.init.zeros_(term.discriminator[-1].bias)
    assert term(make_pair(*samples(3.0, 5, 17))).item() == pytest.approx(math.log(2))


@pytest.mark.parametrize("name", ADVERSARIAL)
@pytest.mark.parametrize("factor", [1.0, 0.3])
def test_latents_receive_the_negative_of_the_gradient(name, factor):
    source, target = (sample.requires_grad_() for sample in samples(1.0, 12, 9))
    term = make_term(name, factor=factor).eval()
    reversed_ = torch.autograd.grad(term(make_pair(source, target)), (source, target))
    plain = domain_cross_entropy(term.discriminator(source), term.discriminator(target))
    for ours, theirs in zip(reversed_, torch.autograd.grad(plain, (source, target)), strict=True):
        torch.testing.assert_close(ours, -factor * theirs)
        assert ours.abs().sum() > 0


def test_the_factor_follows_the_progress_for_the_latents_and_not_for_the_discriminator():
    for progress, expected in ((0.0, 0.0), (0.1, 2 / (1 + math.exp(-1)) - 1), (1.0, 0.99991)):
        assert DANN(4).strength(progress) == pytest.approx(expected, abs=1e-5)
    source, target = (sample.requires_grad_() for sample in samples(1.0, 12, 9))
    term = make_term("dann")
    term(make_pair(source, target, progress=0.0)).backward()
    assert source.grad.abs().sum() == 0
    assert all(weight.grad.abs().sum() > 0 for weight in term.parameters())


def test_cross_entropy_agrees_with_torch():
    source, target = torch.randn(5, 1), torch.randn(8, 1)
    entropy = nn.functional.binary_cross_entropy_with_logits
    halves = entropy(source, torch.zeros(5, 1)), entropy(target, torch.ones(8, 1))
    torch.testing.assert_close(domain_cross_entropy(source, target), sum(halves) / 2)


def test_reversal_keeps_values():
    values = torch.randn(3, 2)
    assert torch.equal(reverse_gradient(values, 0.7), values)


class Items:
    """A batch of points; the first feature differs between the domains."""

    def __init__(self, x, domain):
        self.x, self.y, self.domain = x, x[:, :1], domain


class Points(InDomain):
    def __init__(self, shift):
        self.x = samples(0.0, 256, 1)[0] + torch.tensor([shift, 0.0, 0.0, 0.0])
        self.y = self.x[:, :1]

    def __len__(self):
        return len(self.x)

    def batch(self, index):
        return Items(self.x[index], self.domain)


class Shift(nn.Module):
    """An encoder that can only shift the target."""

    def __init__(self):
        super().__init__()
        self.shift = nn.Parameter(torch.zeros(4))

    def forward(self, batch):
        latent = batch.x + self.shift * batch.domain
        return Output(latent, Moments(latent[:, :1], latent[:, :1]))


class NoTask(TaskLoss):
    def forward(self, prediction, y):
        return y.new_zeros(())


def fitted_shift(factor: float) -> torch.Tensor:
    """Train encoder and discriminator together; every weight of the latter must move."""
    torch.manual_seed(0)
    network, term = Shift(), DANN(4, dropout=0.0, factor=factor)
    before = [weight.detach().clone() for weight in term.parameters()]
    streams = [Stream(Points(3.0 * d).in_domain(d), range(256), 128, 0) for d in (0, 1)]
    objective = Objective(NoTask(), {"dann": (term, 1.0, "constant")})
    settings = TrainSettings(epochs=60, learning_rate=0.03)
    fit(network, objective, Domains(streams[:1], streams[1:]), settings=settings)
    for old, new in zip(before, term.parameters(), strict=True):
        assert not torch.equal(old, new)
    return network.shift.detach()


def test_training_moves_the_discriminator_and_the_encoder_against_it():
    assert fitted_shift(1.0)[0] < -1.5
    assert torch.equal(fitted_shift(0.0), torch.zeros(4))


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"hidden": 0}, ValueError, "hidden"),
        ({"layers": 0}, ValueError, "layers=0"),
        ({"dropout": 1.0}, ValueError, "dropout"),
        ({"factor": -1.0}, ValueError, "not negative"),
        ({"factor": "gannin"}, UsageError, "'ganin', got 'gannin'"),
    ],
)
def test_wrong_options_are_refused(options, error, message):
    with pytest.raises(error, match=message):
        DANN(4, **options)


def test_an_empty_batch_is_refused():
    with pytest.raises(UsageError, match="got 3 and 0"):
        DANN(4)(make_pair(*samples(0.5, 3, 0)))


def test_repr_tells_the_reversal_and_the_discriminator():
    told = repr(DANN(16))
    assert "factor=ganin" in told
    assert "Linear(in_features=16, out_features=64" in told
    assert told.count("Linear") == 3
