import gzip

import h5py
import numpy as np
import pytest
from tiny_catalogs import subhalos, write_catalog, write_flat_suite, write_table

from dagnn.catalogs.cache import default_cache
from dagnn.catalogs.catalog import Selection
from dagnn.catalogs.collection import load_suite
from dagnn.errors import (
    EmptyCatalogError,
    MismatchError,
    MissingDataError,
    TableError,
    TruncatedFileError,
    UnknownSimulationError,
)
from dagnn.inspect import inspect_path

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
    assert (len(suite), suite.mock) == (3, False)
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
    assert [*suite.skipped] == ["LH_1", "LH_2"]
    assert "more than 20 star particles" in suite.skipped["LH_1"]


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


def write_boxes(root, stated, labels, set_name="LH", suite="IllustrisTNG", **header):
    """Write boxes whose headers state one Omega_m and whose table gives another."""
    lines = ["#Name Omega_m sigma_8 seed"]
    for k, (own, label) in enumerate(zip(stated, labels, strict=True)):
        name = f"{set_name}_{k}"
        path = root / f"{suite}_{name}_fof_subhalo_tab_033.hdf5"
        write_catalog(path, subhalos(seed=k), Omega0=own, **header)
        lines.append(f"{name} {label} 0.8 {k}")
    (root / f"CosmoAstroSeed_params_{suite}.txt").write_text("\n".join(lines))
    return root


STATED = [0.12, 0.2, 0.3, 0.4, 0.45]


def test_table_of_another_suite_is_refused(tmp_path):
    write_boxes(tmp_path, STATED, STATED[::-1])
    expected = (
        r"CosmoAstroSeed_params_IllustrisTNG\.txt.*headers of 4 of 5 boxes.*"
        r"LH_0: Header/Omega0 is 0\.1200 and Omega_m 0\.4500.*wrong_headers"
    )
    for labelled in (True, False):
        with pytest.raises(MismatchError, match=expected) as raised:
            load_suite("tng", tmp_path, labelled=labelled)
        assert raised.value.exit_code == 3
    found = inspect_path(tmp_path)
    assert found.problems == [str(raised.value)]
    assert found.commands == []


def test_one_box_of_another_cosmology_is_a_warning(tmp_path):
    write_boxes(tmp_path, STATED, [0.3, *STATED[1:]])
    (warning,) = load_suite("tng", tmp_path).warnings
    assert "Header/Omega0 is 0.1200 and Omega_m 0.3000 for LH_0" in warning
    found = inspect_path(tmp_path)
    assert found.healthy and "headers of 1 of 5 boxes" in found.warnings[0]


def test_headers_that_are_known_to_be_wrong_are_only_warnings(tmp_path):
    write_boxes(tmp_path, [0.3] * 5, STATED, "1P", "SIMBA")
    suite = load_suite("simba", tmp_path, set="1P")
    assert suite.truth[:, 0].tolist() == STATED
    assert len(suite.warnings) == 4


def test_other_parameters_of_the_header_are_compared_too(tmp_path):
    write_boxes(tmp_path, [None] * 5, STATED, OmegaLambda=0.7)
    with pytest.raises(MismatchError, match="4 of 5 boxes"):
        load_suite("tng", tmp_path)
    write_boxes(tmp_path, STATED, STATED, HubbleParam=0.6711, OmegaBaryon=0.049)
    lines = (
        (tmp_path / TABLE).read_text().replace("sigma_8", "HubbleParam").replace(" 0.8 ", " 0.7 ")
    )
    (tmp_path / TABLE).write_text(lines)
    with pytest.raises(MismatchError, match=r"Header/HubbleParam is 0\.6711 and h 0\.7000"):
        load_suite("tng", tmp_path)


@pytest.mark.parametrize("value", ["3.09", "-0.3", "0"])
def test_labels_far_outside_the_prior_are_refused(tmp_path, value):
    labels = [*STATED[:3], value, *STATED[4:]]
    write_boxes(tmp_path, STATED, labels)
    message = rf"IllustrisTNG\.txt, column Omega_m: 1 of 5.*0\.1 to 0\.5: LH_3 {value}\."
    for labelled in (True, False):
        with pytest.raises(TableError, match=message):
            load_suite("tng", tmp_path, labelled=labelled)
    assert load_suite("tng", tmp_path, parameters=["sigma_8"]).truth.tolist() == [[0.8]] * 5
    assert any(f"LH_3 {value}" in text for text in inspect_path(tmp_path).problems)
    assert f"LH_3 {value}" in inspect_path(tmp_path / TABLE).problems[0]


def test_labels_slightly_outside_the_prior_are_a_warning(tmp_path):
    stated = [*STATED[:4], 0.53]
    write_boxes(tmp_path, stated, stated)
    (warning,) = load_suite("tng", tmp_path).warnings
    assert "column Omega_m: 1 of 5 values lie outside the prior" in warning
    found = inspect_path(tmp_path)
    assert found.healthy and found.warnings == [warning]
    wide = tmp_path / "wide.yaml"
    wide.write_text("inherits: tng\nname: W\nshort_name: w\npriors: {Omega_m: {low: 0, high: 1}}\n")
    assert load_suite(str(wide), tmp_path).warnings == ()


def test_a_prior_that_a_quarter_of_many_boxes_leaves_is_not_theirs(tmp_path):
    stated = [0.2, 0.3, 0.4, 0.45, 0.45, 0.51, 0.52, 0.53]
    write_boxes(tmp_path, stated, stated)
    with pytest.raises(TableError, match=r"3 of 8 values lie outside.*`priors`"):
        load_suite("tng", tmp_path)


def test_the_extreme_set_is_as_it_should_be(tmp_path):
    write_boxes(tmp_path, [0.3] * 2, [0.3] * 2, "EX")
    table = tmp_path / TABLE
    table.write_text("#Name Omega_m A_SN1 seed\nEX_0 0.3 100.0 1\nEX_1 0.3 0.0 2\n")
    suite = load_suite("tng", tmp_path, set="EX", parameters=["A_SN1"])
    assert suite.truth.tolist() == [[100.0], [0.0]]
    assert suite.warnings == ()
    assert inspect_path(table).healthy
    table.write_text(table.read_text().replace("EX", "LH"))
    assert "LH_0 100, LH_1 0" in inspect_path(table).problems[0]


def test_a_gzipped_table_is_found(root):
    content = (root / TABLE).read_bytes()
    (root / TABLE).unlink()
    (root / f"{TABLE}.gz").write_bytes(gzip.compress(content))
    assert load_suite("tng", root).truth[:, 0].tolist() == [0.3, 0.30001, 0.30002]
    assert inspect_path(root / f"{TABLE}.gz").kind == "parameter table"


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
        {"limit": 2},
    ],
    ids=["selection", "limit"],
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


@pytest.mark.parametrize("damage", ["lost", "changed", "text"])
def test_columns_that_are_not_those_of_the_cache_are_read_anew(root, tmp_path, damage):
    cache = tmp_path / "cache"
    first = load_suite("tng", root, cache=cache)
    (file,) = cache.iterdir()
    with np.load(file) as stored:
        arrays = {name: stored[name] for name in stored.files}
    values = arrays.pop("column_position")
    if damage != "lost":
        arrays["column_position"] = values / 2 if damage == "changed" else values.astype(str)
    np.savez(file, **arrays)
    with pytest.warns(UserWarning, match="columns"):
        assert same(first, load_suite("tng", root, cache=cache))


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
