"""Files of images in every format, and what is said of broken ones."""

from pathlib import Path

import h5py
import numpy as np
import pytest
from PIL import Image

from dagnn.data.image_files import part_of, read_blocks
from dagnn.data.image_paths import find_images
from dagnn.data.pixels import channels_first, label_names, resized
from dagnn.errors import (
    DataError,
    MismatchError,
    MissingDataError,
    MissingFieldError,
    NotHDF5Error,
    TruncatedFileError,
    UsageError,
)

PIXELS = np.random.default_rng(0).integers(0, 256, (5, 3, 9, 9), dtype=np.uint8)
LABELS = np.array([0, 1, 1, 0, 2], dtype=np.int8)
HERE = Path("file.npy")


def only(blocks):
    (block,) = blocks
    return block


def test_npz_and_hdf5_are_read_alike(tmp_path):
    arrays = {"images": PIXELS, "labels": LABELS, "object_id": np.array([f"g{i}" for i in "aabcd"])}
    np.savez(tmp_path / "a.npz", **arrays, label_names=["x", "y", "z"])
    with h5py.File(tmp_path / "a.h5", "w") as file:
        for key, values in arrays.items():
            file[key] = values.astype("S") if values.dtype.kind == "U" else values
        file["label_names"] = np.array(["x", "y", "z"], dtype="S")
        file.create_group("Header")
    for name in ("a.npz", "a.h5"):
        block = only(read_blocks(tmp_path / name))
        np.testing.assert_array_equal(block.pixels, PIXELS)
        np.testing.assert_array_equal(block.labels, LABELS)
        assert block.names == ("x", "y", "z")
        assert len(block.groups) == 5
        assert not block.mock


def test_one_archive_may_hold_several_surveys(tmp_path):
    other = PIXELS[:2] // 2
    path = tmp_path / "both.npz"
    np.savez(path, First_images=PIXELS, first_labels=LABELS, nvss_images=other, label_names=["a"])
    assert only(read_blocks(path, "first")).labels is not None
    block = only(read_blocks(path, "nvss"))
    np.testing.assert_array_equal(block.pixels, other)
    assert block.labels is None and block.names == ("a",)
    with pytest.raises(MissingFieldError, match="First_images, first_labels"):
        read_blocks(path, "sdss")


def test_archive_split_by_part(tmp_path):
    path = tmp_path / "mnist.npz"
    np.savez(path, train_images=PIXELS, train_labels=LABELS, x_test=PIXELS[:2], y_test=LABELS[:2])
    train, test = read_blocks(path)
    assert set(train.parts) == {"train"} and set(test.parts) == {"test"}
    assert len(test.labels) == 2


def test_part_and_mock_are_read_from_the_archive(tmp_path):
    parts = np.array(["train", "train", "val", "test", "all"])
    np.savez(tmp_path / "a.npz", x=PIXELS, y=LABELS, split=parts, mock=True)
    block = only(read_blocks(tmp_path / "a.npz"))
    assert block.parts == ("train", "train", "valid", "test", "")
    assert block.mock
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["images"] = PIXELS
        file.attrs["mock"] = True
    assert only(read_blocks(tmp_path / "a.h5")).mock


def save_pictures(folder: Path, mode: str = "RGB", count: int = 2, side: int = 9) -> None:
    folder.mkdir(parents=True)
    for number in range(count):
        shape = (side, side, 3) if mode == "RGB" else (side, side)
        values = np.random.default_rng(number).integers(0, 256, shape, dtype=np.uint8)
        Image.fromarray(values).save(folder / f"{number}.png")


def test_folder_per_class(tmp_path):
    save_pictures(tmp_path / "sky/spiral")
    save_pictures(tmp_path / "sky/elliptical", count=3)
    (tmp_path / "sky/elliptical/README.txt").write_text("not a picture")
    block = only(read_blocks(tmp_path / "sky"))
    assert block.pixels.shape == (5, 9, 9, 3)
    assert block.labels.tolist() == ["elliptical"] * 3 + ["spiral"] * 2
    assert block.ids[0] == "sky/elliptical/0"
    stored = np.asarray(Image.open(tmp_path / "sky/spiral/1.png"))
    np.testing.assert_array_equal(block.pixels[4], stored)


