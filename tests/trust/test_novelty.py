"""What is familiar is learned from items of the source, and is what probabilistic PCA says."""

from dataclasses import fields, replace

import numpy as np
import pytest
from sklearn.decomposition import PCA
from synthetic_classes import synthetic_classes

from dagnn.errors import DataError, MismatchError
from dagnn.tasks.classification_metrics import called_unknown
from dagnn.trust.novelty import DIRECTIONS, Novelty


def latents(latent, split, **told):
    given = synthetic_classes(items=len(latent), split=split, **told)
    return replace(given, latent=np.asarray(latent, dtype=float))


def draw(items, width, seed):
    """Draw latents that spread unequally about somewhere."""
    generator = np.random.default_rng(seed)
    spread = np.random.default_rng(0).normal(size=(width, width)) * np.geomspace(3, 0.1, width)
    return generator.normal(size=(items, width)) @ spread.T + 5


def fit(width, items=400):
    taught, held = draw(items, width, 1), draw(300, width, 2)
    return Novelty.fit([latents(taught, "train")], [latents(held, "valid")]), taught, held


@pytest.mark.parametrize("width", [2, 5, 17, 40, 300])
def test_distances_are_those_of_probabilistic_pca(width):
    novelty, taught, _ = fit(width)
    others = draw(200, width, 3) + np.linspace(0, 4, 200)[:, None]
    model = PCA(min(DIRECTIONS, width - 1), svd_solver="full").fit(taught)
    # log p = -(d^2 + log det C + W log 2 pi) / 2
    constant = np.linalg.slogdet(model.get_covariance())[1] + width * np.log(2 * np.pi)
    square = -2 * model.score_samples(others) - constant
    np.testing.assert_allclose((novelty.of(others) * novelty.unit) ** 2, square, rtol=1e-6)


def test_more_directions_than_items_are_brute_force():
    novelty, taught, _ = fit(700, items=60)
    taught, others = taught - taught.mean(0), draw(20, 700, 3) - taught.mean(0)
    values, vectors = np.linalg.eigh(np.cov(taught.T))
    values[:-DIRECTIONS] = values[:-DIRECTIONS].mean()
    square = (np.square(others @ vectors) / values).sum(1)
    found = (novelty.of(others + draw(60, 700, 1).mean(0)) * novelty.unit) ** 2
    np.testing.assert_allclose(found, square, rtol=1e-6)


def test_few_directions_are_the_distance_of_mahalanobis():
    novelty, taught, held = fit(6)
    away = held - taught.mean(0)
    square = np.einsum("ni,ij,nj->n", away, np.linalg.inv(np.cov(taught.T)), away)
    np.testing.assert_allclose((novelty.of(held) * novelty.unit) ** 2, square, rtol=1e-8)


@pytest.mark.parametrize("held", [25, 60, 300])
def test_5_percent_of_further_items_of_the_same_kind_are_called_unknown(held):
    further, shares = draw(4000, 4, 99), []
    for seed in range(40):
        parts = [latents(draw(300, 4, 1), "train"), latents(draw(held, 4, 100 + seed), "valid")]
        shares.append(called_unknown(Novelty.fit(*([part] for part in parts)).of(further)).mean())
    assert 0.025 < np.mean(shares) < 0.06, "on average, however few items there are"


def test_few_validation_items_set_the_unit_by_the_largest():
    taught, held = draw(300, 4, 1), draw(8, 4, 2)
    novelty = Novelty.fit([latents(taught, "train")], [latents(held, "valid")])
    assert novelty.of(held).max() == pytest.approx(1)


def test_what_is_familiar_does_not_depend_on_rotation_or_unit():
    rotation = np.linalg.qr(np.random.default_rng(4).normal(size=(20, 20)))[0]
    novelty, taught, held = fit(20)
    turned = Novelty.fit(
        [latents(9 * taught @ rotation, "train")], [latents(9 * held @ rotation, "valid")]
    )
    np.testing.assert_allclose(turned.of(9 * held @ rotation), novelty.of(held), rtol=1e-8)


def test_what_leaves_the_plane_of_the_taught_is_unknown():
    plane = draw(300, 4, 1) @ np.random.default_rng(5).normal(size=(4, 40))
    novelty = Novelty.fit([latents(plane[:200], "train")], [latents(plane[200:], "valid")])
    assert not called_unknown(novelty.of(plane.mean(0, keepdims=True)))
    away = plane.mean(0) + 0.3 * np.abs(plane).max() * np.random.default_rng(6).normal(size=(5, 40))
    assert called_unknown(novelty.of(away)).all()


def test_latents_that_are_all_the_same_do_not_blow_up():
    same = latents(np.ones((50, 3)), "train")
    nothing = Novelty.fit([same], [replace(same, split="valid")])
    np.testing.assert_array_equal(nothing.of(np.ones((2, 3))), 0)
    assert (nothing.of(np.ones((2, 3)) + 1e-3) < 1e6).all()
    broken = latents(np.full((50, 3), np.nan), "train")
    assert Novelty.fit([broken], [replace(same, split="valid")]) is None


def test_items_of_unknown_class_or_without_label_teach_nothing():
    clean, _, held = fit(5)
    with_lenses = latents(np.concatenate([draw(400, 5, 1), draw(60, 5, 9) + 50]), "train")
    with_lenses.truth[400:430], with_lenses.truth[430:] = 3, -1
    mixed = Novelty.fit([with_lenses], [latents(held, "valid")])
    for name in (field.name for field in fields(Novelty)):
        np.testing.assert_allclose(getattr(mixed, name), getattr(clean, name))


def test_several_sources_are_learned_together():
    _, taught, held = fit(5)
    halves = [latents(taught[:150], "train"), latents(taught[150:], "train", suite="decals")]
    both = Novelty.fit(halves, [latents(held, "valid")])
    np.testing.assert_allclose(both.of(held), fit(5)[0].of(held), rtol=1e-9)


def test_only_items_of_sources_are_read():
    train, valid = (latents(draw(30, 4, 1), split) for split in ("train", "valid"))
    for wrong in (
        ([train, replace(train, role="target")], [valid]),
        ([train], [replace(valid, split="test")]),
        ([valid], [valid]),
    ):
        with pytest.raises(ValueError, match="items of a source"):
            Novelty.fit(*wrong)
    assert Novelty.fit([train], [latents(draw(2, 4, 1), "valid")]) is None


def test_it_is_stored_whole_and_a_damaged_file_is_told(tmp_path):
    novelty, _, held = fit(12)
    path = tmp_path / "novelty.npz"
    novelty.save(path)
    np.testing.assert_array_equal(Novelty.load(path).of(held), novelty.of(held))
    assert [file.name for file in tmp_path.iterdir()] == ["novelty.npz"]
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(DataError, match="damaged"):
        Novelty.load(path)


def test_predictions_are_told_the_novelty_of_their_latents():
    novelty, _, held = fit(5)
    given = latents(held, "test")
    told = novelty.apply(given)
    assert (told.novelty == novelty.of(held)).all()
    assert told.ids == given.ids and (told.probability == given.probability).all()


def test_latents_of_another_network_are_refused():
    with pytest.raises(MismatchError, match="width 5, got 4"):
        fit(5)[0].of(np.zeros((1, 4)))
