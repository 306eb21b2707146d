"""Figures of classes and of robustness: what they show, stamps, and borders."""

from dataclasses import replace

import numpy as np
import pytest
from matplotlib.image import imread
from matplotlib.patches import Circle
from matplotlib.text import Text
from sklearn.metrics import confusion_matrix, roc_auc_score
from synthetic_classes import CLASSES, synthetic_classes

from dagnn.evaluation.latent import latent_maps
from dagnn.report.figures.classes import (
    FALSE_POSITIVES,
    confusion_figure,
    counts_of,
    novelty_figure,
    proportions_figure,
    reliability_figure,
    roc_curve,
    roc_figure,
)
from dagnn.report.figures.run import latent_figure
from dagnn.report.figures.style import save_figure, stamp
from dagnn.robustness.changes import Robustness
from dagnn.robustness.examine import Example, Flip
from dagnn.robustness.figures import attack_figure, church_figure, gradcam_figure, noise_figure
from dagnn.robustness.images import ChurchWindow


def texts(figure):
    return [text.get_text() for text in figure.findobj(Text) if text.get_text()]


@pytest.fixture(scope="module")
def given():
    return [
        synthetic_classes(skill=3.0, model="source-only"),
        synthetic_classes("decals", "target", skill=0.5, unknown=20, model="source-only", seed=2),
        synthetic_classes(skill=2.8),
        synthetic_classes("decals", "target", skill=2.5, unknown=20, seed=2),
    ]


def noise_rows():
    return [
        Robustness(model, suite, "poisson", level, 50, 0.8 - level, level, 3 * level, level)
        for suite in ("sdss", "decals")
        for model in ("source-only", "model")
        for level in (0.0, 0.1, 0.4)
    ]


def window():
    side = np.linspace(-1, 1, 21)
    classes = (side[:, None] + side > 0).astype(np.int64)
    return ChurchWindow(side, side, classes, (0.5, 0.0), (0.2, 0.6))


def examples():
    generator = np.random.default_rng(0)
    maps = {"source-only": generator.random((9, 9)), "model": generator.random((9, 9))}
    said = {"source-only": "spiral 60%", "model": "merger 90%"}
    return [
        Example(generator.random((channels, 9, 9)), "sdss · spiral", maps, said)
        for channels in (3, 1)
    ]


@pytest.fixture
def draw(given):
    images = np.random.default_rng(0).random((2, 3, 9, 9))
    pixels = np.array([[2.0, 3.0, 1, 1, 1], [8.0, 0.0, 1, 1, 1]])
    flips = [
        Flip(image, image, pixel, "spiral 60%", "merger 55%")
        for image, pixel in zip(images, pixels, strict=True)
    ]
    maps = [
        latent_maps(given[:2], method="pca")["class"],
        latent_maps(given[2:], method="pca")["class"],
    ]
    return {
        "roc": lambda: roc_figure(given),
        "reliability": lambda: reliability_figure(given),
        "proportions": lambda: proportions_figure(given),
        "confusion": lambda: confusion_figure(given),
        "novelty": lambda: novelty_figure(given),
        "latent": lambda: latent_figure(maps),
        "noise": lambda: noise_figure(noise_rows()),
        "attack": lambda: attack_figure(flips),
        "church": lambda: church_figure({"sdss": window()}, CLASSES),
        "gradcam": lambda: gradcam_figure(examples()),
    }


NAMES = (
    *("roc", "reliability", "proportions", "confusion", "latent", "novelty"),
    *("noise", "attack", "church", "gradcam"),
)


@pytest.mark.parametrize("name", NAMES)
def test_stamps(name, draw):
    plain = texts(draw[name]())
    assert not [text for text in plain if "MOCK" in text or "ORACLE" in text]
    both = texts(stamp(draw[name](), mock=True, oracle=True))
    assert "MOCK · ORACLE" in both
    assert any(text.startswith("MOCK DATA · ORACLE · ") for text in both)


@pytest.mark.parametrize("name", NAMES)
def test_nothing_touches_the_border(name, draw, tmp_path):
    png, _ = save_figure(draw[name](), tmp_path, name)
    image = imread(png)[..., :3]
    border = (image[:3], image[-3:], image[:, :3], image[:, -3:])
    assert min(edge.min() for edge in border) > 0.99
    assert image.min() < 0.2


def test_roc_curves_hold_the_area_that_they_tell(given):
    known = given[3].truth < 3
    truth, probability = given[3].truth[known], given[3].probability[known]
    area = np.trapezoid(roc_curve(truth, probability), FALSE_POSITIVES)
    expected = roc_auc_score(truth, probability, multi_class="ovr")
    assert area == pytest.approx(expected, abs=0.01)
    figure = roc_figure(given)
    assert [axes.get_title() for axes in figure.axes] == [
        "sdss (source), n = 120",
        "decals (target), n = 120",
    ]
    assert f"model, AUC {expected:.2f}" in texts(figure)


