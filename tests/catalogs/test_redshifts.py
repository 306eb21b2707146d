"""At which redshifts catalogues are there: a look at the first few simulations."""

import pytest
from tiny_catalogs import write_catalog

from dagnn.catalogs.layouts import FEW, catalog_redshifts
from dagnn.catalogs.suites import find_suite

TNG = find_suite("tng")
PATTERNS = {
    "current": "FOF_Subfind/IllustrisTNG/L25n256/LH/{sim}/groups_{snap:03d}.hdf5",
    "flat": "IllustrisTNG_{sim}_groups_{snap:03d}.hdf5",
    "chunks": "IllustrisTNG/LH/{sim}/groups_{snap:03d}/fof_subhalo_tab_{snap:03d}.0.hdf5",
}
SNAPSHOTS = {90: 1e-9, 73: 0.5031, 60: 1.0449}


@pytest.mark.parametrize("pattern", PATTERNS.values(), ids=PATTERNS)
def test_headers_of_the_first_few_simulations_tell(tmp_path, pattern):
    for number in range(FEW + 1):
        for snap, redshift in SNAPSHOTS.items():
            write_catalog(
                tmp_path / pattern.format(sim=f"LH_{number}", snap=snap), Redshift=redshift
            )
    assert catalog_redshifts(TNG, tmp_path) == (0.0, 0.503, 1.045)
    assert catalog_redshifts(TNG, tmp_path, "CV") == ()
    assert catalog_redshifts(find_suite("simba"), tmp_path) == ()
    # What one of the first few lacks is not there; what a later one lacks is not seen.
    (tmp_path / pattern.format(sim="LH_1", snap=73)).unlink()
    (tmp_path / pattern.format(sim=f"LH_{FEW}", snap=60)).unlink()
    assert catalog_redshifts(TNG, tmp_path) == (0.0, 1.045)


def test_the_header_decides_not_the_number(tmp_path):
    write_catalog(tmp_path / "IllustrisTNG_LH_3_fof_subhalo_tab_033.hdf5", Redshift=0.0)
    assert catalog_redshifts(TNG, tmp_path) == (0.0,)


def test_other_volumes_and_damaged_files_do_not_count(tmp_path):
    place = "FOF_Subfind/IllustrisTNG/L50n512/LH/LH_0/groups_090.hdf5"
    write_catalog(tmp_path / place, BoxSize=50000.0)
    (tmp_path / place).with_name("groups_073.hdf5").write_text("<html>")
    write_catalog((tmp_path / place).with_name("groups_089.hdf5"), Redshift=0.013)
    assert catalog_redshifts(TNG, tmp_path) == ()
    assert catalog_redshifts(TNG, tmp_path, volume="L50n512") == (0.0,)


@pytest.mark.parametrize("template", ["mine/z{snap:03d}/box_{i}.h5", "mine/{suite}/{sim}.h5"])
def test_a_template_of_ones_own(tmp_path, template):
    path = template.format(snap=73, i=7, sim="LH_7", suite="IllustrisTNG")
    write_catalog(tmp_path / path, Redshift=0.5)
    assert catalog_redshifts(TNG, tmp_path, template=template) == (0.503,)
