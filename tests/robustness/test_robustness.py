"""Noise, distances, windows and maps: values by hand, and what must not change."""

import numpy as np
import pytest
import torch
from tiny_networks import Linear, Tiny, tiny_ensemble
from torch import nn

from dagnn.errors import UsageError
from dagnn.records import Moments, Output
from dagnn.robustness.changes import NOISES, PAIRED, Robustness, compare, within_class_spread
from dagnn.robustness.examine import (
    COLUMNS,
    TABLE,
    Examination,
    Sample,
    noise_sweep,
    write_examination,
)
from dagnn.robustness.figures import robustness_section
from dagnn.robustness.images import church_window, deciding, grad_cam, look_at, looking, stages


@pytest.fixture
def images():
    return torch.rand(6, 1, 8, 8)


LABELS = torch.tensor([0, 1, 2, 0, 1, 2])


def test_comparison_by_hand():
    images = torch.zeros(4, 1, 1, 1) + torch.tensor([0.0, 2.0, 10.0, 14.0])[:, None, None, None]
    changed = images + torch.tensor([0.0, 4.0, 0.0, -8.0])[:, None, None, None]
    seen = (look_at(looking(Linear(5.0), 0), each) for each in (images, changed))
    found = compare(*seen, torch.tensor([0, 0, 1, 1]), change="by hand")
    assert found.distance == pytest.approx((4 + 8) / 4)
    assert found.relative_distance == pytest.approx(3 / np.sqrt((1 + 4) / 2))
    assert found.flip_rate == 0.25  # 2 → 6; 14 → 6 stays above 5
    assert found.accuracy == 0.75
    assert np.isnan(found.level)


def test_the_spread_within_classes_ignores_unlabelled_items_and_counts_classes_alike():
    latent = torch.tensor([[0.0], [2.0], [2.0], [0.0], [7.0], [99.0]])
    labels = torch.tensor([0, 0, 0, 0, 1, -1])
    assert within_class_spread(latent, labels).item() == pytest.approx(np.sqrt(0.5))


@pytest.mark.parametrize("noise", NOISES)
def test_no_noise_changes_nothing_and_more_changes_more(noise, images):
    rows = noise_sweep(Tiny(), Sample("sdss", images, LABELS, 0), [0.0, 0.1, 1.0], noise=noise)
    assert rows[0].flip_rate == 0
    assert rows[0].distance == 0
    assert 0 < rows[1].distance < rows[2].distance
    again = noise_sweep(Tiny(), Sample("sdss", images, LABELS, 0), [0.1], noise=noise)
    assert again[0].level == 0.1


def test_noise_has_the_strength_that_is_asked_for():
    flat = torch.cat([torch.zeros(1, 1, 300, 300), torch.ones(1, 1, 300, 300)])
    generator = torch.Generator().manual_seed(0)
    noisy = NOISES["gaussian"](flat, 0.2, generator)
    assert (noisy - flat).std().item() == pytest.approx(0.2 * flat.std().item(), rel=0.02)
    ramp = torch.linspace(0, 2, 300).expand(1, 1, 300, 300)
    change = NOISES["poisson"](ramp, 0.1, generator) - ramp
    assert change[..., 0].abs().max() == 0, "no light, no noise"
    assert change[..., 145:155].std().item() == pytest.approx(0.1, rel=0.1)
    assert change[..., 290:].std().item() == pytest.approx(0.1 * np.sqrt(2), rel=0.1)


def test_unknown_noise_is_named(images):
    with pytest.raises(UsageError, match="Did you mean 'poisson'"):
        noise_sweep(Tiny(), Sample("sdss", images, LABELS, 0), [0.1], noise="poison")


def test_measurements_are_written_and_laid_out(tmp_path, images):
    rows = noise_sweep(Tiny(), Sample("sdss", images, LABELS, 0), [0.1, 0.2])
    seen = look_at(looking(Tiny(), 0), images)
    rows.append(compare(seen, seen, LABELS, change="one-pixel", suite="sdss"))
    write_examination(tmp_path, Examination(tuple(rows), (), {}, ()))
    lines = (tmp_path / TABLE).read_text().splitlines()
    assert lines[0] == ",".join(COLUMNS)
    assert lines[1].startswith("model,sdss,poisson,0.1,6,")
    assert ",one-pixel,,6," in lines[3]
    section = robustness_section(rows)
    assert section.table[2][0] == "sdss · Poisson noise 0.1 · model"
    assert section.table[1][0] == "sdss · one pixel changed · model"
    assert section.table[1][2:5] == (f"{rows[2].accuracy:.1%}", "0% [0, 39]", "0")


def test_pairs_come_first_and_networks_stand_below_one_another():
    def row(model, suite, change, level=float("nan")):
        return Robustness(model, suite, change, level, 50, 0.5, 0.5, 1.0, 1.0)

    rows = [
        row(model, *rest)
        for model in ("source-only", "model")
        for rest in [
            *(("y1", "poisson", 0.2), ("y1", "poisson", 0.0)),
            *(("y1", "one-pixel"), ("y10 → y1", PAIRED)),
        ]
    ]
    section = robustness_section(rows)
    assert [line[0] for line in section.table[1:]] == [
        f"{what} · {model}"
        for what in (
            "y10 → y1 · same objects",
            "y1 · one pixel changed",
            "y1 · unchanged",
            "y1 · Poisson noise 0.2",
        )
        for model in ("source-only", "model")
    ]
    # Wilson's interval for 25 of 50, from his formula: centre 1/2, half-width 0.1336.
    assert section.table[1][3] == "50% [37, 63]"
    assert "neither training nor selection" in section.text
    alone = robustness_section([row("model", "y1", "one-pixel")]).text
    assert "pairs of images" not in alone and "Noise" not in alone


