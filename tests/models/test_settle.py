"""Statistics of normalisation layers are exact once the weights are final."""

import copy

import pytest
import torch
from tiny_batches import IMAGE_SIZES, graph_batch, image_batch, in_domain, spectra_batch

from dagnn.errors import UsageError
from dagnn.models import GraphEncoder, MomentsHead, Network, SpectrumEncoder
from dagnn.models.ensemble import Ensemble
from dagnn.models.image import SurveyEncoder
from dagnn.models.normalize import DomainNorm

GRAPH_SIZES = {"node": 4, "edge": 3, "global": 1}
MAKERS = {
    "graph": (
        lambda n: GraphEncoder({"node": 4, "edge": 3, "global": 1}, 8, domains=n),
        graph_batch,
    ),
    "spectrum": (
        lambda n: SpectrumEncoder({"features": 8}, [8], 6, domains=n, batch_norm=True),
        spectra_batch,
    ),
    "image": (
        lambda n: SurveyEncoder(IMAGE_SIZES, (4, 8), width=6, augment=False, domains=n),
        image_batch,
    ),
}


def network_of(name: str, domains: int = 1) -> Network:
    torch.manual_seed(0)
    encoder = MAKERS[name][0](domains)
    return Network(encoder, MomentsHead(encoder.width, 1, hidden=[4])).train()


def trained(network: Network, name: str, domains: int = 1) -> Network:
    for _ in range(3):
        for domain in range(domains):
            network(in_domain(MAKERS[name][1]([0, 2, 3, 4]), domain))
    return network


def norms(network: Network) -> list[DomainNorm]:
    return [module for module in network.modules() if isinstance(module, DomainNorm)]


def seen(network: Network, batch) -> list[torch.Tensor]:
    """Return what each normalisation layer is given, items and pixels first."""
    found: list[torch.Tensor] = []
    handles = [
        norm.register_forward_pre_hook(
            lambda _, inputs: found.append(inputs[0].movedim(1, -1).flatten(0, -2).double())
        )
        for norm in norms(network)
    ]
    with torch.no_grad():
        network.eval()(batch)
    for handle in handles:
        handle.remove()
    return found


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize("parts", [[[0, 1, 2, 3, 4]], [[0, 1], [2], [3, 4]]], ids=["one", "three"])
def test_statistics_are_those_of_all_items_however_they_are_cut(name, parts):
    network, make = trained(network_of(name), name), MAKERS[name][1]
    network.settle([in_domain(make(part), 0) for part in parts])
    assert network.training
    values = seen(network, make([0, 1, 2, 3, 4]))
    assert norms(network), "nothing is tested"
    for norm, given in zip(norms(network), values, strict=True):
        mean, variance = norm.statistics(0)
        torch.testing.assert_close(mean, given.mean(0).float(), rtol=1e-3, atol=1e-4)
        torch.testing.assert_close(
            variance, given.var(0, correction=0).float(), rtol=1e-3, atol=1e-5
        )


@pytest.mark.parametrize("name", MAKERS)
def test_trained_and_adapted_statistics_of_the_same_items_agree(name):
    network, batch = trained(network_of(name), name), in_domain(MAKERS[name][1]([0, 1, 2, 3, 4]), 0)
    network.fit_inputs(batch)
    network.settle([batch])
    adapted = network.eval().adapted(batch)
    torch.testing.assert_close(adapted.state_dict(), network.state_dict())


@pytest.mark.parametrize("name", MAKERS)
def test_domains_have_statistics_of_their_own_or_count_the_same(name):
    make = MAKERS[name][1]
    batches = [in_domain(make([0, 1, 2]), 0), in_domain(make([1, 2, 3, 4]), 1)]
    own = trained(network_of(name, domains=2), name, 2)
    own.settle(batches)
    alone = trained(network_of(name, domains=2), name, 2)
    alone.settle(batches[1:])
    for both, one in zip(norms(own), norms(alone), strict=True):
        torch.testing.assert_close(both.statistics(1), one.statistics(1))
    shared = trained(network_of(name), name)
    shared.settle(batches)
    first = norms(shared)[0]
    given = [seen(shared, batch)[0] for batch in batches]
    expected = torch.stack([values.mean(0) for values in given]).mean(0)
    torch.testing.assert_close(first.statistics(0)[0], expected.float(), rtol=1e-3, atol=1e-5)


def test_members_of_an_ensemble_are_settled_as_alone():
    members = [trained(network_of("spectrum"), "spectrum") for _ in range(2)]
    with torch.no_grad():
        members[1].encoder.layers[0].weight.mul_(2)
    alone = copy.deepcopy(members)
    ensemble, batch = Ensemble(members), spectra_batch([0, 1, 2, 3, 4])
    ensemble.settle([batch])
    for number, member in enumerate(alone):
        member.settle([batch])
        torch.testing.assert_close(ensemble.member(number).state_dict(), member.state_dict())


@pytest.mark.parametrize("once", [iter, lambda batches: map(in_domain, batches, [0, 0])])
def test_batches_that_can_be_iterated_only_once_are_refused(once):
    network = trained(network_of("graph"), "graph")
    before = copy.deepcopy(network.state_dict())
    with pytest.raises(UsageError, match=r"once for every layer.*list of batches"):
        network.settle(once([graph_batch([0, 1]), graph_batch([2, 3, 4])]))
    torch.testing.assert_close(network.state_dict(), before)
    assert network.training


@pytest.mark.parametrize("wrap", [lambda network: network, lambda network: Ensemble([network] * 2)])
def test_statistics_of_nothing_and_of_one_item_are_refused(wrap):
    network = wrap(trained(network_of("graph"), "graph"))
    for call in (lambda: network.settle([]), network.adapted):
        with pytest.raises(UsageError, match="there is no batch"):
            call()
    one = graph_batch([0])
    for call in (lambda: network.settle([one]), lambda: network.adapted(one)):
        with pytest.raises(UsageError, match="at least two items, got 1"):
            call()
    assert network.training
