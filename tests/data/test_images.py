"""Images in memory: batches, memory, checks."""

import numpy as np
import pytest
import torch

from dagnn.data.images import Images
from dagnn.errors import DataError, MismatchError
from dagnn.records import Batch

CLASSES = ("smooth", "featured")


def pixels(count: int = 6, dtype: type = np.uint8) -> np.ndarray:
    values = np.random.default_rng(0).integers(0, 256, (count, 3, 8, 10))
    return values.astype(dtype)


def dataset(dtype: type = np.uint8) -> Images:
    return Images(pixels(6, dtype), list("abcdef"), [0, 1, 1, 2, -1, 0], CLASSES)


def test_batch_gathers_items_and_carries_its_domain():
    batch = dataset().in_domain(1).batch(torch.tensor([2, 0, 2]))
    assert isinstance(batch, Batch)
    assert batch.domain == 1
    assert batch.y.tolist() == [1, 0, 1]
    np.testing.assert_allclose(batch.x, pixels()[[2, 0, 2]] / 255, rtol=1e-6)


def test_eight_bits_stay_eight_bits_and_floats_stay_as_they_are():
    assert dataset().pixels.dtype == torch.uint8
    assert dataset().to("cpu").pixels.dtype == torch.uint8
    floats = dataset(np.float64)
    assert floats.batch(torch.arange(6)).x.dtype == torch.float32
    np.testing.assert_array_equal(floats.batch(torch.arange(6)).x, pixels())


def test_sizes_tell_network_and_head_what_they_need():
    assert dataset().sizes == {"channels": 3, "height": 8, "width": 10, "classes": 2}
    assert repr(dataset()) == (
        "Images(6 of 3×8×10; 2 smooth, 2 featured, 1 of unknown class, 1 without label)"
    )
    assert dataset().class_counts().tolist() == [2, 2]
    assert "8-bit" in dataset().describe()["images"]


def test_every_image_is_its_own_group_unless_told():
    assert dataset().groups == tuple("abcdef")
    grouped = Images(pixels(2), ["a", "b"], [0, 1], CLASSES, groups=["g", "g"])
    assert grouped.groups == ("g", "g")


def test_fingerprint_sees_pixels_and_labels():
    same, other_label, other_pixel = dataset(), dataset(), dataset()
    other_label.y[0] = 1
    other_pixel.pixels[3, 1, 2, 2] += 1
    prints = {d.fingerprint for d in (dataset(), same, other_label, other_pixel)}
    assert len(prints) == 3


def test_summaries_tell_bright_from_dark_and_noise_from_light():
    ramp = np.linspace(0, 1, 16, dtype=np.float32)
    smooth = np.broadcast_to(np.add.outer(ramp, ramp) / 2, (1, 16, 16))
    noise = np.random.default_rng(0).normal(0.5, 0.1, (1, 16, 16))
    images = Images(np.stack([smooth, 2 * smooth, noise]), list("abc"), [-1] * 3, CLASSES)
    found = images.summaries()
    assert all(values.shape == (3,) for values in found.values())
    brightness, grain = found["mean brightness"], found["graininess"]
    torch.testing.assert_close(brightness, torch.tensor([0.5, 1.0, 0.5]), atol=0.03, rtol=0)
    torch.testing.assert_close(found["contrast"][1], 2 * found["contrast"][0])
    assert grain[2] == pytest.approx(2**0.5, abs=0.15)
    assert grain[0] < 0.5


def test_summaries_of_many_images_are_those_of_each(monkeypatch):
    whole = dataset().summaries()
    monkeypatch.setattr("dagnn.data.images._CHUNK", 4)
    torch.testing.assert_close(dataset().summaries(), whole)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"pixels": np.zeros((0, 3, 8, 8))}, DataError, "n > 0"),
        ({"pixels": np.zeros((6, 8, 8))}, DataError, "height, width"),
        ({"ids": list("abc")}, MismatchError, "6 images, 3 ids"),
        ({"ids": list("abcdea")}, MismatchError, "5 different ids"),
        ({"labels": [0, 1, 1, 0, 1, 3]}, DataError, r"Label 3 of f .*0 to 1"),
        ({"labels": [0, 1, 1, 0, 1, -2]}, DataError, r"Label -2 of f"),
        ({"groups": ["g"]}, MismatchError, "1 groups"),
    ],
)
def test_wrong_input_is_refused_by_name(changes, error, message):
    right = {"pixels": pixels(), "ids": list("abcdef"), "labels": [0] * 6, "classes": CLASSES}
    with pytest.raises(error, match=message):
        Images(**(right | changes))
