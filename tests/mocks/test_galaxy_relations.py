"""Galaxies answer to cosmology and feedback as in the suites that they imitate."""

import numpy as np
import pytest

from dagnn.errors import UsageError
from dagnn.mocks.galaxies import peak_velocity
from dagnn.mocks.suites import SUITES, relations
from dagnn.mocks.universe import make_box

FIDUCIAL = {
    "Omega_m": 0.3,
    "sigma_8": 0.8,
    "A_SN1": 1.0,
    "A_AGN1": 1.0,
    "A_SN2": 1.0,
    "A_AGN2": 1.0,
}


def count(kind, **changes):
    return sum(
        (make_box(kind, FIDUCIAL | changes, seed).star_particles > 20).sum() for seed in (0,)
    )


@pytest.fixture(scope="module", params=list(SUITES))
def box(request):
    return make_box(request.param, FIDUCIAL, 3)


def test_a_box_is_physical(box):
    assert len(box) > 200
    assert (box.position >= 0).all() and (box.position < 25).all()
    assert (box.star_particles >= 10).all()
    for column in (box.stellar_mass, box.dark_mass, box.size, box.metallicity, box.v_max):
        assert np.isfinite(column).all() and (column > 0).all()
    assert 0.2 < box.satellite.mean() < 0.7
    mass, speed = np.log10(box.stellar_mass), np.log10(box.v_max)
    assert 0.65 < np.corrcoef(mass, speed)[0, 1] < 0.95


def test_suites_differ_and_seeds_differ():
    boxes = [make_box(kind, FIDUCIAL, 1) for kind in ("tng", "simba", "astrid")]
    sizes = [len(made) for made in boxes]
    assert len(set(sizes)) == 3
    assert len(make_box("tng", FIDUCIAL, 2)) != sizes[0]


@pytest.mark.parametrize("kind", ["tng", "simba"])
def test_counts_respond_with_the_right_sign(kind):
    middle = count(kind)
    assert count(kind, Omega_m=0.45) > 1.2 * middle
    assert count(kind, A_SN1=3.0) < 0.8 * middle
    assert count(kind, A_AGN1=3.0) == middle


def test_peak_velocity_of_a_bare_nfw_halo():
    mass, concentration, radius = np.array([1e12]), np.array([9.0]), np.array([0.1626])
    nothing = np.zeros(1)
    v_max = peak_velocity(
        mass, concentration, radius, np.ones(1), nothing, nothing, np.full(1, 1e-3)
    )
    virial = np.sqrt(4.30091e-9 * mass / radius)
    shape = np.log(10.0) - 0.9  # ln(1 + c) − c / (1 + c)
    np.testing.assert_allclose(v_max, virial * 0.465 * np.sqrt(concentration / shape), rtol=0.005)


def test_an_unknown_suite_names_the_nearest():
    with pytest.raises(UsageError, match="simba"):
        relations("simbaa")
    assert relations("illustristng") is relations("TNG")


def test_streams_are_never_shared():
    streams = [suite.stream for suite in SUITES.values()]
    assert len(set(streams)) == len(streams)