def test_folder_per_part_and_class(tmp_path):
    for part in ("train", "val", "test"):
        save_pictures(tmp_path / "sky" / part / "spiral", "L")
    parts = [set(block.parts) for block in read_blocks(tmp_path / "sky")]
    assert parts == [{"test"}, {"train"}, {"valid"}]
    assert read_blocks(tmp_path / "sky")[0].pixels.shape == (2, 9, 9, 1)


def test_grey_and_colour_mix_and_jpeg_is_read(tmp_path):
    save_pictures(tmp_path / "sky/a", "L")
    save_pictures(tmp_path / "sky/b", "RGB")
    assert only(read_blocks(tmp_path / "sky")).pixels.shape == (4, 9, 9, 3)
    Image.fromarray(np.full((9, 9, 3), 100, np.uint8)).save(tmp_path / "one.jpg")
    block = only(read_blocks(tmp_path / "one.jpg"))
    assert block.pixels.shape == (1, 9, 9, 3) and abs(int(block.pixels.mean()) - 100) < 3


def test_pictures_of_unequal_size_and_broken_ones_are_named(tmp_path):
    save_pictures(tmp_path / "sky/a")
    save_pictures(tmp_path / "sky/b", side=12)
    with pytest.raises(MismatchError, match=r"b/0\.png has 12×12 pixels, 0\.png has 9×9"):
        read_blocks(tmp_path / "sky")
    good = (tmp_path / "sky/a/0.png").read_bytes()
    (tmp_path / "cut.png").write_bytes(good[: len(good) // 2])
    with pytest.raises(TruncatedFileError, match=r"cut\.png"):
        read_blocks(tmp_path / "cut.png")
    (tmp_path / "odd.png").write_bytes(b"<!DOCTYPE html>")
    with pytest.raises(DataError, match="not a picture"):
        read_blocks(tmp_path / "odd.png")
    (tmp_path / "empty").mkdir()
    with pytest.raises(MissingDataError, match="holds no pictures"):
        read_blocks(tmp_path / "empty")


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".h5"])
def test_truncated_files_are_called_truncated(tmp_path, suffix):
    path = tmp_path / f"sky{suffix}"
    if suffix == ".npy":
        np.save(path, PIXELS)
    elif suffix == ".npz":
        np.savez_compressed(path, images=PIXELS)
    else:
        with h5py.File(path, "w") as file:
            file["images"] = PIXELS
    path.write_bytes(path.read_bytes()[:-300])
    with pytest.raises(TruncatedFileError, match="sky"):
        read_blocks(path)


