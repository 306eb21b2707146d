"""Encoders of images and their augmentation."""

import pytest
import torch
from tiny_batches import IMAGE_CASES, IMAGE_SIZES, image_batch, in_domain

from dagnn.models import ENCODERS, ClassHead, DeepMergeEncoder, Ensemble, Network, SiddaEncoder
from dagnn.models.image import Augment, symmetries
from dagnn.models.normalize import ChannelNorm
from dagnn.records import TensorBatch

DEEPMERGE = {"channels": 3, "height": 75, "width": 75}


# ResNet-50 is ResNet-18 with other blocks, and slow; the laws hold it.
@pytest.fixture(params=sorted(IMAGE_CASES.keys() - {"resnet50"}))
def name(request):
    return request.param


def network_of(name: str, **options) -> Network:
    torch.manual_seed(3)
    encoder = ENCODERS[name](IMAGE_SIZES, **options)
    network = Network(encoder, ClassHead(encoder.width, 4))
    network.fit_inputs(image_batch([0, 1, 2, 3, 4]))
    return network


def test_deepmerge_has_the_published_latent():
    encoder = DeepMergeEncoder(DEEPMERGE)
    batch = TensorBatch(torch.rand(2, 3, 75, 75), torch.zeros(2))
    assert encoder.width == 2592
    assert encoder.maps(batch).shape == (2, 32, 9, 9)
    assert encoder(batch).shape == (2, 2592)


def test_sidda_normalises_each_latent_by_itself():
    encoder = SiddaEncoder(DEEPMERGE | {"height": 100, "width": 100})
    latent = encoder(TensorBatch(torch.rand(3, 3, 100, 100), torch.zeros(3)))
    assert latent.shape == (3, 256)
    torch.testing.assert_close(latent.mean(1), torch.zeros(3), atol=1e-5, rtol=0)
    torch.testing.assert_close(latent.std(1, correction=0), torch.ones(3), atol=1e-3, rtol=0)


def test_too_small_images_are_refused_by_size():
    with pytest.raises(ValueError, match="8×12 pixels are smaller than 16"):
        ENCODERS["image"]({"channels": 1, "height": 8, "width": 12})


@pytest.mark.parametrize("shape", [(1, 40, 40), (5, 32, 48)])
def test_other_numbers_of_channels_and_pixels_work(name, shape):
    sizes = dict(zip(("channels", "height", "width"), shape, strict=True))
    encoder = ENCODERS[name](sizes)
    latent = encoder(TensorBatch(torch.rand(2, *shape), torch.zeros(2)))
    assert latent.shape == (2, encoder.width)


def test_training_sees_other_images_each_time_and_evaluation_the_same(name):
    encoder, batch = network_of(name).encoder, image_batch([0, 1, 2, 3])
    encoder.eval()
    quiet = encoder(batch)
    assert torch.equal(quiet, encoder(batch))
    encoder.augment.train()  # alone, so that nothing else can differ
    assert not torch.allclose(encoder(batch), encoder(batch), atol=1e-6)
    still = network_of(name, augment=False).encoder.eval()
    still.augment.train()
    assert torch.equal(still(batch), still(batch))


def test_per_suite_statistics_absorb_brightness_and_contrast_of_a_survey(name):
    network = network_of(name, domains=2, augment=False)
    batch = image_batch([0, 1, 2, 3, 4])
    other = in_domain(TensorBatch(3 * batch.x + 2, batch.y), 1)
    network.fit_inputs(other)
    network.encoder.eval()
    torch.testing.assert_close(network(other).latent, network(batch).latent, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("domains", [1, 2])
def test_adapted_network_has_the_statistics_of_the_new_survey(name, domains):
    network = network_of(name, domains=domains, augment=False)
    network.train()
    batch = image_batch([0, 1, 2, 3, 4])
    dark = TensorBatch(0.1 * batch.x.square(), batch.y, domains - 1)
    before = {key: value.clone() for key, value in network.state_dict().items()}
    adapted = network.adapted(dark)
    torch.testing.assert_close(network.state_dict(), before)
    assert not adapted.training
    # In one batch, running statistics are those of the batch: evaluation repeats training.
    norms = [m for m in adapted.modules() if isinstance(m, ChannelNorm)]
    still = adapted(dark).latent
    for norm in norms:
        norm.train()
    torch.testing.assert_close(adapted(dark).latent, still, rtol=1e-2, atol=1e-2)


def test_several_batches_adapt_as_one(name):
    network, batch = network_of(name), image_batch([0, 1, 2, 3, 4, 0, 1, 2, 3, 4])
    parts = [TensorBatch(part, batch.y[: len(part)]) for part in batch.x.split([3, 7])]
    one, two = network.adapted(batch), network.adapted(*parts)
    torch.testing.assert_close(one(batch).latent, two(batch).latent, rtol=1e-4, atol=1e-5)


def test_members_of_an_ensemble_do_what_they_do_alone():
    members = [network_of("image", augment=False) for _ in range(2)]
    with torch.no_grad():
        members[1].head.layers[0].weight.mul_(2)
    ensemble, batch = Ensemble(members), image_batch([0, 1, 2, 3])
    for network in (ensemble, *members):
        network.encoder.dropout.p = 0.0
    output = ensemble(batch)
    for number, network in enumerate(members):
        torch.testing.assert_close(output.latent[number], network(batch).latent)
        torch.testing.assert_close(
            output.prediction.logits[number], network(batch).prediction.logits
        )
    adapted = ensemble.adapted(batch)
    torch.testing.assert_close(adapted(batch).latent[1], members[1].adapted(batch)(batch).latent)


def images(count: int = 64, height: int = 6, width: int = 6) -> torch.Tensor:
    return torch.randn(count, 3, height, width)


def test_two_calls_differ_in_training_and_agree_in_evaluation():
    augment, x = Augment(6, 6), images()
    assert not torch.equal(augment(x), augment(x))
    augment.eval()
    assert torch.equal(augment(x), x)


def test_every_orientation_occurs_and_every_image_draws_its_own():
    x = images(1).expand(400, -1, -1, -1)
    turned = Augment(6, 6)(x)
    assert len(torch.unique(turned.flatten(1), dim=0)) == 8
    x = images(1, 4, 6).expand(400, -1, -1, -1)
    assert len(torch.unique(Augment(4, 6)(x).flatten(1), dim=0)) == 4


def test_orientations_are_those_of_the_square_and_move_channels_together():
    x = images(1)
    expected = [v for k in range(4) for t in (x.rot90(k, (2, 3)),) for v in (t, t.flip(3))]
    expected = torch.stack([view.flatten() for view in expected])
    turned = Augment(6, 6)(x.expand(200, -1, -1, -1)).flatten(1)
    distance = (turned[:, None] - expected[None]).abs().amax(2).amin(1)
    assert distance.max() == 0


def test_same_random_state_gives_the_same_turns():
    augment, x = Augment(6, 6), images()
    state = torch.get_rng_state()
    first = augment(x)
    torch.set_rng_state(state)
    assert torch.equal(augment(x), first)


def test_state_holds_nothing_and_gradient_passes():
    augment, x = Augment(6, 6), images().requires_grad_()
    assert augment.state_dict() == {}
    augment(x).sum().backward()
    assert torch.equal(x.grad, torch.ones_like(x))
    assert symmetries(2, 3).tolist()[0] == list(range(6))
