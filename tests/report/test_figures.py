"""Figures draw what they are given, say MOCK, and lose nothing at the border."""

from dataclasses import replace
from io import BytesIO

import matplotlib
import numpy as np
import pytest
from matplotlib.collections import LineCollection, PathCollection
from matplotlib.image import imread
from matplotlib.patches import StepPatch
from matplotlib.text import Text
from synthetic_predictions import PRIORS, synthetic

from dagnn.evaluation.calibration import LEVELS, central_values, curve, pit_values
from dagnn.evaluation.latent import latent_maps
from dagnn.report.figures.parameters import (
    calibration_figure,
    pit_figure,
    tarp_figure,
    truth_figure,
)
from dagnn.report.figures.run import latent_figure, training_figure
from dagnn.report.figures.style import figure_svg, save_figure, stamp


def texts(figure):
    return [text.get_text() for text in figure.findobj(Text) if text.get_text()]


@pytest.fixture
def maps(predictions):
    models = ("source-only", "model")
    return [
        latent_maps([each for each in predictions if each.model == model], method="pca")["Omega_m"]
        for model in models
    ]


@pytest.fixture
def draw(predictions, maps, history):
    """Every figure by name, as functions."""
    return {
        "truth": lambda: truth_figure(predictions, "Omega_m"),
        "calibration": lambda: calibration_figure(predictions, "Omega_m"),
        "pit": lambda: pit_figure(predictions, "Omega_m"),
        "tarp": lambda: tarp_figure(predictions, PRIORS),
        "latent": lambda: latent_figure(maps),
        "training": lambda: training_figure({"model": history}),
    }


NAMES = ("truth", "calibration", "pit", "tarp", "latent", "training")


@pytest.mark.parametrize("name", NAMES)
def test_stamps(name, draw):
    assert not [text for text in texts(draw[name]()) if "MOCK" in text or "ORACLE" in text]
    mock = texts(stamp(draw[name](), mock=True))
    assert "MOCK" in mock
    assert any(text.startswith("MOCK DATA · ") for text in mock)
    assert "MOCK · ORACLE" in texts(stamp(draw[name](), mock=True, oracle=True))
    assert "ORACLE" in texts(stamp(draw[name](), mock=False, oracle=True))


@pytest.mark.parametrize("name", NAMES)
def test_nothing_touches_the_border(name, draw, tmp_path):
    """A label that is cut off leaves ink in the outermost pixels."""
    png, _ = save_figure(draw[name](), tmp_path, name)
    image = imread(png)[..., :3]
    border = (image[:3], image[-3:], image[:, :3], image[:, -3:])
    assert min(edge.min() for edge in border) > 0.99
    assert image.min() < 0.2, "something dark must be drawn at all"


@pytest.mark.parametrize("name", ["calibration", "latent"])
def test_files_are_repeatable(name, draw, tmp_path):
    first = save_figure(stamp(draw[name](), mock=True), tmp_path / "a", name)
    second = save_figure(stamp(draw[name](), mock=True), tmp_path / "b", name)
    assert [path.name for path in first] == [f"{name}.png", f"{name}.pdf"]
    for one, other in zip(first, second, strict=True):
        assert one.read_bytes() == other.read_bytes()
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == [
        f"{name}.pdf",
        f"{name}.png",
    ]


def test_vector_pictures_are_repeatable(draw):
    first, again = (figure_svg(stamp(draw["calibration"](), mock=True)) for _ in range(2))
    assert first == again
    assert first.startswith(b"<?xml")


def test_drawing_leaves_global_style_alone(draw):
    before = dict(matplotlib.rcParams)
    stamp(draw["truth"](), mock=True)
    assert dict(matplotlib.rcParams) == before


