"""Files tell by their content what they hold."""

import tracemalloc
import zipfile

import h5py
import numpy as np
import pytest
from PIL import Image

from dagnn.data.kinds import TEXT, kind_of
from dagnn.data.requests import CATALOGUES, IMAGES, SPECTRA


@pytest.fixture
def files(tmp_path):
    with h5py.File(tmp_path / "groups.hdf5", "w") as file:
        file["Subhalo/SubhaloPos"] = np.ones((3, 3))
    with h5py.File(tmp_path / "sky.h5", "w") as file:
        file["images"] = np.ones((2, 1, 4, 4))
    with h5py.File(tmp_path / "numbers.h5", "w") as file:
        file["x"] = np.ones(3)
    np.save(tmp_path / "pk.npy", np.ones((3, 4)))
    np.save(tmp_path / "sky.npy", np.ones((2, 4, 4)))
    np.savez(tmp_path / "sky.npz", images=np.ones((2, 4, 4, 3)), labels=np.ones(2))
    np.savez(tmp_path / "numbers.npz", x=np.ones(2))
    Image.fromarray(np.zeros((4, 4), np.uint8)).save(tmp_path / "one.png")
    (tmp_path / "table.csv").write_text("a,b\n1,2\n")
    (tmp_path / "page.hdf5").write_text("<html>gone</html>")
    (tmp_path / "empty.npy").write_bytes(b"")
    (tmp_path / "torn.npy").write_bytes(b"\x93NUMPY")
    with zipfile.ZipFile(tmp_path / "letters.zip", "w") as archive:
        archive.writestr("letter.txt", "Dear all")
    with zipfile.ZipFile(tmp_path / "sky_and_letter.npz", "w") as archive:
        archive.writestr("letter.txt", "Dear all")
        archive.write(tmp_path / "sky.npy", "images.npy")
    whole = (tmp_path / "sky.npz").read_bytes()
    (tmp_path / "cut.npz").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "pk.txt").write_bytes(b"PK is short for power spectrum")
    np.savez_compressed(tmp_path / "packed.npz", images=np.ones((2, 4, 4, 3)))
    # Of one small array the header and the checksum behind the data are read in one go.
    for name, damaged, at in (("sky.npz", "crc.npz", 200), ("packed.npz", "garbled.npz", 0)):
        torn = bytearray((tmp_path / name).read_bytes())
        with zipfile.ZipFile(tmp_path / name) as archive:
            first = archive.infolist()[0]
            data = first.header_offset + 30 + len(first.filename) + 20 + at
        torn[data : data + 8] = b"\xff" * 8
        (tmp_path / damaged).write_bytes(torn)
    return tmp_path


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("groups.hdf5", CATALOGUES),
        ("sky.h5", IMAGES),
        ("numbers.h5", None),
        ("pk.npy", SPECTRA),
        ("sky.npy", IMAGES),
        ("sky.npz", IMAGES),
        ("numbers.npz", None),
        ("letters.zip", None),
        ("sky_and_letter.npz", IMAGES),
        ("cut.npz", None),
        ("pk.txt", None),
        ("crc.npz", None),
        ("garbled.npz", None),
        ("one.png", IMAGES),
        ("table.csv", TEXT),
        ("page.hdf5", None),
        ("empty.npy", None),
        ("torn.npy", None),
        ("absent.npy", None),
    ],
)
def test_kinds(files, name, kind):
    assert kind_of(files / name) == kind


def test_a_small_archive_of_large_arrays_fills_no_memory(tmp_path):
    np.savez_compressed(tmp_path / "sky.npz", images=np.zeros((40, 256, 256), np.float32))
    tracemalloc.start()
    assert kind_of(tmp_path / "sky.npz") == IMAGES
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2_000_000
