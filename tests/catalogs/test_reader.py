import numpy as np
import pytest
from tiny_catalogs import BOX, subhalos, write_catalog

from dagnn.catalogs.catalog import COLUMNS, GALAXY_COLUMNS, Selection
from dagnn.catalogs.checks import wrap
from dagnn.catalogs.reader import read_catalog
from dagnn.errors import (
    ConfigError,
    DataError,
    EmptyCatalogError,
    MismatchError,
    MissingFieldError,
)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "IllustrisTNG_LH_3_fof_subhalo_tab_033.hdf5"


def test_columns_are_those_of_the_file(path):
    fields = subhalos()
    catalog = read_catalog(write_catalog(path, fields))
    assert set(catalog.columns) == set(GALAXY_COLUMNS)
    assert (catalog.suite, catalog.simulation, catalog.path) == ("tng", "LH_3", path)
    assert (len(catalog), catalog.n_subhalos, catalog.n_nonfinite) == (5, 8, 0)
    np.testing.assert_array_equal(catalog.columns["stellar_mass"], fields["SubhaloMassType"][:5, 4])
    np.testing.assert_array_equal(
        catalog.columns["stellar_radius"], fields["SubhaloHalfmassRadType"][:5, 4]
    )
    np.testing.assert_array_equal(catalog.columns["position"], fields["SubhaloPos"][:5])
    assert catalog.columns["position"].dtype == np.float64
    assert catalog.columns["star_particles"].tolist() == [21, 22, 23, 24, 25]


def test_selection_is_strictly_more_star_particles(path):
    write_catalog(path)
    assert len(read_catalog(path, selection=Selection(min_star_particles=21))) == 4
    assert len(read_catalog(path, selection=Selection(min_star_particles=19))) == 8


def test_mass_cut_is_in_msun_per_h(path):
    fields = subhalos()
    fields["SubhaloMassType"][:5, 4] = [0.1, 0.2, 0.3, 0.4, 0.5]
    catalog = read_catalog(write_catalog(path, fields), selection=Selection(min_stellar_mass=2.5e9))
    assert catalog.columns["stellar_mass"].tolist() == pytest.approx([0.3, 0.4, 0.5])


def test_velocity_is_read_only_on_request(path):
    fields = subhalos()
    write_catalog(path, fields)
    catalog = read_catalog(path, columns=(*GALAXY_COLUMNS, "velocity"))
    np.testing.assert_array_equal(catalog.columns["velocity"], fields["SubhaloVel"][:5])
    del fields["SubhaloVel"]
    assert len(read_catalog(write_catalog(path, fields))) == 5
    with pytest.raises(MissingFieldError, match="SubhaloVel"):
        read_catalog(path, columns=["velocity"])


def test_unknown_column_names_the_nearest(path):
    with pytest.raises(ConfigError, match="Did you mean 'vmax'"):
        read_catalog(write_catalog(path), columns=["vmx"])


def test_positions_wrap_into_the_box(path):
    fields = subhalos()
    below = np.nextafter(np.float32(BOX), np.float32(0))
    fields["SubhaloPos"][:5, 0] = [BOX, -0.5, -1e-30, BOX + 3, below]
    fields["SubhaloPos"][:5, 1:] = 5.0
    catalog = read_catalog(write_catalog(path, fields))
    assert catalog.columns["position"][:, 0].tolist() == [0.0, BOX - 0.5, 0.0, 3.0, float(below)]
    assert catalog.n_wrapped == 4
    assert catalog.positions.min() >= 0
    assert catalog.positions.max() < 1


def test_wrap_stays_below_the_box_for_all_small_numbers():
    small = -np.logspace(-40, 0, 400)
    wrapped = wrap(small, BOX)
    assert (wrapped >= 0).all()
    assert (wrapped < BOX).all()


def test_unit_positions_never_reach_one(path):
    catalog = read_catalog(write_catalog(path))
    catalog.columns["position"][0] = np.nextafter(BOX, 0)
    assert catalog.positions.max() < 1


def test_non_finite_galaxies_are_dropped_and_counted(path):
    fields = subhalos()
    fields["SubhaloVmax"][1] = np.inf
    fields["SubhaloPos"][2, 1] = np.nan
    fields["SubhaloVmax"][7] = np.inf  # not a galaxy: does not count
    fields["SubhaloMassType"][3, 0] = np.nan  # gas: not read
    catalog = read_catalog(write_catalog(path, fields))
    assert (len(catalog), catalog.n_nonfinite) == (3, 2)
    assert "2 galaxies" in catalog.warnings[0]
    assert all(np.isfinite(values).all() for values in catalog.columns.values())


def test_only_non_finite_galaxies(path):
    fields = subhalos()
    fields["SubhaloVmax"][:] = np.nan
    with pytest.raises(EmptyCatalogError, match="NaN"):
        read_catalog(write_catalog(path, fields))