def test_truth_panels_hold_points_bars_and_metrics(predictions):
    figure = truth_figure(predictions, "Omega_m")
    titles = [axes.get_title() for axes in figure.axes]
    assert titles == [
        "tng (source) · source-only",
        "tng (source) · model",
        "simba (target) · source-only",
        "simba (target) · model",
    ]
    adapted = figure.axes[3]
    points = adapted.containers[0].lines[0]
    np.testing.assert_array_equal(points.get_xdata(), predictions[3].truth[:, 0])
    np.testing.assert_array_equal(points.get_ydata(), predictions[3].mean[:, 0])
    bars = next(c for c in adapted.collections if isinstance(c, LineCollection))
    lengths = [np.ptp(bar[:, 1]) for bar in bars.get_segments()]
    np.testing.assert_allclose(lengths, 2 * predictions[3].std[:, 0])
    summary = adapted.texts[0].get_text()
    error = np.mean(np.abs(predictions[3].mean / predictions[3].truth - 1))
    assert f"relative error {error:.1%}" in summary
    assert "R² 0.9" in summary
    assert "n = 60" in summary
    assert figure.axes[2].get_xlabel() == r"true $\Omega_\mathrm{m}$"
    assert figure.axes[2].get_ylabel() == r"predicted $\Omega_\mathrm{m}$"


def test_truth_figure_of_far_off_predictions_says_what_is_outside():
    wild = synthetic()
    wild.mean[:4] = 50.0
    figure = truth_figure([wild], "Omega_m")
    assert figure.axes[0].get_xlim()[1] < 1
    assert "4 outside the frame" in figure.axes[0].texts[0].get_text()


def test_unknown_truth_is_said_not_drawn():
    unknown = synthetic("sky", "target", known=False)
    figure = truth_figure([synthetic(), unknown], "Omega_m")
    assert figure.axes[1].texts[0].get_text() == "truth unknown"
    assert not figure.axes[1].containers
    assert "truth unknown" in texts(calibration_figure([synthetic(), unknown], "Omega_m"))
    with pytest.raises(ValueError, match="No item has a known Omega_m"):
        truth_figure([unknown], "Omega_m")


def test_a_suite_without_the_other_model_keeps_its_place(predictions):
    figure = truth_figure([*predictions[2:], predictions[1]], "Omega_m")
    assert len(figure.axes) == 4
    assert not figure.axes[0].containers


def test_observed_coverage_of_calibrated_predictions_is_the_expected_one():
    many = synthetic(items=20_000)
    observed = curve(central_values(*(v[:, 0] for v in (many.truth, many.mean, many.std))))
    np.testing.assert_allclose(observed, LEVELS, atol=0.015)
    narrow = curve(central_values(many.truth[:, 0], many.mean[:, 0], many.std[:, 0] / 3))
    assert (narrow[5:-5] < LEVELS[5:-5]).all()


def test_calibration_panels(predictions):
    figure = calibration_figure(predictions, "Omega_m")
    assert [axes.get_title() for axes in figure.axes] == [
        "tng (source), n = 60",
        "simba (target), n = 60",
    ]
    for axes in figure.axes:
        _, labels = axes.get_legend_handles_labels()
        assert labels == ["source-only", "model", "95% band of a calibrated model"]
        assert axes.get_xlabel() == "expected coverage"
    assert {"source-only", "model"} <= set(texts(figure))


def test_pit_histogram_shows_densities_and_its_band(predictions):
    figure = pit_figure(predictions, "Omega_m")
    assert [axes.get_title() for axes in figure.axes] == [
        "tng (source), n = 60",
        "simba (target), n = 60",
    ]
    source_only, adapted = (
        patch for patch in figure.axes[1].patches if isinstance(patch, StepPatch)
    )
    truth, mean, std = (
        v[:, 0] for v in (predictions[3].truth, predictions[3].mean, predictions[3].std)
    )
    values, edges, _ = adapted.get_data()
    expected, _ = np.histogram(pit_values(truth, mean, std), edges, density=True)
    np.testing.assert_allclose(values, expected)
    highest = source_only.get_data().values.max()
    assert highest > 2.5, "means too high: truths in the lowest bin"
    assert figure.axes[0].get_ylim()[1] == figure.axes[1].get_ylim()[1] > highest
    assert "95% band of a calibrated model" in texts(figure)


