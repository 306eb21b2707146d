"""The mixture of an ensemble: by hand, by sampling, and what it can only improve."""

import pytest
import torch
from torch.distributions import Categorical, MixtureSameFamily, Normal

from dagnn.nn import member_output, mixture
from dagnn.records import Logits, Moments, Output

MEMBERS, ITEMS, WIDTH = 5, 7, 3


def random_moments(members: int = MEMBERS, items: int = ITEMS) -> Output:
    mean, std = torch.randn(members, items, 2), torch.rand(members, items, 2) + 0.1
    return Output(torch.randn(members, items, WIDTH), Moments(mean, std))


def random_logits() -> Output:
    latent = torch.randn(MEMBERS, ITEMS, WIDTH)
    return Output(latent, Logits(3 * torch.randn(MEMBERS, ITEMS, 4)))


def in_order(output: Output, order: list[int]) -> Output:
    prediction = type(output.prediction)(*(column[order] for column in output.prediction))
    return Output(output.latent[order], prediction)


def test_moments_are_those_of_samples_of_the_mixture():
    output = random_moments(items=1)
    mean, std = output.prediction
    samples = torch.stack([m + s * torch.randn(200_000, 2) for m, s in zip(mean, std, strict=True)])
    samples = samples.reshape(-1, 2)
    mixed = mixture(output).prediction
    torch.testing.assert_close(mixed.mean[0], samples.mean(0), atol=5e-3, rtol=0)
    torch.testing.assert_close(mixed.std[0], samples.std(0), atol=5e-3, rtol=0)


def test_moments_are_those_of_the_library():
    output = random_moments()
    mean, std = (column.movedim(0, -1) for column in output.prediction)
    theirs = MixtureSameFamily(Categorical(torch.ones_like(mean)), Normal(mean, std))
    mixed = mixture(output).prediction
    torch.testing.assert_close(mixed.mean, theirs.mean)
    torch.testing.assert_close(mixed.std, theirs.stddev)


def test_the_sign_of_a_published_standard_deviation_does_not_matter():
    output = random_moments()
    mean, std = output.prediction
    negative = output._replace(prediction=Moments(mean, -std))
    torch.testing.assert_close(mixture(negative).prediction, mixture(output).prediction)


def test_members_that_agree_are_one_network_to_the_last_digits():
    one = torch.full((4, 1), 1e3), torch.full((4, 1), 1e-3)
    output = Output(torch.zeros(3, 4, 1), Moments(*(column.expand(3, 4, 1) for column in one)))
    mean, std = mixture(output).prediction
    torch.testing.assert_close(mean, one[0])
    torch.testing.assert_close(std, one[1])


def test_class_probabilities_are_averaged():
    output = random_logits()
    probability = output.prediction.logits.softmax(-1).mean(0)
    mixed = mixture(output).prediction.logits
    torch.testing.assert_close(mixed.exp(), probability)
    torch.testing.assert_close(mixed.softmax(-1), probability)


@pytest.mark.parametrize("make", [random_moments, random_logits])
def test_the_order_of_members_does_not_matter(make):
    output = make()
    shuffled = in_order(output, [3, 1, 4, 0, 2])
    torch.testing.assert_close(mixture(shuffled).prediction, mixture(output).prediction)


@pytest.mark.parametrize("make", [random_moments, random_logits])
def test_without_members_nothing_changes_and_latents_stand_side_by_side(make):
    output = make()
    single = member_output(output, 2)
    assert mixture(single) is single
    latent = mixture(output).latent
    assert latent.shape == (ITEMS, MEMBERS * WIDTH)
    torch.testing.assert_close(latent[:, 2 * WIDTH : 3 * WIDTH], single.latent)


def test_the_mixture_of_classes_is_never_worse_than_its_members_on_average():
    output, truth = random_logits(), torch.randint(4, (ITEMS,))
    losses = [
        torch.nn.functional.cross_entropy(member_output(output, m).prediction.logits, truth)
        for m in range(MEMBERS)
    ]
    mixed = torch.nn.functional.cross_entropy(mixture(output).prediction.logits, truth)
    assert mixed < torch.stack(losses).mean()


def test_the_mixture_of_moments_has_the_better_likelihood_on_average():
    # Every member sees the truth with errors of its own and claims too small an error bar.
    truth = torch.randn(2000, 2)
    mean = truth + torch.randn(2000, 2) * 0.2 + torch.randn(MEMBERS, 2000, 2) * 0.5
    output = Output(torch.zeros(MEMBERS, 2000, 1), Moments(mean, torch.full_like(mean, 0.4)))

    def nll(prediction: Moments) -> torch.Tensor:
        return -Normal(*prediction).log_prob(truth).mean()

    members = [nll(member_output(output, m).prediction) for m in range(MEMBERS)]
    assert nll(mixture(output).prediction) < min(members)
