"""What HDF5 would give as fill values is refused; what cannot be read is said to be that."""

import errno
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from tiny_catalogs import subhalos, write_catalog

from dagnn.catalogs.hdf5 import open_hdf5, read_values
from dagnn.catalogs.reader import read_catalog
from dagnn.data.image_files import read_blocks
from dagnn.errors import DataError, MissingDataError, UnreadableFileError, UnwrittenDataError

NAME = "SIMBA_LH_0_groups_090.hdf5"
VMAX, IMAGES = "Subhalo/SubhaloVmax", "images"


def never(file: h5py.File, name: str, values: np.ndarray) -> None:
    file.create_dataset(name, values.shape, values.dtype)


def never_filled_with(file: h5py.File, name: str, values: np.ndarray) -> None:
    file.create_dataset(name, values.shape, values.dtype, fillvalue=5, chunks=values.shape)


def half(file: h5py.File, name: str, values: np.ndarray) -> None:
    chunks = (2, *values.shape[1:])
    made = file.create_dataset(name, values.shape, values.dtype, chunks=chunks, compression="gzip")
    made[:4] = values[:4]


def grown(file: h5py.File, name: str, values: np.ndarray) -> None:
    made = file.create_dataset(name, data=values[:4], maxshape=(None, *values.shape[1:]), chunks=(
        2, *values.shape[1:]))  # fmt: skip
    made.resize(len(values), axis=0)


def short_external(file: h5py.File, name: str, values: np.ndarray) -> None:
    raw = Path(file.filename).with_name("raw.bin")
    made = file.create_dataset(name, values.shape, values.dtype, external=str(raw))
    made[...] = values
    file.flush()
    raw.write_bytes(raw.read_bytes()[:-4])


def no_external(file: h5py.File, name: str, values: np.ndarray) -> None:
    short_external(file, name, values)
    Path(file.filename).with_name("raw.bin").unlink()


def virtual(file: h5py.File, name: str, values: np.ndarray, rows: int | None = None) -> Path:
    """Make a dataset whose first rows lie in another file, each half in a dataset of its own."""
    rows = len(values) if rows is None else rows
    path, middle = Path(file.filename).with_name("source.h5"), rows // 2
    layout = h5py.VirtualLayout(values.shape, values.dtype)
    with h5py.File(path, "w") as other:
        for key, part in (("first", slice(0, middle)), ("rest", slice(middle, rows))):
            other[key] = values[part]
            layout[part] = h5py.VirtualSource("source.h5", key, values[part].shape)
    file.create_virtual_dataset(name, layout, fillvalue=0)
    return path


def virtual_without_file(file: h5py.File, name: str, values: np.ndarray) -> None:
    virtual(file, name, values).unlink()


def virtual_without_dataset(file: h5py.File, name: str, values: np.ndarray) -> None:
    with h5py.File(virtual(file, name, values), "a") as other:
        del other["rest"]


def virtual_of_unwritten(file: h5py.File, name: str, values: np.ndarray) -> None:
    with h5py.File(virtual(file, name, values), "a") as other:
        shape = other["rest"].shape
        del other["rest"]
        other.create_dataset("rest", shape, values.dtype)


def virtual_of_damaged(file: h5py.File, name: str, values: np.ndarray) -> None:
    path = virtual(file, name, values)
    path.write_bytes(path.read_bytes()[:-200])


def virtual_in_part(file: h5py.File, name: str, values: np.ndarray) -> None:
    virtual(file, name, values, rows=6)


def soft_link(file: h5py.File, name: str, values: np.ndarray) -> None:
    file[name] = h5py.SoftLink("/nowhere")


def external_link(file: h5py.File, name: str, values: np.ndarray) -> None:
    file[name] = h5py.ExternalLink("elsewhere.h5", "x")


