"""Suites on disk: the real layout, the same bytes, resumed runs, clear refusals."""

import hashlib

import h5py
import numpy as np
import pytest

from dagnn.errors import MissingDataError, TableError, UsageError
from dagnn.mocks.suites import relations
from dagnn.mocks.universe import (
    PARAMETER_NAMES,
    catalog_path,
    hypercube_rows,
    make_universe,
    read_rows,
    table_path,
    write_rows,
)

TABLE = """#Name  Omega_m  sigma_8  A_SN1     A_AGN1  A_SN2  A_AGN2  seed
  LH_0 0.10900 0.67900   3.11234   1.12194 0.66850 0.53182 5000
  LH_1 0.12260 0.63940   3.42001   3.96137 1.03311 1.16070 5001
  LH_2 0.11820 0.65300   2.70613   0.37423 1.96292 0.62720 5002
"""


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    path = tmp_path_factory.mktemp("table") / "CosmoAstroSeed_SIMBA_L25n256_LH.txt"
    path.write_text(TABLE)
    return path


@pytest.fixture(scope="module")
def folder(table, tmp_path_factory):
    return make_universe("simba", tmp_path_factory.mktemp("mock"), 3, table)


def digests(folder):
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
    }


def test_same_bytes_for_any_number_of_workers(folder, table, tmp_path):
    assert digests(make_universe("simba", tmp_path, 3, table, workers=2)) == digests(folder)


def test_layout_and_fields_are_those_of_camels(folder):
    path = folder / "FOF_Subfind/SIMBA/L25n256/LH/LH_1/groups_090.hdf5"
    with h5py.File(path) as file:
        header, subhalo = dict(file["Header"].attrs), file["Subhalo"]
        count = header["Nsubgroups_ThisFile"]
        assert header["Omega0"] == 0.1226 and header["BoxSize"] == 25000.0
        assert header["Redshift"] == 0.0 and header["Time"] == 1.0 and header["NumFiles"] == 1
        assert "not a simulation" in header["MockGenerator"]
        shapes = {name: (d.shape[1:], d.dtype.str) for name, d in subhalo.items()}
        assert shapes == {
            "SubhaloPos": ((3,), "<f4"),
            "SubhaloVel": ((3,), "<f4"),
            "SubhaloMass": ((), "<f4"),
            "SubhaloMassType": ((6,), "<f4"),
            "SubhaloLen": ((), "<i4"),
            "SubhaloLenType": ((6,), "<i4"),
            "SubhaloHalfmassRadType": ((6,), "<f4"),
            "SubhaloStarMetallicity": ((), "<f4"),
            "SubhaloVmax": ((), "<f4"),
        }
        assert all(len(d) == count for d in subhalo.values())
        position = subhalo["SubhaloPos"][:]
        assert (position >= 0).all() and (position < 25000).all()
        stars = subhalo["SubhaloMassType"][:, 4] * 1e10 / subhalo["SubhaloLenType"][:, 4]
        np.testing.assert_allclose(np.median(stars), 1.05e7, rtol=0.05)


def test_the_table_round_trips(folder, table):
    written = table_path(folder, relations("simba"))
    assert read_rows(written, 3) == read_rows(table, 3)
    assert written.name == "CosmoAstroSeed_SIMBA_L25n256_LH.txt"


def test_real_tables_are_read(shared):
    for suite in ("IllustrisTNG", "SIMBA", "Astrid"):
        path = shared / "camels" / "params" / suite / f"CosmoAstroSeed_{suite}_L25n256_LH.txt"
        rows = read_rows(path, 1000)
        assert len(rows) == 1000 and rows[7].name == "LH_7"
        assert min(row.parameters["Omega_m"] for row in rows) >= 0.1


def test_only_what_is_missing_is_made(folder, table, tmp_path):
    make_universe("simba", tmp_path, 1, table)
    first = catalog_path(tmp_path, relations("simba"), read_rows(table, 1)[0])
    stamp = first.stat().st_mtime_ns
    seen = []
    make_universe("simba", tmp_path, 3, table, on_progress=lambda *pair: seen.append(pair))
    assert seen == [(1, 3), (2, 3), (3, 3)]
    assert first.stat().st_mtime_ns == stamp
    assert digests(tmp_path) == digests(folder)


def test_a_folder_with_other_mocks_is_refused(folder, table):
    with pytest.raises(UsageError, match="other SIMBA mocks"):
        make_universe("simba", folder, 3, table, seed=1)
    with pytest.raises(UsageError, match="other SIMBA mocks"):
        make_universe("simba", folder, 3)


def test_a_folder_with_real_data_is_refused(tmp_path):
    (tmp_path / "FOF_Subfind" / "SIMBA").mkdir(parents=True)
    with pytest.raises(UsageError, match="not mocks"):
        make_universe("simba", tmp_path, 1)


def test_hypercubes_fill_the_priors_and_differ(tmp_path):
    tng, simba, astrid = (hypercube_rows(relations(k), 50, 0) for k in ("tng", "simba", "astrid"))
    assert tng != simba and tng == hypercube_rows(relations("tng"), 50, 0)
    values = np.array([row.values for row in tng])
    strata = np.sort(((values[:, 0] - 0.1) / 0.4 * 50).astype(int))
    assert (strata == np.arange(50)).all()
    assert np.log(values[:, 2]).min() < np.log(0.3) and values[:, 2].max() > 3.5
    assert max(row.parameters["A_AGN2"] for row in astrid) > 3
    write_rows(tmp_path / "t.txt", tng)
    assert read_rows(tmp_path / "t.txt", 50) == tng


def test_broken_tables_say_where(tmp_path, table):
    with pytest.raises(MissingDataError, match="absent"):
        read_rows(tmp_path / "absent.txt", 1)
    with pytest.raises(UsageError, match="3 rows"):
        read_rows(table, 4)
    (tmp_path / "short.txt").write_text("#Name Omega_m seed\nLH_0 0.3 0\n")
    with pytest.raises(TableError, match="sigma_8"):
        read_rows(tmp_path / "short.txt", 1)
    (tmp_path / "bad.txt").write_text(f"#Name {' '.join(PARAMETER_NAMES)} seed\nLH_0 0.3 x\n")
    with pytest.raises(TableError, match="line 2"):
        read_rows(tmp_path / "bad.txt", 1)
    with pytest.raises(UsageError, match="at least one"):
        make_universe("tng", tmp_path / "u", 0)