def test_changed_images_are_looked_at_with_the_statistics_of_their_own_domain(images):
    network = Tiny()
    before, after = (look_at(looking(network, domain), images) for domain in (0, 3))
    same = compare(before, before, LABELS, change=PAIRED)
    moved = compare(before, after, LABELS, change=PAIRED)
    assert same.distance == 0
    assert moved.distance == pytest.approx(30 * np.sqrt(2), rel=1e-5)
    spread = within_class_spread(before[0], LABELS).item()
    assert moved.relative_distance == pytest.approx(moved.distance / spread)
    changed = (before[1].argmax(1) != after[1].argmax(1)).double().mean()
    assert moved.flip_rate == pytest.approx(changed.item())


def test_a_church_window_shows_the_boundary_where_it_is():
    def head(latent):
        return torch.stack([0 * latent[:, 0], latent[:, 1] - 1.0], 1)

    origin = torch.tensor([5.0, 0.0, 7.0])
    noisy, attacked = origin + torch.tensor([[3.0, 0.0, 0.0], [1.0, 2.0, 0.0]])
    window = church_window(head, origin, noisy, attacked, resolution=61, margin=2.0)
    assert window.noisy == (3.0, 0.0)
    assert window.attacked == pytest.approx((1.0, 2.0))
    assert window.across[[0, -1]].tolist() == [-6.0, 6.0]
    above = window.up > 1.0
    assert (window.classes[above] == 1).all()
    assert (window.classes[~above] == 0).all()


def test_a_window_without_extent_is_still_drawn():
    origin = torch.zeros(3)
    window = church_window(lambda z: z[:, :2], origin, origin, origin, resolution=5)
    assert window.classes.shape == (5, 5)
    assert np.isfinite(window.across).all()


def test_grad_cam_by_hand():
    """Two maps of a linear read-out: weights are the slopes of the score."""
    torch.manual_seed(1)
    network, images = Tiny(), torch.rand(3, 1, 8, 8)
    (to_maps, _), classes = stages(network, 0), torch.tensor([0, 2, 1])
    heat = grad_cam(network, 0, images, classes)
    weights = network.head.linear.weight[classes] / 16  # each map is averaged over 4 × 4 places
    raw = torch.relu((weights[:, :, None, None] * to_maps(images)).sum(1, keepdim=True))
    large = nn.functional.interpolate(raw, (8, 8), mode="bilinear")[:, 0]
    largest = large.amax((1, 2), keepdim=True).clamp_min(1e-30)
    torch.testing.assert_close(heat, (large / largest).detach())
    assert heat.shape == (3, 8, 8)
    assert not heat.requires_grad
    assert all(weight.grad is None for weight in network.parameters())


def test_grad_cam_works_where_gradients_are_off(images):
    network = Tiny()
    with torch.no_grad():
        assert torch.isfinite(grad_cam(network, 0, images, LABELS)).all()


def test_looking_uses_the_statistics_of_a_domain_and_any_chunk(images):
    network = Tiny()
    home, away = (look_at(looking(network, domain), images)[0] for domain in (0, 2))
    torch.testing.assert_close(away, home + 20)
    torch.testing.assert_close(look_at(looking(network, 0), images, chunk=4)[0], home)
    maps, scores = stages(network, 2)
    torch.testing.assert_close(scores(maps(images)), network.head(away).logits)


def test_an_ensemble_of_twins_looks_where_its_twin_looks(images):
    twins = tiny_ensemble(1, 1, 1).eval()
    alone = twins.member(0)
    expected = grad_cam(alone, 0, images, LABELS)
    torch.testing.assert_close(grad_cam(twins, 0, images, LABELS), expected)


def test_the_map_of_an_ensemble_weighs_the_maps_of_all_members(images):
    both = tiny_ensemble(1, 2).eval()
    (to_maps, to_scores), alone = stages(both, 0), [both.member(0), both.member(1)]
    maps = to_maps(images)
    assert maps.shape[1] == 4
    said = torch.stack([looking(member, 0)(images).prediction.logits for member in alone])
    torch.testing.assert_close(to_scores(maps), said.mean(0))
    raw = 0
    for member in alone:
        weights = member.head.linear.weight[LABELS] / 32  # 16 places, two members
        raw = raw + (weights[:, :, None, None] * stages(member, 0)[0](images)).sum(1, keepdim=True)
    large = nn.functional.interpolate(torch.relu(raw), (8, 8), mode="bilinear")[:, 0]
    largest = large.amax((1, 2), keepdim=True).clamp_min(1e-30)
    torch.testing.assert_close(grad_cam(both, 0, images, LABELS), (large / largest).detach())


@pytest.mark.parametrize("network", [Tiny(), tiny_ensemble(1, 2)], ids=["single", "ensemble"])
def test_latents_are_decided_on_as_images_are(network, images):
    latent, probability = look_at(looking(network.eval(), 2), images)
    torch.testing.assert_close(deciding(network)(latent).exp(), probability)


def test_networks_that_cannot_be_looked_at_are_refused(images):
    class Regression(nn.Module):
        def forward(self, batch):
            return Output(batch.x, Moments(batch.x, batch.x))

    with pytest.raises(TypeError, match="class scores"):
        look_at(looking(Regression(), 0), images)
    flat = Tiny()
    flat.encoder = nn.Flatten()
    with pytest.raises(TypeError, match="Flatten has no feature maps"):
        stages(flat, 0)
