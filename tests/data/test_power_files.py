"""Names of files of spectra: whose, and at which redshift."""

from pathlib import Path

import pytest

from dagnn.data.power import named_in, require_redshifts
from dagnn.errors import MismatchError

TODAY, EARLIER = (
    Path("Pk_galaxies_SIMBA_LH_33_kmax=20.0.npy"),
    Path("Pk_galaxies_SIMBA_LH_18_kmax=20.0.npy"),
)


def test_a_name_tells_suite_set_and_redshift():
    named = named_in(EARLIER)
    assert named is not None
    assert (named.suite.short_name, named.set) == ("simba", "LH")
    assert named.redshift == pytest.approx(1.05, abs=0.01)
    for strange in ("Pk_galaxies_NOBODY_LH_33_kmax=20.0.npy", "power.npy"):
        assert named_in(Path(strange)) is None


def test_files_of_another_redshift_are_refused_in_any_place():
    require_redshifts([TODAY, Path("mine.npy")], [0.0])
    require_redshifts([TODAY, EARLIER, TODAY, EARLIER], [0.0, 1.0])  # the nearest snapshot will do
    with pytest.raises(MismatchError, match=r"LH_18.*is at redshift 1\.04.* where 0\.000"):
        require_redshifts([TODAY, EARLIER], [0.0])
    with pytest.raises(MismatchError, match="LH_18"):
        require_redshifts([EARLIER, TODAY], [0.0, 1.0])
