"""Latent maps keep order and suites."""

import numpy as np
import pytest
from synthetic_predictions import synthetic

from dagnn.errors import ConfigError
from dagnn.evaluation import latent
from dagnn.evaluation.latent import PROJECTIONS, latent_maps


def pair(shift=0.0, items=40, **options):
    return [
        synthetic("tng", "source", items=items, seed=1, **options),
        synthetic("simba", "target", items=items, seed=2, shift=shift, **options),
    ]


@pytest.mark.parametrize("method", PROJECTIONS)
def test_every_projection_separates_what_is_separate(method, recwarn):
    found = latent_maps(pair(shift=3.0), method=method)["Omega_m"]
    assert found.coords.shape == (80, 2)
    assert np.isfinite(found.coords).all()
    assert (found.suite[0], found.role[0], found.suite[-1]) == ("tng", "source", "simba")
    source, target = found.coords[:40], found.coords[40:]
    gap = np.linalg.norm(source.mean(0) - target.mean(0))
    assert gap > max(source.std(0).max(), target.std(0).max())
    assert not [warning for warning in recwarn if "connected components" in str(warning.message)]


@pytest.mark.parametrize("method", PROJECTIONS)
def test_every_projection_repeats_itself(method):
    first, again = (latent_maps(pair(), method=method)["Omega_m"].coords for _ in range(2))
    np.testing.assert_allclose(first, again, atol=1e-6)


def test_pca_finds_the_directions_of_largest_variance():
    values = np.random.default_rng(0).normal(size=(50, 6)) * [5, 3, 1, 1, 1, 1]
    centred = values - values.mean(0)
    _, vectors = np.linalg.eigh(centred.T @ centred)
    expected = centred @ vectors[:, :-3:-1]
    np.testing.assert_allclose(np.abs(latent.pca(values, 0)), np.abs(expected), atol=1e-9)


def test_pca_of_a_single_latent_has_a_flat_second_axis():
    assert (latent.pca(np.arange(5.0)[:, None], 0)[:, 1] == 0).all()


def test_values_and_thinning():
    suites = pair(items=40, parameters=("Omega_m", "sigma_8"))
    suites[1].truth[:] = np.nan
    found = latent_maps(suites, method="pca", items_per_suite=15)["sigma_8"]
    assert len(found.coords) == 30
    assert set(found.values[:15]) <= set(suites[0].truth[:, 1])
    assert np.isnan(found.values[15:]).all()
    assert (found.parameter, found.model) == ("sigma_8", "model")


def test_constant_latents_do_not_divide_by_zero():
    flat = synthetic()
    flat.latent[:, 0] = 7.0
    assert np.isfinite(latent_maps([flat], method="pca")["Omega_m"].coords).all()


def test_impossible_maps_are_refused():
    with pytest.raises(ConfigError, match="Did you mean 'isomap'"):
        latent_maps(pair(), method="isomapp")
    with pytest.raises(ValueError, match="one network"):
        latent_maps([synthetic(), synthetic(model="source-only")])
    with pytest.raises(ValueError, match="at least three"):
        latent_maps([synthetic(items=2)])
