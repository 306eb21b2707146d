"""The light of mock galaxies: projection, convolution, noise, display, morphology."""

from dataclasses import replace

import numpy as np
import pytest

from dagnn.mocks.sky.galaxies import (
    Blobs,
    Map,
    Part,
    Sersic,
    clumpy,
    edge_on,
    elliptical,
    inclined,
    lenticular,
    random_rotation,
    spin,
    spiral,
    spiral_arms,
)
from dagnn.mocks.sky.imaging import SURVEYS, displayed, draw_brightness, expose, neighbours
from dagnn.mocks.sky.kinds import CLASSES, KINDS, class_of
from dagnn.mocks.sky.systems import chance_pair, lens, merger, weathered

MAKERS = (elliptical, lenticular, spiral, clumpy, edge_on, weathered, chance_pair, merger, lens)
WHITE = (1.0, 1.0, 1.0)
CLEAN = replace(SURVEYS["noisy"], noise=0.0, electrons=0.0, field=0.0)


def part(light, thickness=1.0, position=(0.0, 0.0, 0.0), flux=100.0):
    return Part(light, flux, WHITE, np.eye(3), np.array(position), thickness)


@pytest.mark.parametrize("thickness", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("angle", [0.0, 40.0, 75.0])
def test_an_oblate_body_appears_with_the_axis_ratio_of_its_inclination(thickness, angle):
    turn = spin(0.7) @ inclined(np.radians(angle)) @ spin(1.9)
    ratios = np.linalg.svd(part(Sersic(1.0, 1.0), thickness).turned(turn).projection())[1]
    cosine, sine = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    assert ratios == pytest.approx([1.0, np.hypot(cosine, thickness * sine)])


def test_rotations_are_rotations():
    turn = random_rotation(np.random.default_rng(0))
    assert turn @ turn.T == pytest.approx(np.eye(3))
    assert np.linalg.det(turn) == pytest.approx(1.0)


def test_a_map_of_blobs_holds_their_light_where_they_are():
    blobs = Blobs(np.array([2.0]), np.array([-1.0]), np.array([0.4]), np.array([5.0]))
    drawn = blobs.map(101)
    axis = (np.arange(101) - 50) * drawn.scale
    assert drawn.values.sum() == pytest.approx(1.0)
    assert (drawn.values.sum(0) @ axis) == pytest.approx(2.0, abs=0.02)
    assert (drawn.values.sum(1) @ axis) == pytest.approx(-1.0, abs=0.02)


def test_arms_wind_as_a_logarithmic_spiral():
    arms = spiral_arms(np.random.default_rng(3), 1.0)
    one = slice(0, 90)
    angle = np.unwrap(np.arctan2(arms.y[one], arms.x[one]))
    log_radius = np.log(np.hypot(arms.x[one], arms.y[one]))
    assert abs(np.corrcoef(angle, log_radius)[0, 1]) > 0.97


@pytest.mark.parametrize("pixels", [75, 100])
@pytest.mark.parametrize("light", [Sersic(1.0, 1.2), Sersic(2.5, 1.0), "arms"], ids=str)
def test_an_image_is_that_of_galsim_alone(pixels, light):
    galsim = pytest.importorskip("galsim")
    if light == "arms":
        light = spiral_arms(np.random.default_rng(0), 0.9).map()
    survey = replace(CLEAN, pixels=pixels)
    one = part(light, 0.3, (1.1, -0.7, 3.0)).turned(spin(0.4) @ inclined(0.8))
    ours = draw_brightness((one,), survey, 0.7, (0.03, -0.02))
    if isinstance(light, Map):
        round_one = galsim.InterpolatedImage(
            galsim.ImageD(light.values), scale=light.scale, flux=1.0, x_interpolant="cubic"
        )
    else:
        round_one = galsim.Sersic(n=light.n, half_light_radius=light.radius)
    jacobian = one.projection()
    seen = galsim.Transformation(
        round_one,
        jac=jacobian,
        offset=galsim.PositionD(*one.position[:2]),
        flux_ratio=one.flux / abs(np.linalg.det(jacobian)),
    )
    air = galsim.Moffat(beta=survey.wings, fwhm=0.7).shear(g1=0.03, g2=-0.02)
    drawn = galsim.Convolve(seen, air).drawImage(nx=pixels, ny=pixels, scale=survey.scale)
    theirs = drawn.array / survey.scale**2
    assert np.abs(ours[0] - theirs).max() < 0.012 * theirs.max()


def test_light_is_neither_lost_nor_made():
    pytest.importorskip("galsim")
    image = draw_brightness((part(Sersic(1.0, 0.8)),), CLEAN, 0.6)
    assert image.sum((1, 2)) * CLEAN.scale**2 == pytest.approx([100.0] * 3, rel=0.03)


@pytest.mark.parametrize("maker", MAKERS, ids=lambda maker: maker.__name__)
def test_every_galaxy_has_the_flux_it_was_given(maker):
    rng = np.random.default_rng(4)
    for _ in range(5):
        total = sum(p.flux * p.colour[1] for p in maker(rng, 100.0, 1.5, 0.0))
        assert 55 < total < 150


def test_noise_is_that_of_sky_and_photons():
    survey = replace(SURVEYS["noisy"], grain=0.0, gradient=0.0)
    flat = np.full((3, survey.pixels, survey.pixels), 2.0)
    noisy = expose(flat, survey, np.random.default_rng(0))
    pixel = survey.scale**2
    expected = survey.noise**2 / pixel + 2.0 / (survey.electrons * pixel)
    assert (noisy - flat).var() == pytest.approx(expected, rel=0.05)
    assert (noisy - flat).mean() == pytest.approx(0.0, abs=0.02)


def test_grain_correlates_neighbouring_pixels():
    survey = replace(SURVEYS["observed"], gradient=0.0, electrons=0.0)
    noise = expose(np.zeros((3, 75, 75)), survey, np.random.default_rng(0))
    near = np.corrcoef(noise[:, :, 1:].ravel(), noise[:, :, :-1].ravel())[0, 1]
    assert near > 0.2
    assert noise.std() == pytest.approx(survey.noise / survey.scale, rel=0.05)


def test_the_display_keeps_colours_and_shows_the_sky_grey():
    survey = replace(SURVEYS["pristine"], black=0.1)
    shown = displayed(np.zeros((3, 4, 4)), survey)
    assert (shown == round(25.5)).all()
    light = np.broadcast_to(np.array([2.0, 1.0, 0.5])[:, None, None], (3, 4, 4))
    red, green, blue = (displayed(light, survey)[:, 0, 0] / 255.0) - 0.1
    assert red / green == pytest.approx(2.0, rel=0.1)
    assert green / blue == pytest.approx(2.0, rel=0.1)


def test_neighbours_stay_away_from_the_centre():
    survey = replace(SURVEYS["y10"], field=200.0)
    places = [p.position for p in neighbours(survey, np.random.default_rng(0))]
    assert len(places) > 100
    assert min(np.hypot(x, y) for x, y, _ in places) > 0.19 * survey.pixels * survey.scale


def test_a_lens_has_blue_light_on_a_ring_around_a_red_centre():
    parts = lens(np.random.default_rng(1), 100.0, 1.2, 0.0)
    arcs = parts[-1]
    count = len(arcs.light.values)
    axis = (np.arange(count) - (count - 1) / 2) * arcs.light.scale
    distance = np.hypot(*np.meshgrid(axis, axis))
    assert arcs.light.values[distance < 0.5].sum() < 0.05
    assert arcs.colour[2] > arcs.colour[0]
    assert parts[0].colour[2] < parts[0].colour[0]


def test_classes_keep_their_shares_in_every_run_of_numbers():
    shares = {"a": 0.5, "b": 0.3, "c": 0.2}
    for start in (0, 1000):
        drawn = [class_of(shares, number) for number in range(start, start + 100)]
        assert all(abs(drawn.count(name) / 100 - share) < 0.03 for name, share in shares.items())


def test_streams_of_kinds_and_surveys_are_their_own_and_classes_are_known():
    for table in (KINDS, SURVEYS):
        assert len({member.stream for member in table.values()}) == len(table)
    for kind in KINDS.values():
        for sample in kind.samples:
            assert set(sample.classes) <= set(kind.classes) <= set(CLASSES)
            assert sum(share.fraction for share in sample.shares) == pytest.approx(1.0)


def test_mergers_are_less_symmetric_than_other_galaxies():
    pytest.importorskip("galsim")
    survey = SURVEYS["pristine"]

    def asymmetry(name, seed):
        parts = CLASSES[name](np.random.default_rng(seed), 100.0, 1.7, 0.0).parts
        image = draw_brightness(parts, survey, survey.seeing).mean(0)
        return np.abs(image - image[::-1, ::-1]).sum() / image.sum()

    merging, elliptic = (
        [asymmetry(name, s) for s in range(25)] for name in ("merger", "elliptical")
    )
    assert np.median(merging) > 0.25
    assert np.median(elliptic) < 0.05
