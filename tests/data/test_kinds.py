"""Files tell by their content what they hold."""

import h5py
import numpy as np
import pytest
from PIL import Image

from dagnn.data.kinds import CATALOGUES, IMAGES, SPECTRA, TEXT, kind_of


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