def test_every_experiment_can_share_a_roc_figure(given):
    named = [replace(given[3], model=name) for name in ("MMD", "DANN", "MMD + Fisher")]
    figure = roc_figure([*given, *named])
    lines = [line for line in figure.axes[1].get_lines() if not line.get_label().startswith("_")]
    assert len(lines) == 5
    assert len({line.get_color() for line in lines}) == 5


def test_confusion_panels_count_items_and_unknown_ones(given):
    counts = counts_of(given[1])
    assert counts.shape == (4, 3)
    known = given[1].truth < 3
    expected = confusion_matrix(given[1].truth[known], given[1].probability[known].argmax(1))
    np.testing.assert_array_equal(counts[:3], expected)
    assert counts[3].sum() == 20
    figure = confusion_figure(given)
    assert [axes.get_title() for axes in figure.axes] == [
        "sdss (source) · source-only",
        "decals (target) · source-only",
        "sdss (source) · model",
        "decals (target) · model",
    ]
    assert "unknown" in texts(figure)
    share = expected[0, 0] / expected[0].sum()
    assert f"{share:.0%}\n{expected[0, 0]}" in texts(figure)


def test_unlabelled_suites_are_said_not_drawn(given):
    nothing = replace(given[3], truth=np.full(140, -1), suite="sky")
    shown = [given[2], nothing]
    assert "no item with a known class" in texts(roc_figure(shown))
    assert "no item with a known class" in texts(reliability_figure(shown))
    assert "no item with a label" in texts(confusion_figure(shown))
    bars = [c.get_label() for c in proportions_figure(shown).axes[1].containers]
    assert bars == ["predicted by model"]


def test_proportions_are_shares(given):
    axes = proportions_figure(given).axes[1]
    heights = {c.get_label(): [bar.get_height() for bar in c] for c in axes.containers}
    assert list(heights) == ["true", "predicted by source-only", "predicted by model"]
    for shares in heights.values():
        assert sum(shares) == pytest.approx(1)
    known = given[3].truth[given[3].truth < 3]
    assert heights["true"] == pytest.approx(np.bincount(known, minlength=3) / 120)


def test_latent_maps_of_classes_have_one_colour_each(given):
    found = latent_maps([given[2], replace(given[3], truth=np.full(140, -1))], method="pca")[
        "class"
    ]
    assert found.classes == CLASSES
    assert np.isnan(found.values[120:]).all()
    with_unknown = latent_maps(given[2:], method="pca")["class"]
    assert with_unknown.classes == (*CLASSES, "unknown")
    figure = latent_figure([with_unknown])
    assert {"spiral", "elliptical", "merger", "unknown"} <= set(texts(figure))
    clouds = figure.axes[0].collections
    assert len(np.unique(clouds[0].get_facecolors(), axis=0)) == 3
    assert len(np.unique(clouds[1].get_edgecolors(), axis=0)) == 4


def test_rings_lie_around_the_changed_pixel(draw):
    rings = draw["attack"]().findobj(Circle)
    assert [tuple(ring.center) for ring in rings] == [(3.0, 2.0), (0.0, 8.0)]


def test_noise_curves_of_every_network_and_suite(draw):
    figure = draw["noise"]()
    assert figure.axes[0].get_ylabel() == "balanced accuracy"
    for axes in figure.axes:
        assert len(axes.get_lines()) == 4
    assert "decals · source-only" in texts(figure)


def test_novelty_lines_are_shares_above(given):
    figure = novelty_figure(given)
    assert [axes.get_title() for axes in figure.axes] == ["source-only", "model"]
    lines = {line.get_label(): line for line in figure.axes[1].get_lines()}
    unknown = given[3].truth == 3
    shown = {
        "sdss (source)": given[2].novelty,
        "decals (target), known classes": given[3].novelty[~unknown],
        "decals (target), unknown class": given[3].novelty[unknown],
    }
    assert {*shown, "above: called unknown"} == set(lines)
    for name, novelty in shown.items():
        values, share = lines[name].get_data()
        assert share[np.searchsorted(values, 0.5)] == pytest.approx((novelty > 0.5).mean())


def test_suites_of_unknown_novelty_are_left_out(given):
    without = replace(given[2], novelty=None)
    figure = novelty_figure([without, given[3]])
    assert not [t for t in texts(figure) if "sdss" in t]
    with pytest.raises(ValueError, match="Nothing to draw"):
        novelty_figure([without])
