"""Every broken variant has its own error, which names the file."""

import h5py
import numpy as np
import pytest
from tiny_catalogs import subhalos, write_catalog

from dagnn.catalogs.reader import read_catalog
from dagnn.errors import (
    EmptyCatalogError,
    MismatchError,
    MissingChunkError,
    MissingDataError,
    MissingFieldError,
    NotHDF5Error,
    TruncatedFileError,
)

NAME = "SIMBA_LH_0_groups_090.hdf5"


def web_page(path):
    path.write_text("\n<!DOCTYPE html><html><body>404 Not Found</body></html>")


def empty_file(path):
    path.write_bytes(b"")


def lfs_pointer(path):
    path.write_text("version https://git-lfs.github.com/spec/v1\n")


def text(path):
    path.write_text("LH_0 0.3 0.8\n")


def truncated(path):
    write_catalog(path)
    path.write_bytes(path.read_bytes()[:-200])


def damaged(path):
    write_catalog(path)
    content = bytearray(path.read_bytes())
    content[800:3000] = b"\xff" * 2200
    path.write_bytes(content)


def fewer_rows(path):
    write_catalog(path, Nsubgroups_ThisFile=9)


def more_rows(path):
    write_catalog(path, Nsubgroups_ThisFile=7)


def unequal_columns(path):
    fields = subhalos()
    fields["SubhaloVmax"] = fields["SubhaloVmax"][:-1]
    write_catalog(path, fields)


def no_vmax(path):
    fields = subhalos()
    del fields["SubhaloVmax"]
    write_catalog(path, fields)


def narrow_field(path):
    write_catalog(path, {**subhalos(), "SubhaloMassType": np.ones((8, 4), dtype="f4")})


def no_header(path):
    write_catalog(path)
    with h5py.File(path, "a") as file:
        del file["Header"]


def no_subhalos_group(path):
    write_catalog(path)
    with h5py.File(path, "a") as file:
        del file["Subhalo"]


def no_box_size(path):
    write_catalog(path, BoxSize=None)


def no_redshift(path):
    write_catalog(path, Redshift=None)


def zero_box(path):
    write_catalog(path, BoxSize=0.0)


def zero_subhalos(path):
    write_catalog(path, {})


def no_galaxies(path):
    write_catalog(path, subhalos(n_galaxies=0))


def lonely_chunk(path):
    write_catalog(path, total=20, NumFiles=3)


BROKEN = {
    web_page: (NotHDF5Error, "looks like a web page"),
    empty_file: (NotHDF5Error, "empty"),
    lfs_pointer: (NotHDF5Error, "git-lfs"),
    text: (NotHDF5Error, "begins with b'LH_0"),
    truncated: (TruncatedFileError, "truncated"),
    damaged: (TruncatedFileError, "damaged"),
    fewer_rows: (TruncatedFileError, "8 subhaloes where its header says 9"),
    more_rows: (MismatchError, "8 subhaloes where its header says 7"),
    unequal_columns: (MismatchError, "different lengths.*vmax 7"),
    no_vmax: (MissingFieldError, "SubhaloVmax.*holds:.*SubhaloPos"),
    narrow_field: (MissingFieldError, r"\(8, 4\); column 4"),
    no_header: (MissingFieldError, "'Header'. It holds: Subhalo"),
    no_subhalos_group: (MissingFieldError, "The file holds: Header"),
    no_box_size: (MissingFieldError, "BoxSize.*It holds:.*Redshift"),
    no_redshift: (MissingFieldError, "Redshift"),
    zero_box: (MismatchError, "BoxSize of 0"),
    zero_subhalos: (EmptyCatalogError, "no subhaloes"),
    no_galaxies: (EmptyCatalogError, "None of the 8 subhaloes.*more than 20 star particles"),
    lonely_chunk: (MissingChunkError, "1 of 3 chunks and 8 of 20"),
}


@pytest.mark.parametrize("breaking", BROKEN, ids=lambda breaking: breaking.__name__)
def test_each_broken_variant_has_its_own_error(tmp_path, breaking):
    error, message = BROKEN[breaking]
    path = tmp_path / NAME
    breaking(path)
    with pytest.raises(error, match=message) as raised:
        read_catalog(path)
    assert type(raised.value) is error
    assert str(tmp_path) in str(raised.value)
    assert raised.value.exit_code == 3


def test_absent_file(tmp_path):
    with pytest.raises(MissingDataError, match=NAME):
        read_catalog(tmp_path / NAME)


@pytest.fixture
def chunks(tmp_path):
    folder = tmp_path / "SIMBA" / "LH_0" / "groups_090"
    for k in range(12):
        fields = subhalos(n=4, n_galaxies=3, seed=k) if k != 5 else {}
        path = folder / f"fof_subhalo_tab_090.{k}.hdf5"
        write_catalog(path, fields, total=44, NumFiles=12)
    return folder


def test_chunks_are_joined_in_order(chunks):
    catalog = read_catalog(chunks)
    assert (len(catalog), catalog.n_subhalos, catalog.simulation) == (33, 44, "LH_0")
    expected = subhalos(n=4, n_galaxies=3, seed=10)["SubhaloPos"][0]
    np.testing.assert_array_equal(catalog.columns["position"][27], expected)
    one = read_catalog(chunks / "fof_subhalo_tab_090.3.hdf5")
    np.testing.assert_array_equal(one.columns["position"], catalog.columns["position"])


def test_missing_chunk_is_named(chunks):
    (chunks / "fof_subhalo_tab_090.7.hdf5").unlink()
    with pytest.raises(MissingChunkError, match=r"11 of 12 chunks.*Missing: chunk 7"):
        read_catalog(chunks)


def test_chunk_of_another_catalogue(chunks):
    write_catalog(chunks / "fof_subhalo_tab_090.5.hdf5", subhalos(4, 3), total=44, NumFiles=12)
    with pytest.raises(MismatchError, match="48 subhaloes together where the header says 44"):
        read_catalog(chunks)


def test_folder_without_chunks(tmp_path):
    with pytest.raises(MissingDataError, match="holds no chunks"):
        read_catalog(tmp_path)


def test_merged_file_may_keep_the_number_of_its_chunks(tmp_path):
    assert len(read_catalog(write_catalog(tmp_path / NAME, NumFiles=16))) == 5
