"""Latent maps keep order and suites, with and without scikit-learn."""

import numpy as np
import pytest
from sklearn.decomposition import PCA
from synthetic_predictions import synthetic

from dagnn.errors import ConfigError
from dagnn.evaluation import latent
from dagnn.evaluation.latent import PROJECTIONS, latent_map


def pair(shift=0.0, items=40, **options):
    return [
        synthetic("tng", "source", items=items, seed=1, **options),
        synthetic("simba", "target", items=items, seed=2, shift=shift, **options),
    ]


@pytest.mark.parametrize("method", PROJECTIONS)
def test_every_projection_separates_what_is_separate(method, recwarn):
    found = latent_map(pair(shift=3.0), "Omega_m", method=method)
    assert found.coords.shape == (80, 2)
    assert np.isfinite(found.coords).all()
    assert (found.suite[0], found.role[0], found.suite[-1]) == ("tng", "source", "simba")
    source, target = found.coords[:40], found.coords[40:]
    gap = np.linalg.norm(source.mean(0) - target.mean(0))
    assert gap > max(source.std(0).max(), target.std(0).max())
    assert not [warning for warning in recwarn if "connected components" in str(warning.message)]


@pytest.mark.parametrize("method", PROJECTIONS)
def test_every_projection_repeats_itself(method):
    first, again = (latent_map(pair(), "Omega_m", method=method).coords for _ in range(2))
    np.testing.assert_allclose(first, again, atol=1e-6)


def test_own_pca_agrees_with_scikit_learn():
    values = np.random.default_rng(0).normal(size=(50, 6)) * [5, 3, 1, 1, 1, 1]
    ours, theirs = latent.pca(values, 0), PCA(2).fit_transform(values)
    np.testing.assert_allclose(np.abs(ours), np.abs(theirs), atol=1e-9)


def test_pca_of_a_single_latent_has_a_flat_second_axis():
    assert (latent.pca(np.arange(5.0)[:, None], 0)[:, 1] == 0).all()


def test_values_and_thinning():
    suites = pair(items=40, parameters=("Omega_m", "sigma_8"))
    suites[1].truth[:] = np.nan
    found = latent_map(suites, "sigma_8", method="pca", items_per_suite=15)
    assert len(found.coords) == 30
    assert set(found.values[:15]) <= set(suites[0].truth[:, 1])
    assert np.isnan(found.values[15:]).all()
    assert (found.parameter, found.model) == ("sigma_8", "model")


def test_without_scikit_learn_pca_stands_in_and_says_so(monkeypatch):
    monkeypatch.setattr(latent, "find_spec", lambda name: None)
    found = latent_map(pair(), "Omega_m", method="isomap")
    assert found.method == "PCA (Isomap needs scikit-learn)"
    np.testing.assert_allclose(found.coords, latent_map(pair(), "Omega_m", method="pca").coords)


def test_constant_latents_do_not_divide_by_zero():
    flat = synthetic()
    flat.latent[:, 0] = 7.0
    assert np.isfinite(latent_map([flat], "Omega_m", method="pca").coords).all()


def test_impossible_maps_are_refused():
    with pytest.raises(ConfigError, match="Did you mean 'isomap'"):
        latent_map(pair(), "Omega_m", method="isomapp")
    with pytest.raises(ValueError, match="one network"):
        latent_map([synthetic(), synthetic(model="source-only")], "Omega_m")
    with pytest.raises(ValueError, match="at least three"):
        latent_map([synthetic(items=2)], "Omega_m")
