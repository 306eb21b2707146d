import h5py
import numpy as np
import pytest
from tiny_catalogs import subhalos, write_catalog, write_flat_suite, write_table

from dagnn.catalogs import Selection, default_cache, load_suite
from dagnn.errors import (
    EmptyCatalogError,
    MismatchError,
    MissingDataError,
    TruncatedFileError,
    UnknownSimulationError,
)

FILE = "IllustrisTNG_LH_{}_fof_subhalo_tab_033.hdf5"
TABLE = "CosmoAstroSeed_params_IllustrisTNG.txt"


@pytest.fixture
def root(tmp_path):
    return write_flat_suite(tmp_path / "data")


def same(one, other):
    assert (one.ids, one.skipped, one.fingerprint) == (other.ids, other.skipped, other.fingerprint)
    for mine, yours in zip(one.catalogs, other.catalogs, strict=True):
        assert (mine.path, mine.header, mine.warnings) == (yours.path, yours.header, yours.warnings)
        assert repr(mine) == repr(yours)
        for name, values in mine.columns.items():
            np.testing.assert_array_equal(values, yours.columns[name])
            assert values.dtype == yours.columns[name].dtype
    return True


def test_boxes_with_their_truth(root):
    suite = load_suite("tng", root, parameters=("sigma_8", "Omega_m"))
    assert suite.ids == ("LH_0", "LH_1", "LH_2")
    assert suite.truth.tolist() == [[0.8, 0.3], [0.8, 0.30001], [0.8, 0.30002]]
    assert suite.truth.dtype == np.float64
    assert (len(suite), suite.mock, suite.box_size, suite.redshift) == (3, False, 25000.0, 0.0)
    assert repr(suite) == "SuiteCatalogs(tng LH z=0.00: 3 boxes, 5 galaxies each, 0 skipped)"


def test_truth_follows_the_name_and_not_the_row(root):
    lines = (root / TABLE).read_text().splitlines()
    (root / TABLE).write_text("\n".join([lines[0], *reversed(lines[1:])]))
    assert load_suite("tng", root).truth[:, 0].tolist() == [0.3, 0.30001, 0.30002]


def test_limit_and_progress(root):
    seen = []
    suite = load_suite(
        "tng", root, limit=2, on_progress=lambda done, total: seen.append((done, total))
    )
    assert suite.ids == ("LH_0", "LH_1")
    assert seen == [(1, 2), (2, 2)]


def test_several_processes_give_the_same(root):
    assert same(load_suite("tng", root), load_suite("tng", root, workers=2))


def test_boxes_without_galaxies_are_skipped_and_counted(root):
    write_catalog(root / FILE.format(1), subhalos(n_galaxies=0))
    write_catalog(root / FILE.format(2), {})
    suite = load_suite("tng", root)
    assert suite.ids == ("LH_0",)
    assert suite.truth.tolist() == [[0.3]]
    assert [simulation for simulation, _ in suite.skipped] == ["LH_1", "LH_2"]
    assert "more than 20 star particles" in suite.skipped[0][1]


def test_error_where_no_box_is_left(root):
    with pytest.raises(EmptyCatalogError, match=r"None of the 3 LH boxes.*more than 99"):
        load_suite("tng", root, selection=Selection(min_star_particles=99))


@pytest.mark.parametrize("workers", [1, 2])
def test_broken_file_is_named(root, workers):
    path = root / FILE.format(1)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(TruncatedFileError, match="LH_1"):
        load_suite("tng", root, workers=workers)


def test_simulation_absent_from_the_table(root):
    write_table(root / TABLE, ["LH_0", "LH_1"])
    with pytest.raises(UnknownSimulationError, match="'LH_2'"):
        load_suite("tng", root)


def test_table_is_needed_unless_boxes_are_unlabelled(root):
    (root / TABLE).unlink()
    with pytest.raises(MissingDataError, match="No parameter table"):
        load_suite("tng", root)
    assert np.isnan(load_suite("tng", root, labelled=False).truth).all()
    elsewhere = write_table(root / "mine.txt", ["LH_0", "LH_1", "LH_2"])
    assert load_suite("tng", root, table=elsewhere).truth[2, 0] == 0.30002


def test_other_volume_is_a_mismatch(root):
    with pytest.raises(MissingDataError):
        load_suite("tng", root, volume="L50n512")
    with pytest.raises(MismatchError, match="BoxSize"):
        load_suite("tng", root, volume="L50n512", template=FILE.format("{i}"), table=root / TABLE)


def test_header_against_table_is_a_warning(root):
    write_catalog(root / FILE.format(1), Omega0=0.2)
    (warning,) = load_suite("tng", root).warnings
    assert "LH_1" in warning