def test_one_element_header_arrays(path):
    header = {"BoxSize": np.array([BOX]), "Redshift": np.array([0.54]), "NumFiles": np.array([1])}
    catalog = read_catalog(write_catalog(path, **header), redshift=0.54, box_size=BOX)
    assert (catalog.box_size, catalog.redshift) == (BOX, 0.54)
    assert catalog.header["BoxSize"] == BOX


def test_a_box_length_per_axis(path):
    assert read_catalog(write_catalog(path, BoxSize=np.full(3, BOX))).box_size == BOX


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("BoxSize", np.array([BOX, BOX, BOX / 2])),
        ("BoxSize", "twenty-five"),
        ("Redshift", np.zeros((0,))),
        ("Time", "now"),
        ("HubbleParam", "x"),
        ("NumFiles", "one"),
        ("Nsubgroups_ThisFile", "many"),
        ("Nsubhalos_Total", np.nan),
    ],
)
def test_header_attributes_that_are_no_number(path, name, value):
    write_catalog(path, **{name: value})
    with pytest.raises(MismatchError, match=rf"Header/{name} of .*LH_3.*one number was expected"):
        read_catalog(path)


@pytest.mark.parametrize(
    ("field", "shape"),
    [
        ("SubhaloPos", (8, 2)),
        ("SubhaloPos", (8,)),
        ("SubhaloPos", (8, 1, 3)),
        ("SubhaloPos", (3, 8)),
        ("SubhaloVmax", (8, 1)),
        ("SubhaloStarMetallicity", (8, 10)),
    ],
)
def test_columns_of_another_shape(path, field, shape):
    fields = {**subhalos(), field: np.ones(shape, dtype=np.float32)}
    with pytest.raises(MismatchError, match=rf"{field}.*shape \({shape[0]},.*suite's YAML"):
        read_catalog(write_catalog(path, fields))


def test_complex_numbers_are_none(path):
    fields = subhalos()
    fields["SubhaloVmax"] = fields["SubhaloVmax"].astype(complex)
    with pytest.raises(DataError, match="complex128, not real numbers"):
        read_catalog(write_catalog(path, fields))


@pytest.mark.parametrize("spelling", ["Nsubhalos", "Nsubgroups"])
def test_both_spellings_of_the_number_of_subhalos(path, spelling):
    none = {"Nsubgroups_ThisFile": None, "Nsubgroups_Total": None}
    write_catalog(path, **{**none, f"{spelling}_Total": 8})
    assert read_catalog(path).n_subhalos == 8


def test_scale_factor_stands_in_for_the_redshift(path):
    assert read_catalog(write_catalog(path, Redshift=None, Time=0.5)).redshift == pytest.approx(1)


def test_mock_is_stamped(path):
    assert not read_catalog(write_catalog(path)).mock
    catalog = read_catalog(write_catalog(path, MockGenerator="recipe"))
    assert catalog.mock
    assert repr(catalog) == (
        "Catalog(tng LH_3 MOCK: 5 galaxies of 8 subhaloes, z=0.00, box 25 Mpc/h)"
    )


@pytest.mark.parametrize(
    ("expected", "message"),
    [({"box_size": 50000.0}, "BoxSize.*25000.*50000"), ({"redshift": 2.0}, "Redshift.*0.000.*2.0")],
)
def test_header_that_disagrees(path, expected, message):
    with pytest.raises(MismatchError, match=message):
        read_catalog(write_catalog(path), **expected)


@pytest.mark.parametrize("factor", [1e-3, 1e3])
def test_positions_in_other_units(path, factor):
    fields = subhalos(n=20, n_galaxies=20)
    fields["SubhaloPos"] *= np.float32(factor)
    with pytest.raises(MismatchError, match="other units"):
        read_catalog(write_catalog(path, fields))


def test_path_without_a_suite_is_read_with_a_warning(tmp_path):
    catalog = read_catalog(write_catalog(tmp_path / "galaxies.hdf5"))
    assert (catalog.suite, catalog.simulation) == ("unknown", "galaxies")
    assert "names no known suite" in catalog.warnings[0]
    assert read_catalog(tmp_path / "galaxies.hdf5", suite="simba").suite == "simba"


def test_units_are_stated_once():
    assert {name: column.unit for name, column in COLUMNS.items()} == {
        "position": "ckpc/h",
        "velocity": "km/s",
        "stellar_mass": "1e10 Msun/h",
        "stellar_radius": "ckpc/h",
        "stellar_metallicity": "mass fraction",
        "vmax": "km/s",
        "star_particles": "count",
    }


@pytest.mark.parametrize("name", ["IllustrisTNG", "SIMBA"])
def test_reference_catalogues_have_the_published_numbers_of_galaxies(shared, name):
    expected = np.load(shared / "reference" / "expected_tng_noda.npz")[f"{name}/n_galaxies"]
    folder = shared / "reference" / "catalogs"
    files = [folder / f"{name}_LH_{k}_fof_subhalo_tab_033.hdf5" for k in range(len(expected))]
    catalogs = [read_catalog(file) for file in files]
    assert [len(catalog) for catalog in catalogs] == expected.tolist()
    assert all(catalog.mock for catalog in catalogs)
