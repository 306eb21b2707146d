"""Inputs of one network are compared in everything that their columns stand for."""

import numpy as np
import pytest

from dagnn.data.catalogues import Galaxies
from dagnn.data.requests import Inputs, same_wavenumbers
from dagnn.data.spectra import PowerSpectra
from dagnn.data.surveys import SurveyImages
from dagnn.errors import MismatchError

K = np.arange(1, 80) * 2 * np.pi / 25 + 0.1


@pytest.mark.parametrize("decimals", [1, 2, 3, 6])
def test_wavenumbers_rounded_in_a_text_file_are_the_same(decimals):
    assert same_wavenumbers(K.round(decimals), K)


@pytest.mark.parametrize(
    "other",
    [
        K[:39],
        K * 0.6711,
        K / 1000,
        K / 0.6711,
        K + np.pi / 25,
        K * 20 / 19,
        np.linspace(0.36, 10, 79),
    ],
    ids=["kmax", "1/Mpc", "h/kpc", "h", "half a step", "kmax 19", "kmax and step"],
)
def test_other_wavenumbers_are_not(other):
    assert not same_wavenumbers(other, K) and not same_wavenumbers(K, other)


def test_features_of_equal_number_are_told_apart():
    ours, theirs = (Galaxies(features=name)._inputs for name in ("mass_vmax", "mass_radius"))
    assert ours.require_same(ours, "new", "old") == []
    with pytest.raises(MismatchError, match=r"features is \['stellar_mass', 'vmax'\] for new and"):
        ours.require_same(theirs, "new", "old")


def test_a_setting_that_may_change_is_a_note():
    ours, theirs = Galaxies(0.015)._inputs, Galaxies(0.02)._inputs
    with pytest.raises(MismatchError, match=r"linking_radius is 0\.015 for new and 0\.02"):
        ours.require_same(theirs, "new", "old")
    (note,) = ours.require_same(theirs, "new", "old", ["linking_radius"])
    assert note == "linking_radius is 0.015, and 0.02 for old"


def test_images_of_another_cut_are_refused():
    ours, theirs = SurveyImages(crop=64, size=32)._inputs, SurveyImages(crop=32)._inputs
    with pytest.raises(MismatchError, match="crop is 64 for new and 32 for old; size is 32"):
        ours.require_same(theirs, "new", "old")


def test_what_an_older_checkpoint_does_not_hold_is_not_compared():
    assert Galaxies()._inputs.require_same(Inputs.stored({}), "new", "old") == []
    stored = Galaxies()._inputs.to_dict()
    assert Inputs.stored({"inputs": stored}) == Galaxies()._inputs


def test_only_spectra_choose_a_kmax():
    for modality in (Galaxies(), SurveyImages(), PowerSpectra(kmax=10)):
        assert modality.shared_options([], Inputs()) == {}