BROKEN = {
    never: "never written; the rest would be read as 0",
    never_filled_with: "never written; the rest would be read as 5",
    half: "only partly written",
    grown: "only partly written",
    short_external: r"raw\.bin, which ends early",
    no_external: r"raw\.bin, which is not there",
    virtual_without_file: r"is virtual.*There is no file.*source\.h5",
    virtual_without_dataset: r"source\.h5 has no dataset 'rest'",
    virtual_of_unwritten: "'/rest'.*never written",
    virtual_of_damaged: "truncated or damaged",
    virtual_in_part: "of its .* values; the rest would be read as",
    soft_link: "is a link to '/nowhere', which is not there",
    external_link: r"is a link to 'x' of elsewhere\.h5",
}


def catalogue(folder: Path) -> tuple[Path, str]:
    return write_catalog(folder / NAME), VMAX


def images(folder: Path) -> tuple[Path, str]:
    path = folder / "survey.h5"
    with h5py.File(path, "w") as file:
        file[IMAGES] = np.random.default_rng(0).random((8, 4, 4)).astype("f4")
        file["labels"] = np.arange(8) % 2
    return path, IMAGES


def read(path: Path) -> np.ndarray:
    if path.name == NAME:
        return np.asarray(read_catalog(path).columns["vmax"])
    return np.asarray(read_blocks(path)[0].pixels)


def replace(made: tuple[Path, str], how) -> Path:
    path, name = made
    with h5py.File(path, "a") as file:
        values = file[name][()]
        del file[name]
        how(file, name, values)
    return path


@pytest.mark.parametrize("make", [catalogue, images], ids=["catalogue", "images"])
@pytest.mark.parametrize("how", BROKEN, ids=lambda how: how.__name__)
def test_what_would_be_read_as_fill_values_is_refused(tmp_path, make, how):
    path = replace(make(tmp_path), how)
    with pytest.raises(UnwrittenDataError, match=f"(?s){BROKEN[how]}") as raised:
        read(path)
    assert str(path) in str(raised.value) and raised.value.exit_code == 3


def test_labels_and_header_columns_are_read_alike(tmp_path):
    path, _ = images(tmp_path)
    with pytest.raises(UnwrittenDataError, match="labels"):
        read(replace((path, "labels"), never))


def chunked(file, name, values):
    chunks = (3, *values.shape[1:])
    file.create_dataset(name, data=values, chunks=chunks, compression="gzip", shuffle=True)


def growing(file, name, values):
    file.create_dataset(name, data=values, maxshape=(None, *values.shape[1:]))


def compact(file, name, values):
    plan = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plan.set_layout(h5py.h5d.COMPACT)
    kind, space = h5py.h5t.py_create(values.dtype), h5py.h5s.create_simple(values.shape)
    h5py.h5d.create(file.id, name.encode(), kind, space, plan).write(
        h5py.h5s.ALL, h5py.h5s.ALL, values
    )


def external(file, name, values):
    raw = str(Path(file.filename).with_name("raw.bin"))
    file.create_dataset(name, data=values, external=[(raw, 0, values.nbytes)])


def virtual_within(file, name, values):
    file["inside"] = values
    layout = h5py.VirtualLayout(values.shape, values.dtype)
    layout[...] = h5py.VirtualSource(file["inside"])
    file.create_virtual_dataset(name, layout)


def interleaved(file, name, values):
    file["even"], file["odd"] = values[::2], np.concatenate([values[1::2], values[:1]])
    layout = h5py.VirtualLayout(values.shape, values.dtype)
    layout[::2] = h5py.VirtualSource(file["even"])
    layout[1::2] = h5py.VirtualSource(file["odd"])[:-1]
    file.create_virtual_dataset(name, layout)


def linked(file, name, values):
    file["kept"] = values
    file[name] = h5py.SoftLink("/kept")


@pytest.mark.parametrize("make", [catalogue, images], ids=["catalogue", "images"])
@pytest.mark.parametrize(
    "how",
    [chunked, growing, compact, external, virtual, virtual_within, interleaved, linked],
    ids=lambda how: how.__name__,
)
def test_whole_data_are_read_however_they_are_stored(tmp_path, make, how):
    made = make(tmp_path)
    before = read(made[0])
    path = replace(made, how)
    if make is images:  # else what is linked to is one array of images more
        with h5py.File(path) as file, open_hdf5(path) as ours:
            np.testing.assert_array_equal(read_values(ours[IMAGES]), file[IMAGES][()])
    np.testing.assert_array_equal(read(path), before)