def test_any_mock_box_stamps_the_suite(root):
    write_catalog(root / FILE.format(1), MockGenerator="recipe")
    suite = load_suite("tng", root)
    assert suite.mock
    assert "MOCK" in repr(suite)


def test_fingerprint_follows_the_content(root):
    before = load_suite("tng", root).fingerprint
    assert load_suite("tng", root).fingerprint == before
    write_catalog(root / FILE.format(1), subhalos(9, 5, seed=7))
    assert load_suite("tng", root).fingerprint != before


@pytest.fixture
def no_hdf5(monkeypatch):
    def forbid():
        def refuse(*arguments, **options):
            raise AssertionError("HDF5 was opened")

        monkeypatch.setattr(h5py, "File", refuse)

    return forbid


def test_second_start_opens_no_hdf5(root, tmp_path, no_hdf5):
    write_catalog(root / FILE.format(1), subhalos(n_galaxies=0))
    first = load_suite("tng", root, cache=tmp_path / "cache")
    no_hdf5()
    assert same(first, load_suite("tng", root, cache=tmp_path / "cache"))
    with pytest.raises(AssertionError, match="HDF5 was opened"):
        load_suite("tng", root)


def test_second_start_opens_no_hdf5_with_two_candidates(root, tmp_path, no_hdf5):
    write_catalog(root / FILE.format(0).replace("033", "090"), Redshift=0.0)
    write_catalog(root / FILE.format(0).replace("033", "090"), Redshift=5.0)
    first = load_suite("tng", root, cache=tmp_path / "cache")
    assert len(first) == 3
    no_hdf5()
    assert same(first, load_suite("tng", root, cache=tmp_path / "cache"))


@pytest.mark.parametrize(
    "change",
    [
        {"selection": Selection(min_star_particles=21)},
        {"columns": ("vmax",)},
        {"limit": 2},
    ],
    ids=["selection", "columns", "limit"],
)
def test_cache_does_not_answer_another_question(root, tmp_path, no_hdf5, change):
    load_suite("tng", root, cache=tmp_path / "cache")
    no_hdf5()
    with pytest.raises(AssertionError, match="HDF5 was opened"):
        load_suite("tng", root, cache=tmp_path / "cache", **change)


def test_cache_sees_a_changed_file(root, tmp_path):
    before = load_suite("tng", root, cache=tmp_path / "cache")
    write_catalog(root / FILE.format(1), subhalos(9, 5, seed=7))
    after = load_suite("tng", root, cache=tmp_path / "cache")
    assert not np.array_equal(before.catalogs[1].columns["vmax"], after.catalogs[1].columns["vmax"])


def test_cached_truth_is_read_anew(root, tmp_path):
    load_suite("tng", root, cache=tmp_path / "cache")
    write_table(root / TABLE, ["LH_2", "LH_1", "LH_0"])
    assert load_suite("tng", root, cache=tmp_path / "cache").truth[2, 0] == 0.3


@pytest.mark.parametrize("damage", ["garbage", "truncated", "flipped", "empty"])
def test_damaged_cache_is_rebuilt_with_a_warning(root, tmp_path, damage):
    cache = tmp_path / "cache"
    first = load_suite("tng", root, cache=cache)
    (file,) = cache.iterdir()
    content = bytearray(file.read_bytes())
    middle = len(content) // 2
    flipped = content[:middle] + bytes(255 - b for b in content[middle : middle + 64])
    damaged = {
        "garbage": b"not an archive",
        "truncated": content[:middle],
        "flipped": flipped + content[middle + 64 :],
        "empty": b"",
    }
    file.write_bytes(damaged[damage])
    with pytest.warns(UserWarning, match="damaged"):
        assert same(first, load_suite("tng", root, cache=cache))
    assert same(first, load_suite("tng", root, cache=cache))
    assert [path.suffix for path in cache.iterdir()] == [".npz"]


def test_cache_that_cannot_be_written_is_only_a_warning(root, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.warns(UserWarning, match="cannot be written"):
        assert len(load_suite("tng", root, cache=tmp_path / "file" / "cache")) == 3


def test_default_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("DAGNN_CACHE", str(tmp_path))
    assert default_cache() == tmp_path
    monkeypatch.delenv("DAGNN_CACHE")
    assert default_cache().parts[-2:] == (".cache", "dagnn")


@pytest.mark.parametrize("name", ["tng", "simba"])
def test_reference_suites(shared, name):
    suite = load_suite(name, shared / "reference" / "catalogs")
    full = suite.suite.name
    expected = np.load(shared / "reference" / "expected_tng_noda.npz")
    normalised = (suite.truth[:, 0] - 0.1) / 0.4
    np.testing.assert_allclose(normalised, expected[f"{full}/truth"], atol=1e-7)
    assert [len(box) for box in suite.catalogs] == expected[f"{full}/n_galaxies"].tolist()
    assert suite.mock
    assert suite.warnings == ()
