"""Depth of pixels, transparency, pages and copies: nothing of a file becomes a class."""

from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from dagnn.cli import app
from dagnn.data.image_files import read_blocks
from dagnn.data.images import joined, require_trained_scale, together
from dagnn.data.requests import Request
from dagnn.data.splits import split_groups
from dagnn.data.surveys import SurveyImages
from dagnn.errors import DataError, MismatchError
from dagnn.inspect.images import inspect_images

GREY = np.random.default_rng(0).integers(0, 256, (9, 9), dtype=np.uint8)
GREY[0, :2] = 0, 255
OTHER = np.random.default_rng(1).integers(0, 256, (9, 9), dtype=np.uint8)
COLOUR = np.random.default_rng(2).integers(0, 256, (9, 9, 3), dtype=np.uint8)
DEPTHS = {
    "8-bit": lambda grey: grey,
    "16-bit": lambda grey: grey.astype(np.uint16) * 257,
    "big-endian": lambda grey: (grey.astype(np.uint16) * 257).astype(">u2"),
    "float32": lambda grey: (grey / 255).astype(np.float32),
    "float64": lambda grey: grey / 255,
    "float16": lambda grey: (grey / 255).astype(np.float16),
}
FOREIGN = {
    "float 0-255": lambda grey: grey.astype(np.float32),
    "fractional 0-255": lambda grey: grey * 0.9,
    "-1 to 1": lambda grey: grey / 127.5 - 1,
    "int64": lambda grey: grey.astype(np.int64),
    "int32 16-bit": lambda grey: grey.astype(np.int32) * 257,
    "12-bit": lambda grey: grey.astype(np.uint16) * 16,
}


