"""Positions and columns in other units, and parts of a box, are never read in silence."""

import h5py
import numpy as np
import pytest
from tiny_catalogs import BOX, subhalos, write_catalog, write_flat_suite

from dagnn.catalogs.cache import BoxRequest, Shard
from dagnn.catalogs.catalog import Selection
from dagnn.catalogs.checks import CHANCE, log_chance
from dagnn.catalogs.collection import load_suite, prepare_boxes
from dagnn.catalogs.reader import read_catalog
from dagnn.catalogs.suites import find_suite, load_suite_file
from dagnn.data.catalogues import Galaxies
from dagnn.data.requests import Request
from dagnn.errors import ConfigError, ImplausibleError, MismatchError
from dagnn.inspect import inspect_path
from dagnn.parameters import Scaling

FILE = "IllustrisTNG_LH_{}_fof_subhalo_tab_033.hdf5"
COLUMNS = {
    "stellar_mass": "SubhaloMassType",
    "stellar_radius": "SubhaloHalfmassRadType",
    "stellar_metallicity": "SubhaloStarMetallicity",
    "vmax": "SubhaloVmax",
    "velocity": "SubhaloVel",
}


def box(seed=0, n=400):
    """Return galaxies in clumps of about four, as real ones cluster."""
    fields = subhalos(n, n, seed)
    rng = np.random.default_rng(seed)
    centres = rng.uniform(0, BOX, (n // 4, 3))[rng.integers(0, n // 4, n)]
    fields["SubhaloPos"] = ((centres + rng.normal(0, 200, (n, 3))) % BOX).astype(np.float32)
    return fields


@pytest.fixture
def path(tmp_path):
    return tmp_path / FILE.format(3)


@pytest.fixture
def root(tmp_path):
    root = write_flat_suite(tmp_path / "data", 6)
    for k in range(6):
        write_catalog(root / FILE.format(k), box(k))
    return root


def scale(root, factor, boxes, field="SubhaloPos"):
    for k in boxes:
        with h5py.File(root / FILE.format(k), "r+") as file:
            file[f"Subhalo/{field}"][...] *= factor


@pytest.mark.parametrize(
    ("factor", "unit"),
    [
        (1e-3, "Mpc/h"),
        (1 / BOX, "units of the box"),
        (1 / 0.6711, "kpc without h"),
        (1e-3 / 0.6711, "Mpc without h"),
        (0.6711, "multiplied by h"),
        (1e3, "pc/h"),
        *((factor, "other units") for factor in (0.02, 0.3, 0.5, 0.8, 1.05, 1.2, 1.45, 40)),
    ],
)
def test_positions_in_another_unit(path, factor, unit):
    fields = box()
    fields["SubhaloPos"] *= np.float32(factor)
    with pytest.raises(ImplausibleError) as raised:
        read_catalog(write_catalog(path, fields))
    assert unit in str(raised.value)
    assert str(path) in str(raised.value)
    assert raised.value.exit_code == 3


def test_physical_positions_at_high_redshift(path):
    fields = box()
    fields["SubhaloPos"] /= np.float32(3)
    with pytest.raises(ImplausibleError, match="physical kpc/h"):
        read_catalog(write_catalog(path, fields, Redshift=2.0))


@pytest.mark.parametrize("axes", [(0,), (1, 2)])
def test_a_part_of_a_box(path, axes):
    fields = box(n=1500)
    inside = (fields["SubhaloPos"][:, axes] < BOX / 2).all(axis=1)
    part = {name: values[inside] for name, values in fields.items()}
    with pytest.raises(ImplausibleError, match="a part of a box"):
        read_catalog(write_catalog(path, part))


@pytest.mark.parametrize("n", [2, 5, 12, 40, 400])
def test_whole_boxes_of_few_galaxies_are_read(path, n):
    for seed in range(20):
        catalog = read_catalog(write_catalog(path, box(seed, max(n, 4))))
        assert (len(catalog), catalog.warnings) == (max(n, 4), ())


def test_centred_and_slightly_drifted_positions_are_read(path):
    fields = box()
    fields["SubhaloPos"] -= np.float32(BOX / 2)
    assert len(read_catalog(write_catalog(path, fields))) == 400
    fields["SubhaloPos"] += np.float32(BOX / 2)
    fields["SubhaloPos"][:3, 0] = [-100.0, -400.0, BOX + 20]
    assert read_catalog(write_catalog(path, fields)).n_wrapped == 3


def test_chance_of_a_span_is_that_of_uniform_positions():
    rng = np.random.default_rng(0)
    spans = np.ptp(rng.uniform(size=(20000, 5)), axis=1)
    share = float((spans < 0.5).mean())
    # Four galaxies count as one position; two axes are full.
    assert 10 ** log_chance(20, np.array([0.5, 1.0, 1.0])) == pytest.approx(share, rel=0.05)
    assert log_chance(700, np.array([0.958, 0.97, 0.98])) > CHANCE


@pytest.mark.parametrize(
    ("column", "factor", "expected"),
    [
        ("stellar_mass", 1e10, "Msun/h"),
        ("stellar_mass", 1e-10, "1e10 Msun/h was expected"),
        ("stellar_radius", 1e-3, "Mpc/h"),
        ("stellar_radius", 1e3, "pc/h"),
        ("stellar_metallicity", 1 / 0.0127, "solar"),
        ("stellar_metallicity", 100, "per cent"),
        ("stellar_metallicity", 0, "mass fraction was expected"),
        ("vmax", 1e3, "m/s"),
        ("vmax", 1e5, "cm/s"),
        ("velocity", 1e3, "m/s"),
        ("velocity", 1e-3, "km/s was expected"),
    ],
)
def test_columns_in_another_unit(path, column, factor, expected):
    fields = box()
    fields[COLUMNS[column]] = fields[COLUMNS[column]] * np.float32(factor)
    write_catalog(path, fields)
    with pytest.raises(ImplausibleError, match=column) as raised:
        read_catalog(path, columns=[*COLUMNS])
    assert expected in str(raised.value)
    lenient = read_catalog(path, columns=[*COLUMNS], strict=False)
    assert lenient.warnings == (str(raised.value),)


@pytest.mark.parametrize(
    ("column", "offset"), [("stellar_mass", 10), ("stellar_mass", 0), ("stellar_metallicity", 0)]
)
def test_logarithms(path, column, offset):
    fields = box()
    fields[COLUMNS[column]] = offset + np.log10(fields[COLUMNS[column]])
    with pytest.raises(ImplausibleError, match=rf"{column} .*logarithm"):
        read_catalog(write_catalog(path, fields))


def test_logarithms_of_radii(path):
    fields = box()
    fields["SubhaloHalfmassRadType"] = np.log10(fields["SubhaloHalfmassRadType"])
    with pytest.raises(ImplausibleError, match=r"stellar_radius has a median of 0\."):
        read_catalog(write_catalog(path, fields))


def test_rows_that_are_repeated_or_whose_positions_were_not_written(path):
    fields = box()
    fields["SubhaloPos"][100:102] = fields["SubhaloPos"][:2]  # a stray pair is no trouble
    assert read_catalog(write_catalog(path, fields)).warnings == ()
    twice = {name: np.concatenate([values, values[:40]]) for name, values in fields.items()}
    with pytest.raises(ImplausibleError, match="42 of 440 galaxies lie at exactly the position"):
        read_catalog(write_catalog(path, twice))
    fields["SubhaloPos"][200:] = 0
    with pytest.raises(ImplausibleError, match=r"201 of 400 galaxies lie at exactly.*fetch"):
        read_catalog(write_catalog(path, fields))


def test_many_holes_are_an_error_and_few_are_dropped(path):
    fields = box()
    fields["SubhaloVmax"][:20] = np.inf
    assert len(read_catalog(write_catalog(path, fields))) == 380
    fields["SubhaloVmax"][:200] = np.inf
    with pytest.raises(ImplausibleError, match="vmax is NaN or infinite in 200 of 400 galaxies"):
        read_catalog(write_catalog(path, fields))


@pytest.mark.parametrize("mark", [-1, -9999, -0.01])
@pytest.mark.parametrize("column", ["stellar_mass", "stellar_metallicity", "vmax"])
def test_marks_of_absent_values_are_dropped_with_a_warning(path, column, mark):
    fields = box()
    fields[COLUMNS[column]][:2] = mark
    catalog = read_catalog(write_catalog(path, fields))
    assert (len(catalog), catalog.n_nonfinite) == (398, 2)
    assert "2 galaxies with NaN, infinite or negative values" in catalog.warnings[0]


@pytest.mark.parametrize("unit", [1e-3, 1 / BOX])
def test_few_galaxies_in_another_unit(path, unit):
    fields = subhalos(5, 5)
    fields["SubhaloPos"] *= np.float32(unit)
    with pytest.raises(ImplausibleError, match="other units"):
        read_catalog(write_catalog(path, fields))


def test_a_strict_selection_changes_no_verdict(path):
    fields = box()
    fields["SubhaloMassType"][:, 4] *= np.linspace(0.1, 60, 400)
    write_catalog(path, fields)
    few = read_catalog(path, selection=Selection(min_stellar_mass=4e11))
    assert 0 < len(few) < 60
    fields["SubhaloMassType"] *= np.float32(1e-10)
    with pytest.raises(ImplausibleError, match="stellar_mass"):
        read_catalog(write_catalog(path, fields), selection=Selection(min_stellar_mass=4e11))


def test_a_suite_may_state_other_ranges(path, tmp_path):
    own = "inherits: _camels\nname: Own\nshort_name: own\nspellings: [Own]\nplausible: {}\n"
    (tmp_path / "own.yaml").write_text(own.format("{vmax: [1000, 1.0e+6]}"))
    suite = load_suite_file(tmp_path / "own.yaml")
    fields = box()
    fields["SubhaloVmax"] *= np.float32(1e3)
    assert len(read_catalog(write_catalog(path, fields), suite=suite)) == 400
    for wrong, told in (("{vmx: [1, 2]}", "Did you mean 'vmax'"), ("{vmax: [2, 1]}", "is empty")):
        (tmp_path / "own.yaml").write_text(own.format(wrong))
        with pytest.raises(ConfigError, match=told):
            load_suite_file(tmp_path / "own.yaml")


@pytest.mark.parametrize(
    ("stored", "told"),
    [(25.0, "Mpc/h"), (25000 / 0.6711, "kpc without h"), (25 / 0.6711, "Mpc without h")],
)
def test_box_size_in_another_unit(path, stored, told):
    fields = box()
    fields["SubhaloPos"] *= np.float32(stored / BOX)
    write_catalog(path, fields, BoxSize=stored)
    with pytest.raises(MismatchError, match=told):
        read_catalog(path, box_size=BOX)
    if stored > 1000:
        (told,) = read_catalog(path).warnings
        assert "no volume of IllustrisTNG has" in told
        assert "kpc without h" in told
    else:
        with pytest.raises(MismatchError, match="Is it in Mpc/h"):
            read_catalog(path)


def test_a_header_that_contradicts_itself(path):
    catalog = read_catalog(write_catalog(path, box(), Redshift=0.0, Time=0.5))
    assert "Header/Time" in catalog.warnings[0]
    assert read_catalog(write_catalog(path, box(), Redshift=1.0, Time=0.5)).warnings == ()


def test_one_box_is_left_out_and_counted(root):
    scale(root, 0.5, [2])
    suite = load_suite("tng", root)
    assert suite.ids == ("LH_0", "LH_1", "LH_3", "LH_4", "LH_5")
    assert [*suite.skipped] == ["LH_2"]
    assert "they span 0." in suite.skipped["LH_2"]
    assert str(suite.coverage).startswith(
        "6 boxes found, 5 used; left out: 1 (implausible values: LH_2)"
    )


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("factor", [0.02, 0.6711, 1.3])
def test_most_boxes_are_an_error_also_from_the_cache(root, tmp_path, factor, workers):
    scale(root, factor, range(4))
    cache = tmp_path / "cache"
    for _ in range(2):
        with pytest.raises(ImplausibleError, match="4 of 6 LH boxes of IllustrisTNG"):
            load_suite("tng", root, cache=cache, workers=workers)
    assert any(cache.iterdir())
    with pytest.raises(ImplausibleError, match="4 of 6"):
        prepare_boxes(BoxRequest(find_suite("tng"), root, cache=cache), Shard())


def test_shares_keep_what_is_implausible(root, tmp_path):
    scale(root, 0.3, [1, 4])
    for number in (1, 2, 3):
        prepare_boxes(
            BoxRequest(find_suite("tng"), root, cache=tmp_path / "cache"), Shard(number, 3)
        )
    suite = load_suite("tng", root, cache=tmp_path / "cache")
    assert [*suite.skipped] == ["LH_1", "LH_4"]


def test_a_factor_near_one_shows_in_all_boxes_together(root):
    for k in range(6):
        write_catalog(root / FILE.format(k), box(k, 120))
    load_suite("tng", root)
    scale(root, 0.93, range(6))
    with pytest.raises(ImplausibleError, match=r"720 galaxies of 6 boxes together span only 0\.9"):
        load_suite("tng", root)


def test_loose_files_are_refused(root):
    scale(root, 0.5, [1])
    files = [root / FILE.format(k) for k in (0, 1)]
    with pytest.raises(ImplausibleError, match="LH_1"):
        Galaxies().read(files, Request(scaling=Scaling.of(["Omega_m"])))


def test_inspecting_a_file_shows_problem_and_ranges(path):
    fields = box()
    fields["SubhaloVmax"] *= np.float32(1e3)
    found = inspect_path(write_catalog(path, fields))
    assert "vmax has a median of" in found.problems[0]
    assert "vmax" in dict(found.facts)
    assert found.commands == []


def test_inspecting_a_folder(root):
    assert inspect_path(root).problems == []
    scale(root, 0.5, [2])
    one = inspect_path(root)
    assert one.problems == []
    assert any("1 of the 6 LH boxes of IllustrisTNG" in text for text in one.warnings)
    scale(root, 0.5, [0, 1, 3, 4])
    assert "5 of the 6 LH boxes of IllustrisTNG" in inspect_path(root).problems[0]


@pytest.mark.parametrize("name", ["tng", "simba"])
def test_reference_boxes_are_plausible_and_scaled_ones_are_not(shared, name):
    suite = load_suite(name, shared / "reference" / "catalogs")
    assert suite.coverage.used == suite.coverage.found == 10
    for catalog in suite.catalogs:
        spans = np.ptp(catalog.positions, axis=0)
        assert log_chance(len(catalog), spans) > CHANCE / 2
        assert log_chance(len(catalog), spans * 0.67) < CHANCE
    assert find_suite(name).plausible_range("vmax") == (3.0, 3000.0)