def test_tarp_panels_know_all_parameters():
    both = synthetic(items=400, parameters=("Omega_m", "sigma_8"))
    figure = tarp_figure(
        [both, synthetic("sky", "other", known=False, parameters=both.parameters)], PRIORS
    )
    assert figure.axes[0].get_title() == "tng (source), n = 400"
    line = figure.axes[0].get_lines()[0]
    np.testing.assert_allclose(line.get_ydata(), LEVELS, atol=0.08)
    assert "truth unknown" in texts(figure)
    assert any(r"\Omega" in text and r"\sigma" in text for text in texts(figure))


def test_baselines_and_oracles_are_not_drawn(predictions):
    """They have rows in tables; a figure with seven predictors cannot be read."""
    others = [replace(predictions[2], model=name) for name in ("ridge", "prior-mean", "oracle")]
    for figure in (
        truth_figure([*others, predictions[2]], "Omega_m"),
        pit_figure([*others, predictions[2]], "Omega_m"),
        calibration_figure([*others, predictions[2]], "Omega_m"),
    ):
        assert not [text for text in texts(figure) if "ridge" in text or "ORACLE" in text]
        assert len(figure.axes) == 1
    with pytest.raises(ValueError, match="Nothing to draw"):
        truth_figure(others, "Omega_m")


def test_latent_panels_mark_suites_and_share_a_colour_scale(maps):
    figure = latent_figure(maps)
    panels = [axes for axes in figure.axes if axes.get_title()]
    assert [axes.get_title() for axes in panels] == ["source-only · PCA", "model · PCA"]
    for axes, each in zip(panels, maps, strict=True):
        clouds = [c for c in axes.collections if isinstance(c, PathCollection)]
        assert [cloud.get_gid() for cloud in clouds] == ["tng-source", "simba-target"]
        assert sum(len(cloud.get_offsets()) for cloud in clouds) == len(each.coords)
        assert len(clouds[1].get_facecolors()) == 0, "targets are open"
    assert {"tng (source)", "simba (target)"} <= set(texts(figure))
    assert r"true $\Omega_\mathrm{m}$" in texts(figure)


def test_latent_maps_of_many_suites_can_be_drawn(maps):
    names = tuple(f"suite {number % 8}" for number in range(len(maps[0].suite)))
    figure = latent_figure([replace(maps[0], suite=names, role=("other",) * len(names))])
    buffer = BytesIO()
    figure.savefig(buffer)
    assert {f"suite {number} (other)" for number in range(8)} <= set(texts(figure))


def test_training_panels_show_every_term_once(history):
    short = history[:4]
    figure = training_figure({"source-only": short, "model": history})
    drawn = {axes.get_title(): axes for axes in figure.axes if axes.get_title()}
    assert list(drawn) == [
        "training: total",
        "training: task",
        "training: mmd",
        "validation: source_error",
        "learning rate",
    ]
    curve = drawn["training: total"].get_lines()
    labelled = {line.get_label(): line for line in curve if not line.get_label().startswith("_")}
    np.testing.assert_allclose(labelled["model"].get_ydata(), [1 / e for e in range(1, 10)])
    assert len(labelled["source-only"].get_xdata()) == 4
    chosen = [line.get_xdata()[0] for line in curve if line.get_linestyle() == ":"]
    assert chosen == [1, 7], "the last epoch that was best, per model"
    assert drawn["training: mmd"].get_yscale() == "log"
    assert drawn["training: total"].get_yscale() == "linear"


def test_training_without_epochs_is_refused():
    with pytest.raises(ValueError, match="No epoch"):
        training_figure({"model": []})
