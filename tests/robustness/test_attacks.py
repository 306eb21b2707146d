"""One-pixel attacks find the pixel that there is, for every image of a batch."""

import pytest
import torch
from tiny_networks import Linear

from dagnn.robustness.changes import Evolution, one_pixel_attack, with_pixel
from dagnn.robustness.images import look_at, looking

SEARCH = Evolution(population=30, generations=25, chunk=64)


@pytest.fixture
def images():
    """Sums of brightness 1.6, 2.4 and 6.4, of 16 pixels each."""
    return torch.tensor([0.1, 0.15, 0.4])[:, None, None, None].expand(3, 1, 4, 4).clone()


def attack(images, classes, bound, top, evolution=SEARCH, **options):
    bounds = torch.zeros(1), torch.full((1,), top)
    return one_pixel_attack(
        looking(Linear(bound), 0), images, classes, bounds=bounds, evolution=evolution, **options
    )


def test_decisions_flip_where_one_pixel_suffices_and_only_there(images):
    # One pixel of at most 1 adds 0.9, 0.85 or 0.6; it takes 1.4, 0.6 and nothing to pass 3.
    found = attack(images, torch.tensor([0, 0, 0]), bound=3.0, top=1.0)
    assert found.flipped.tolist() == [False, True, True]
    changed = (found.images != images).flatten(1).sum(1)
    assert (changed <= 1).all()
    assert found.images.max() <= 1


def test_a_resisting_image_gets_the_best_pixel_there_is(images):
    found = attack(images[:1], torch.tensor([0]), bound=3.0, top=1.0)
    assert found.images.sum().item() == pytest.approx(1.5 + 1.0, abs=0.02)


def test_the_pixel_told_is_the_pixel_changed(images):
    found = attack(images, torch.tensor([0, 0, 1]), bound=3.0, top=1.0)
    torch.testing.assert_close(with_pixel(images, found.pixels), found.images)
    _, probability = look_at(looking(Linear(3.0), 0), found.images)
    assert (probability.argmax(1) != torch.tensor([0, 0, 1])).tolist() == found.flipped.tolist()


def test_chunks_and_seeds(images):
    classes = torch.tensor([0, 0, 1])
    whole = attack(images, classes, 3.0, 1.0)
    parts = attack(images, classes, 3.0, 1.0, Evolution(30, generations=25, chunk=7))
    assert torch.equal(whole.images, parts.images)
    other = attack(images, classes, 3.0, 1.0, Evolution(30, generations=25, seed=1))
    assert not torch.equal(whole.images, other.images)


def test_a_batch_is_attacked_as_each_image_would_be_at_most_draws_differ(images):
    alone = attack(images[1:2], torch.tensor([0]), 3.0, 1.0)
    assert alone.flipped.all()


def test_colours_and_bounds_default_to_those_of_the_images():
    images = torch.rand(2, 3, 5, 6)
    found = one_pixel_attack(
        lambda x: Linear(1e9)(type("B", (), {"x": x})), images, torch.zeros(2).long(),
        evolution=Evolution(10, generations=3),
    )  # fmt: skip
    assert not found.flipped.any()
    rows, columns = found.pixels[:, 0], found.pixels[:, 1]
    assert (rows < 5).all()
    assert (columns < 6).all()
    assert found.pixels.shape == (2, 5)
    assert found.images.amax() <= images.amax()
    assert (images == images.clone()).all()


def test_too_small_a_population_is_refused():
    with pytest.raises(ValueError, match="population of 4"):
        Evolution(population=3)
