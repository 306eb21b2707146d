"""An ensemble is its members: forward, statistics, gradient, whichever way they run."""

import copy

import pytest
import torch
from tiny_batches import CASES, IMAGE_CASES, in_domain
from torch import nn

from dagnn.models import ENCODERS, HEADS, Ensemble, Network
from dagnn.nn import member_output

MEMBERS = 3
WAYS = pytest.mark.parametrize("together", [False, True], ids=["one by one", "together"])


@pytest.fixture(params=sorted(CASES))
def name(request):
    return request.param


def make(name: str, seed: int, **options) -> Network:
    torch.manual_seed(seed)
    encoder = ENCODERS[name](CASES[name][0], batch_norm=True, **options)
    return Network(encoder, HEADS["moments"](encoder.width, 2))


def make_ensemble(name: str, together: bool | None = None, **options) -> Ensemble:
    return Ensemble([make(name, seed, **options) for seed in range(MEMBERS)], together)


def assert_same_state(one: nn.Module, other: nn.Module) -> None:
    torch.testing.assert_close(dict(one.state_dict()), dict(other.state_dict()))


@WAYS
def test_every_member_does_what_it_does_alone(name, together):
    batch = CASES[name][1]
    ensemble, alone = make_ensemble(name, together), [make(name, i) for i in range(MEMBERS)]
    for network in (ensemble, *alone):
        network.fit_inputs(batch([0, 1, 2, 3, 4]))
    for items in ([0, 1, 2], [3, 4], [1, 3, 4]):  # each moves the running statistics
        output = ensemble(batch(items))
        for number, network in enumerate(alone):
            expected = network(batch(items))
            torch.testing.assert_close(output.latent[number], expected.latent, rtol=1e-4, atol=1e-5)
            for ours, theirs in zip(output.prediction, expected.prediction, strict=True):
                torch.testing.assert_close(ours[number], theirs, rtol=1e-4, atol=1e-5)
    for number, network in enumerate(alone):
        torch.testing.assert_close(
            dict(ensemble.member(number).state_dict()),
            dict(network.state_dict()),
            rtol=1e-4,
            atol=1e-5,
        )
        assert ensemble.member(number).encoder.norm.batches.tolist() == [3]


@WAYS
def test_a_member_receives_the_gradient_that_it_receives_alone(name, together):
    batch = CASES[name][1]([0, 1, 2, 3])
    ensemble, alone = make_ensemble(name, together), make(name, 1)
    for network in (ensemble, alone):
        output = network(batch)
        (output.prediction.mean.square().sum() + output.prediction.std.log().sum()).backward()
    expected = dict(alone.named_parameters())
    for path, parameter in ensemble.named_parameters():
        assert isinstance(parameter, nn.Parameter) and len(parameter) == MEMBERS
        torch.testing.assert_close(
            parameter.grad[1], expected[path].grad, rtol=1e-3, atol=1e-4, msg=path
        )


def test_parameters_are_few_and_named_as_in_one_network(name):
    ensemble, single = make_ensemble(name), make(name, 0)
    assert list(ensemble.state_dict()) == list(single.state_dict())
    for path, parameter in single.named_parameters():
        assert torch.equal(ensemble.get_parameter(path)[0], parameter)


def test_the_width_is_that_of_one_member(name):
    assert make_ensemble(name).width == make(name, 0).width


def test_input_statistics_are_shared_and_fitted_per_domain(name):
    batch = CASES[name][1]([0, 1, 2, 3])
    ensemble, single = make_ensemble(name, domains=2), make(name, 0, domains=2)
    for network in (ensemble, single):
        network.fit_inputs(in_domain(batch, 1))
    fitted = [path for path, _ in single.named_buffers() if ".norm." not in path]
    for path in fitted:
        assert torch.equal(ensemble.get_buffer(path), single.get_buffer(path)), path
    assert ensemble.get_buffer("encoder.norm.mean").shape[:2] == (MEMBERS, 2)