def test_nothing_needs_no_storage(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        for name, shape in {"rows": (0, 3), "columns": (4, 0)}.items():
            assert read_values(file.create_dataset(name, shape, "f4")).shape == shape
        growing_one = file.create_dataset("growing", (0,), "f4", maxshape=(None,))
        assert read_values(growing_one).shape == (0,)
        file["scalar"] = 3.0
        assert read_values(file["scalar"]) == 3.0


def packed(path: Path, number: int) -> None:
    """Write a file whose only dataset went through a filter that is not there."""
    plan = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plan.set_chunk((8,))
    plan.set_filter(number, h5py.h5z.FLAG_OPTIONAL, (3,))
    with h5py.File(path, "a") as file:
        del file[VMAX]
        space = h5py.h5s.create_simple((8,))
        made = h5py.h5d.create(file.id, VMAX.encode(), h5py.h5t.NATIVE_FLOAT, space, plan)
        made.write_direct_chunk((0,), np.full(8, 7, "f4").tobytes(), 0)


@pytest.mark.parametrize(
    ("number", "named"),
    [
        (32015, r"zstd \(number 32015\).*pip install hdf5plugin"),
        (32001, r"blosc \(number 32001\)"),
        (33999, r"unknown \(number 33999\).*HDF5_PLUGIN_PATH"),
    ],
)
def test_a_filter_that_is_not_installed_is_named(tmp_path, monkeypatch, number, named):
    monkeypatch.setitem(sys.modules, "hdf5plugin", None)
    if h5py.h5z.filter_avail(number):
        pytest.skip("the filter is installed")
    path, _ = catalogue(tmp_path)
    packed(path, number)
    with pytest.raises(UnreadableFileError, match=named):
        read(path)


HOLD = "import h5py, sys; f = h5py.File(sys.argv[1], 'a'); print('open', flush=True); input()"


def test_a_file_that_another_program_writes_is_locked_and_not_damaged(tmp_path, monkeypatch):
    monkeypatch.delenv("HDF5_USE_FILE_LOCKING", raising=False)
    path, _ = catalogue(tmp_path)
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as writer:
        assert writer.stdin and writer.stdout
        writer.stdout.readline()
        with pytest.raises(UnreadableFileError, match="locked by another program") as raised:
            read(path)
        writer.stdin.close()
    assert "HDF5_USE_FILE_LOCKING=FALSE" in str(raised.value)
    assert "damaged" not in str(raised.value)
    assert len(read(path))


@pytest.mark.parametrize(
    ("raised", "said"),
    [
        (PermissionError(errno.EACCES, "Unable to open file"), "may not be read: Permission"),
        (OSError("(unable to lock file, errno = 37, error message = 'x')"), "has no locks"),
        (OSError("(file is already open for write (may use <h5clear file>)"), "h5clear -s"),
        (OSError("(file read failed: errno = 5, error message = 'x')"), "could not be read: Input"),
    ],
)
def test_trouble_of_the_system_is_no_damage(tmp_path, monkeypatch, raised, said):
    path, _ = catalogue(tmp_path)

    def refuse(*_):
        raise raised

    monkeypatch.setattr(h5py, "File", refuse)
    with pytest.raises(UnreadableFileError, match=said), open_hdf5(path):
        pass


def test_folders_and_broken_links_are_called_so(tmp_path):
    (tmp_path / "folder.h5").mkdir()
    (tmp_path / "link.h5").symlink_to(tmp_path / "gone.h5")
    for name, said in {"folder.h5": "is a folder", "link.h5": r"link to .*gone\.h5"}.items():
        with pytest.raises(MissingDataError, match=said), open_hdf5(tmp_path / name):
            pass


def test_a_box_without_subhaloes_may_have_empty_columns(tmp_path):
    fields = {name: values[:0] for name, values in subhalos().items()}
    with pytest.raises(DataError, match="no subhaloes"):
        read_catalog(write_catalog(tmp_path / NAME, fields, total=0))