def test_foreign_files_and_python_objects_are_refused(tmp_path):
    for suffix, error in ((".npy", DataError), (".npz", DataError), (".h5", NotHDF5Error)):
        (tmp_path / f"a{suffix}").write_bytes(b"<!DOCTYPE html>" + b" " * 600)
        with pytest.raises(error, match=rf"a\{suffix}"):
            read_blocks(tmp_path / f"a{suffix}")
    np.save(tmp_path / "o.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(DataError, match="holds Python objects, which are not read"):
        read_blocks(tmp_path / "o.npy")
    with pytest.raises(MissingDataError):
        read_blocks(tmp_path / "nothing.npy")
    (tmp_path / "a.fits").write_bytes(b"SIMPLE")
    with pytest.raises(DataError, match=r"\.npz"):
        read_blocks(tmp_path / "a.fits")


@pytest.mark.parametrize("layout", ["first", "last", "grey"])
def test_any_layout_becomes_channels_first(layout):
    given = {"first": PIXELS, "last": PIXELS.transpose(0, 2, 3, 1), "grey": PIXELS[:, 0]}[layout]
    result = channels_first(given, HERE)
    np.testing.assert_array_equal(result, PIXELS[:, :1] if layout == "grey" else PIXELS)
    assert result.dtype == np.uint8
    assert channels_first(given.astype(np.float64), HERE).dtype == np.float32
    assert channels_first(given.astype(np.uint16), HERE).dtype == np.float32


def test_doubtful_layouts_are_asked_about():
    doubtful = np.zeros((4, 3, 9, 3))
    with pytest.raises(DataError, match=r"data\.layout"):
        channels_first(doubtful, HERE)
    assert channels_first(doubtful, HERE, "channels_last").shape == (4, 3, 3, 9)
    with pytest.raises(DataError, match=r"got \[4, 9\]"):
        channels_first(np.zeros((4, 9)), HERE)
    with pytest.raises(DataError, match="numbers"):
        channels_first(np.array(["a"]), HERE)


def test_crop_is_central_and_resampling_keeps_brightness_and_type():
    image = np.zeros((1, 1, 8, 8), np.uint8)
    image[..., 2:6, 2:6] = 200
    assert (resized(image, 4, None) == 200).all()
    small = resized(image, 4, 2)
    assert small.shape == (1, 1, 2, 2) and small.dtype == np.uint8 and (small == 200).all()
    assert resized(image, None, 4).mean() == pytest.approx(image.mean(), abs=3)
    with pytest.raises(MismatchError, match=r"data\.crop is 9"):
        resized(image, 9, None)


def test_labels_of_any_kind_become_names():
    names = ["smooth", "featured", "merger"]
    expected = ["smooth", "merger", "featured"]
    numbers = np.array([0, 2, 1])
    for labels in (numbers, numbers.astype(float), np.eye(3)[numbers], numbers[:, None]):
        assert label_names(labels, names, 3, HERE).tolist() == expected
    assert label_names(np.array(expected), None, 3, HERE).tolist() == expected
    assert label_names(numbers, None, 3, HERE).tolist() == ["0", "2", "1"]
    assert label_names(np.array([0, -1, np.nan]), names, 3, HERE).tolist() == ["smooth", "", ""]
    assert label_names(None, names, 2, HERE).tolist() == ["", ""]


@pytest.mark.parametrize(
    ("labels", "error", "message"),
    [
        (np.array([0, 1, 7]), DataError, "label 7 of image 2 is out of range"),
        (np.array([0, -3, 1]), DataError, "label -3"),
        (np.array([0, 0.5, 1]), DataError, "whole numbers"),
        (np.array([0, 1]), MismatchError, r"labels of shape \[2\] for 3 images"),
        (np.array([[1, 0], [0.4, 0.6], [0, 1]]), DataError, "row 1 of the labels"),
        (np.zeros((3, 2)), DataError, "not one-hot"),
    ],
)
def test_labels_that_cannot_be_meant_are_refused(labels, error, message):
    with pytest.raises(error, match=message):
        label_names(labels, ["a", "b"], 3, HERE)


@pytest.mark.parametrize(
    ("names", "suite", "expected"),
    [
        (["gz_sdss.npz", "gz_decals.npz"], "SDSS", {"gz_sdss.npz": ""}),
        (["frdeep_first_nvss.npz"], "first", {"frdeep_first_nvss.npz": ""}),
        (["pristine_X.npy", "pristine_y.npy", "noisy_X.npy"], "noisy", {"noisy_X.npy": ""}),
        (["SimSim_X_noisy.npy", "SimSim_y_noisy.npy"], "noisy", {"SimSim_X_noisy.npy": ""}),
        (
            [f"{w}_{s}_{p}.npy" for w in ("images", "labels") for s in ("Y1", "Y10")
             for p in ("train", "valid", "test")],
            "y1",
            {f"images_Y1_{p}.npy": p for p in ("train", "valid", "test")},
        ),
        (["sky_X_train.npy", "sky_X_val.npy"], "sky",
         {"sky_X_train.npy": "train", "sky_X_val.npy": "valid"}),
    ],
)  # fmt: skip
def test_names_resolve_to_files(tmp_path, names, suite, expected):
    for name in names:
        (tmp_path / name).touch()
    found = find_images(tmp_path, suite)
    assert {path.name: part for path, part in found} == expected


def test_unresolved_names_say_what_is_there(tmp_path):
    (tmp_path / "gz_sdss.npz").touch()
    with pytest.raises(
        MissingDataError, match=r"'decals' .* gz_\{suite\}\.npz,.*are: gz_sdss\.npz"
    ):
        find_images(tmp_path, "decals", "gz_{suite}.npz")
    (tmp_path / "Sky_pictures.npy").touch()
    expected = r"looked for sky\.npz.*sky_X\.npy.*'data\.images=\{suite\}_pictures\.npy'"
    with pytest.raises(MissingDataError, match=expected):
        find_images(tmp_path, "sky")
    (tmp_path / "my_sdss.npz").touch()
    with pytest.raises(UsageError, match=r"gz_sdss\.npz, my_sdss\.npz.*data\.images"):
        find_images(tmp_path, "sdss")


def test_parts_are_words_of_their_own():
    spelled = ["a_train", "validation", "val", "TEST.npy", "latest", "trainee", "constrain"]
    expected = ["train", "valid", "valid", "test", "", "", ""]
    assert [part_of(name) for name in spelled] == expected
