"""Augmentation: active in training only, every image its own turn, nothing lost."""

import torch

from dagnn.models.image import Augment, symmetries


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