def picture(path: Path, values: np.ndarray, mode: str | None = None, **more: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    made = Image.fromarray(values)
    (made.convert(mode) if mode else made).save(path, **more)
    return path


def load(data: Path, name: str = "sky", **options: object):
    return SurveyImages(**options).load(Request(name, data))


def values_of(loaded) -> np.ndarray:
    """Return what a network reads."""
    return loaded.dataset.batch(torch.arange(len(loaded.dataset))).x.numpy()


@pytest.mark.parametrize(
    ("suffix", "make"),
    [
        (".png", DEPTHS["16-bit"]),
        (".tif", DEPTHS["16-bit"]),
        (".tif", DEPTHS["float32"]),
        (".bmp", DEPTHS["8-bit"]),
    ],
)
def test_pictures_of_any_depth_are_equally_bright(tmp_path, suffix, make):
    picture(tmp_path / "sky/deep/a.png", GREY)
    picture(tmp_path / f"sky/flat/b{suffix}", make(GREY))
    picture(tmp_path / "sky/flat/c.png", OTHER)
    x = values_of(load(tmp_path))
    np.testing.assert_allclose(x[0], GREY[None] / 255, rtol=1e-6)
    np.testing.assert_array_equal(x[0], x[1])


def test_big_endian_pictures_and_colour_beside_deep_grey(tmp_path):
    Image.frombytes("I;16B", (9, 9), DEPTHS["big-endian"](GREY).tobytes()).save(tmp_path / "a.tif")
    (block,) = read_blocks(tmp_path / "a.tif")
    np.testing.assert_array_equal(block.pixels[0, ..., 0], GREY.astype(int) * 257)
    picture(tmp_path / "sky/a/1.png", DEPTHS["16-bit"](GREY))
    picture(tmp_path / "sky/b/2.png", COLOUR)
    x = values_of(load(tmp_path))
    assert x.shape == (2, 3, 9, 9)
    np.testing.assert_allclose(x[0, 2], GREY / 255, rtol=1e-6)
    np.testing.assert_allclose(x[1], np.moveaxis(COLOUR, 2, 0) / 255, rtol=1e-6)


@pytest.mark.parametrize(("one", "other"), [(a, b) for a in DEPTHS for b in DEPTHS if a < b])
def test_arrays_of_any_depth_are_equally_bright(tmp_path, one, other):
    for part, depth, grey in (("train", one, GREY), ("test", other, OTHER)):
        np.save(tmp_path / f"images_sky_{part}.npy", DEPTHS[depth](np.stack([grey] * 2)))
        np.save(tmp_path / f"labels_sky_{part}.npy", np.arange(2))
    x = values_of(load(tmp_path))
    half = 1e-3 if "float16" in (one, other) else 1e-6
    np.testing.assert_allclose(x[:, 0], np.stack([GREY, GREY, OTHER, OTHER]) / 255, rtol=half)


@pytest.mark.parametrize("name", FOREIGN)
@pytest.mark.parametrize("suffix", ["npy", "npz", "h5"])
def test_scales_that_nothing_joins_are_refused(tmp_path, name, suffix):
    parts = {"train": GREY[None].repeat(2, 0), "test": FOREIGN[name](OTHER)[None].repeat(2, 0)}
    for part, pixels in parts.items() if suffix == "npy" else ():
        np.save(tmp_path / f"images_sky_{part}.npy", pixels)
        np.save(tmp_path / f"labels_sky_{part}.npy", np.arange(2))
    arrays = {f"{part}_images": pixels for part, pixels in parts.items()}
    arrays |= {f"{part}_labels": np.arange(2) for part in parts}
    if suffix == "npz":
        np.savez(tmp_path / "sky.npz", **arrays)
    if suffix == "h5":
        with h5py.File(tmp_path / "sky.h5", "w") as file:
            file.update(arrays)
    with pytest.raises(MismatchError, match=r"sky.*8-bit images.*different scales"):
        load(tmp_path)
    found = inspect_images(tmp_path)
    assert any("different scales" in text for text in found.problems)


@pytest.mark.parametrize("foreign", ["float 0-255", "int64"])
def test_fractions_and_counts_are_not_mixed_even_in_one_array(tmp_path, foreign):
    np.savez(
        tmp_path / "sky.npz",
        images=np.stack([GREY / 255, FOREIGN[foreign](OTHER).astype(float)]),
        labels=[0, 1],
    )
    with pytest.raises(MismatchError, match=r"sky\.npz.*fractions.*whole numbers"):
        load(tmp_path)


def test_pictures_on_foreign_scales_exit_with_3(tmp_path):
    for number in range(6):
        picture(tmp_path / f"sky/a/{number}.png", GREY + number)
        picture(tmp_path / f"sky/b/{number}.tif", (GREY + number).astype(np.float32))
    given = ["--config", "survey", "--data", str(tmp_path), "--source", "sky", "--target", "sea"]
    done = CliRunner().invoke(app, ["train", *given, "--set", "data.images=null"])
    assert done.exit_code == 3
    assert "different scales of brightness" in done.output and "sky" in done.output


def test_fluxes_faint_and_bright_are_one_scale(tmp_path):
    flux = np.stack([GREY / 400, OTHER / 3.3 - 2, np.zeros((9, 9)), np.full((9, 9), 7.0)])
    np.savez(tmp_path / "sky.npz", images=flux, labels=[0, 1, 0, 1])
    loaded = load(tmp_path)
    np.testing.assert_allclose(values_of(loaded)[:, 0], flux, rtol=1e-6)
    np.savez(tmp_path / "photons.npz", images=np.stack([GREY // 255, OTHER]) * 1.0, labels=[0, 1])
    np.testing.assert_array_equal(values_of(load(tmp_path, "photons"))[1, 0], OTHER)


def test_twelve_bits_in_sixteen_are_told(tmp_path):
    deep = FOREIGN["12-bit"](np.stack([GREY, OTHER]))
    np.savez(tmp_path / "sky.npz", images=deep, labels=[0, 1])
    loaded = load(tmp_path)
    np.testing.assert_allclose(values_of(loaded)[:, 0], deep / 65535, rtol=1e-6)
    assert any("12-bit" in note for note in loaded.notes)


def two_surveys(data: Path, one: np.ndarray, other: np.ndarray) -> dict:
    for name, images in (("one", one), ("other", other)):
        np.savez(data / f"{name}.npz", images=images, labels=[0, 1])
    return {name: load(data, name) for name in ("one", "other")}


@pytest.mark.parametrize("depth", DEPTHS)
def test_surveys_of_any_depth_are_equally_bright(tmp_path, depth):
    pair = np.stack([GREY, OTHER])
    found = together(two_surveys(tmp_path, pair, DEPTHS[depth](pair)))
    rtol = 1e-3 if depth == "float16" else 1e-6
    np.testing.assert_allclose(values_of(found["one"]), values_of(found["other"]), rtol=rtol)


@pytest.mark.parametrize("depth", DEPTHS)
@pytest.mark.parametrize("foreign", ["float 0-255", "int64", "int32 16-bit"])
def test_counts_beside_a_scaled_survey_are_refused(tmp_path, depth, foreign):
    pair = np.stack([GREY, OTHER])
    loaded = two_surveys(tmp_path, DEPTHS[depth](pair), FOREIGN[foreign](pair))
    with pytest.raises(MismatchError, match=r"one lie between 0 and 1.* other are whole numbers"):
        together(loaded)


def test_fluxes_beside_an_8_bit_survey_are_noted(tmp_path):
    pair = np.stack([GREY, OTHER])
    found = together(two_surveys(tmp_path, pair, FOREIGN["fractional 0-255"](pair)))
    assert any("beyond 0 to 1" in note for note in found["other"].notes)


def with_alpha(values: np.ndarray, alpha: int) -> np.ndarray:
    values = values if values.ndim == 3 else values[..., None]
    return np.concatenate([values, np.full((9, 9, 1), alpha, np.uint8)], 2)


@pytest.mark.parametrize("values", [GREY, COLOUR], ids=["LA", "RGBA"])
def test_opaque_alpha_is_dropped_and_transparent_pixels_are_refused(tmp_path, values):
    opaque, clear = with_alpha(values, 255), with_alpha(values, 255)
    clear[3, 4:6, -1] = 0, 128
    (block,) = read_blocks(picture(tmp_path / "opaque.png", opaque))
    np.testing.assert_array_equal(block.pixels[0].squeeze(), values)
    with pytest.raises(DataError, match=r"clear\.png is transparent at 2 of 81 pixels"):
        read_blocks(picture(tmp_path / "clear.png", clear))


def test_palettes_and_colours_that_stand_for_nothing(tmp_path):
    palette = Image.fromarray(COLOUR).convert("P", palette=Image.Palette.ADAPTIVE)
    palette.save(tmp_path / "plain.png")
    palette.save(tmp_path / "clear.png", transparency=int(np.asarray(palette)[0, 0]))
    (block,) = read_blocks(tmp_path / "plain.png")
    np.testing.assert_array_equal(block.pixels[0], np.asarray(palette.convert("RGB")))
    picture(tmp_path / "grey.png", GREY, transparency=255)
    picture(tmp_path / "deep.png", DEPTHS["16-bit"](GREY), transparency=65535)
    for name in ("clear", "grey", "deep"):
        with pytest.raises(DataError, match=rf"{name}\.png is transparent at"):
            read_blocks(tmp_path / f"{name}.png")
    assert any("transparent" in text for text in inspect_images(tmp_path / "grey.png").problems)


def test_other_colour_spaces_become_rgb_or_grey(tmp_path):
    picture(tmp_path / "a.jpg", np.full((9, 9, 3), 100, np.uint8), "CMYK", quality=95)
    (block,) = read_blocks(tmp_path / "a.jpg")
    assert block.pixels.shape == (1, 9, 9, 3) and abs(int(block.pixels.mean()) - 100) < 3
    picture(tmp_path / "b.png", GREY, "1")
    (block,) = read_blocks(tmp_path / "b.png")
    assert block.pixels.shape == (1, 9, 9, 1) and set(np.unique(block.pixels)) == {0, 255}


@pytest.mark.parametrize("suffix", ["jpg", "png"])
def test_pictures_stand_upright(tmp_path, suffix):
    tall = np.zeros((12, 9), np.uint8)
    tall[:3] = 255
    exif = Image.Exif()
    exif[274] = 6  # turn clockwise by a quarter
    (block,) = read_blocks(picture(tmp_path / f"a.{suffix}", tall, exif=exif))
    assert block.pixels.shape == (1, 9, 12, 1)
    assert block.pixels[0, :, -3:].min() > 200 and block.pixels[0, :, :8].max() < 50
    with pytest.raises(DataError, match=r"b\.tif is stored on its side"):
        read_blocks(picture(tmp_path / "b.tif", tall, exif=exif))
    exif[274] = 3  # upside down
    (block,) = read_blocks(picture(tmp_path / "c.tif", tall, exif=exif))
    np.testing.assert_array_equal(block.pixels[0, ..., 0], tall[::-1, ::-1])


@pytest.mark.parametrize("suffix", ["gif", "tif", "png"])
def test_several_pictures_in_one_file_are_refused(tmp_path, suffix):
    frames = [Image.fromarray(values) for values in (GREY, OTHER)]
    frames[0].save(tmp_path / f"a.{suffix}", save_all=True, append_images=frames[1:])
    with pytest.raises(DataError, match=rf"a\.{suffix} holds 2 pictures"):
        read_blocks(tmp_path / f"a.{suffix}")


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("suffix", ["png", "jpg", "tif", "gif", "bmp"])
def test_damaged_pictures_are_read_or_refused_and_never_crash(tmp_path, suffix):
    random = np.random.default_rng(0)
    whole = picture(tmp_path / f"a.{suffix}", COLOUR).read_bytes()
    for _ in range(40):
        bytes_now = bytearray(whole)
        for place in random.integers(0, len(whole), 4):
            bytes_now[place] = random.integers(256)
        (tmp_path / f"b.{suffix}").write_bytes(bytes_now[: random.integers(1, len(whole) + 1)])
        try:
            read_blocks(tmp_path / f"b.{suffix}")
        except DataError as error:
            assert f"b.{suffix}" in str(error)


def test_pixels_that_are_not_finite_leave_an_image_out(tmp_path):
    odd = (OTHER / 255).astype(np.float32)
    odd[2, 2] = np.nan
    for name, values in (("a/0", GREY / 255), ("a/1", odd), ("b/2", OTHER / 255)):
        picture(tmp_path / f"sky/{name}.tif", values.astype(np.float32))
    loaded = load(tmp_path)
    assert len(loaded.dataset) == 2
    assert any("1 of 3 images with pixels that are not finite" in note for note in loaded.notes)


def test_equal_images_are_one_object_whatever_their_depth(tmp_path):
    for name, values in {
        "a/one.png": GREY,
        "a/copy.png": GREY,
        "b/third.tif": DEPTHS["16-bit"](GREY),
        "b/other.png": OTHER,
        "b/blank.png": np.zeros_like(GREY),
        "a/blank.png": np.zeros_like(GREY),
    }.items():
        picture(tmp_path / "sky" / name, values)
    loaded = load(tmp_path)
    groups = dict(zip(loaded.dataset.ids, loaded.dataset.groups, strict=True))
    assert groups["sky/a/one"] == groups["sky/a/copy"] == groups["sky/b/third"]
    assert len(set(groups.values())) == 4
    told = "\n".join(loaded.notes)
    assert "3 images are not unique" in told
    assert "LABELS DISAGREE: 1 identical" in told
    assert "sky/a/one is a" in told and "sky/b/third is b" in told
    assert any("LABELS DISAGREE" in text for text in inspect_images(tmp_path).warnings)


def test_no_split_cuts_a_chain_of_equal_images():
    groups = [f"g{n // 2}" for n in range(40)]
    contents = [bytes([n]) for n in range(40)]
    contents[1] = contents[2]  # g0 and g1
    contents[3] = contents[38]  # g1 and g19
    found = joined(groups, contents)
    assert {found[row] for row in (0, 1, 2, 3, 38, 39)} == {"g0"} and len(set(found)) == 18
    for seed in range(10):
        split = split_groups(found, seed=seed)
        parts = [set(part.tolist()) & {0, 1, 2, 3, 38, 39} for part in (split.train, split.test)]
        assert all(len(part) in (0, 6) for part in parts)


def test_copies_in_two_parts_of_the_files_are_told(tmp_path):
    for part, values in (("train", [GREY, OTHER]), ("test", [OTHER, GREY.T])):
        np.save(tmp_path / f"images_sky_{part}.npy", np.stack(values))
        np.save(tmp_path / f"labels_sky_{part}.npy", np.arange(2))
    assert any("1 objects into more than one part" in note for note in load(tmp_path).notes)
    assert any("1 objects into more than one" in text for text in inspect_images(tmp_path).problems)


def test_an_image_in_two_surveys_is_one_object(tmp_path):
    found = together(
        two_surveys(tmp_path, np.stack([GREY, OTHER]), np.stack([OTHER, GREY.T]) / 255)
    )
    one, other = (found[name].dataset for name in ("one", "other"))
    assert other.groups[0] == one.groups[1] and other.groups[1] not in one.groups
    told = "\n".join(found["other"].notes)
    assert "1 images are also in one under other names" in told
    assert "other[0] is 0, in one one[1] is 1" in told


def test_new_images_on_another_scale_than_training_are_refused(tmp_path):
    pair = np.stack([GREY, OTHER])
    found = two_surveys(tmp_path, pair, FOREIGN["float 0-255"](pair))
    scaled, counts = (found[name].dataset for name in ("one", "other"))
    for dataset, low, high in ((counts, 0.1, 0.6), (scaled, 90.0, 140.0)):
        with pytest.raises(MismatchError, match="on another scale"):
            require_trained_scale(dataset, {"mean brightness": [low, high]})
    require_trained_scale(scaled, {"mean brightness": [0.1, 0.6]})
    require_trained_scale(counts, {"mean brightness": [90.0, 140.0]})
    require_trained_scale(counts, {"mean brightness": [0.1, 130.0]})