def test_statistics_that_are_not_declared_as_inputs_are_kept_per_member():
    class Centred(nn.Module):
        """Keeps an input statistic, and does not say that members may share it."""

        width = 2

        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(2, 2)
            self.register_buffer("centre", torch.zeros(2))

        def fit_inputs(self, *batches):
            self.centre.copy_(batches[0].mean(0))

        def forward(self, batch):
            return self.layer(batch - self.centre)

    networks = [Network(Centred(), HEADS["moments"](2, 1)) for _ in range(2)]
    ensemble, points = Ensemble(networks), torch.randn(5, 2)
    ensemble.fit_inputs(points)
    networks[1].fit_inputs(points)
    torch.testing.assert_close(ensemble(points).latent[1], networks[1](points).latent)


@WAYS
def test_batch_norm_of_torch_keeps_statistics_per_member(together):
    def make_normed() -> Network:
        encoder = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
        encoder.width = 3
        return Network(encoder, HEADS["moments"](3, 1))

    networks = [make_normed() for _ in range(2)]
    ensemble, points = Ensemble(networks, together), torch.randn(8, 2)
    ensemble(points)
    for number, network in enumerate(networks):
        network(points)
        assert_same_state(ensemble.member(number), network)


@pytest.mark.parametrize("head", ["classes", "prototypes"])
def test_members_of_image_networks_do_what_they_do_alone(head):
    sizes, batch = IMAGE_CASES["image"]

    def make_images(seed: int) -> Network:
        torch.manual_seed(seed)
        encoder = ENCODERS["image"](sizes, augment=False)
        return Network(encoder, HEADS[head](encoder.width, 4))

    ensemble = Ensemble([make_images(seed) for seed in range(2)])
    network = make_images(1)
    for each in (ensemble, network):
        each.fit_inputs(batch([0, 1, 2]))
        each(batch([2, 3, 4]))
    torch.testing.assert_close(
        dict(ensemble.member(1).state_dict()), dict(network.state_dict()), rtol=1e-4, atol=1e-5
    )
    ours = member_output(ensemble.eval()(batch([0, 1])), 1)
    torch.testing.assert_close(ours, network.eval()(batch([0, 1])), rtol=1e-4, atol=1e-5)


@WAYS
def test_adapted_members_are_the_members_adapted(name, together):
    batch = CASES[name][1]([0, 1, 2, 3, 4])
    ensemble = make_ensemble(name, together)
    before = copy.deepcopy(ensemble.state_dict())
    adapted = ensemble.adapted(batch)
    assert not adapted.training and adapted.together == together
    for number in range(MEMBERS):
        expected = make(name, number).adapted(batch)(batch)
        torch.testing.assert_close(
            adapted(batch).latent[number], expected.latent, rtol=1e-4, atol=1e-5
        )
    torch.testing.assert_close(dict(ensemble.state_dict()), dict(before))


@WAYS
def test_members_drop_different_units(together):
    torch.manual_seed(0)
    encoder = ENCODERS["spectrum"]({"features": 8}, dropout=0.5)
    network = Network(encoder, HEADS["moments"](encoder.width, 1))
    ensemble = Ensemble([network, network], together)
    batch = CASES["spectrum"][1]([0, 1, 2])
    one, other = ensemble(batch).latent
    assert not torch.equal(one, other)
    one, other = ensemble.eval()(batch).latent
    torch.testing.assert_close(one, other)


@WAYS
def test_a_copied_and_stored_ensemble_says_the_same(name, together):
    batch = CASES[name][1]([0, 1, 2])
    ensemble = make_ensemble(name, together).eval()
    other = Ensemble([make(name, 7 + i) for i in range(MEMBERS)], together).eval()
    other.load_state_dict(ensemble.state_dict())
    for same in (other, copy.deepcopy(ensemble)):
        assert torch.equal(same(batch).latent, ensemble(batch).latent)


def test_modes_of_single_parts_travel_with_a_member():
    ensemble = make_ensemble("spectrum")
    ensemble.encoder.norm.eval()
    member = ensemble.member(0)
    assert member.training and not member.encoder.norm.training


def test_it_tells_its_members_and_refuses_what_does_not_fit_together():
    assert "members=3, together=True" in repr(make_ensemble("spectrum"))
    assert "together=False" in repr(make_ensemble("graph"))
    with pytest.raises(ValueError, match="at least one member"):
        Ensemble([])
    with pytest.raises(ValueError, match="Member 1"):
        Ensemble([make("spectrum", 0), make("spectrum", 0, width=5)])
