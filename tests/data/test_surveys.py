"""Surveys: from a name to images with classes, groups and predefined parts."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dagnn.data import MODALITIES, SurveyImages, split_items
from dagnn.data.image_paths import find_images
from dagnn.data.images import together
from dagnn.data.requests import Request
from dagnn.errors import DataError, MismatchError, MissingDataError, UsageError

NAMES = ["smooth", "featured", "edgeon", "odd"]


def pixels(count: int, side: int = 12, dtype: type = np.uint8) -> np.ndarray:
    return np.random.default_rng(count).integers(0, 256, (count, 3, side, side)).astype(dtype)


@pytest.fixture
def archives(tmp_path: Path) -> Path:
    """Two surveys; only the second has odd objects, and none edge-on."""
    for name, labels in (("sdss", [0, 1, 2, 0, 1, 2]), ("decals", [0, 1, 3, 1, 0])):
        np.savez(
            tmp_path / f"gz_{name}.npz",
            images=pixels(len(labels)).transpose(0, 2, 3, 1),
            labels=np.array(labels, np.int8),
            label_names=NAMES,
            object_id=[f"{name}:{row // 2}" for row in range(len(labels))],
        )
    return tmp_path


def test_archives_are_read_by_pattern(archives):
    modality = MODALITIES["images"](images="gz_{suite}.npz", classes=NAMES[:3], unknown=["odd"])
    truth = modality.truth(["SDSS"], ["decals"], ["Omega_m"], archives)
    assert truth.names == truth.classes == tuple(NAMES[:3])
    source = modality.load(Request("SDSS", archives, classes=truth.classes))
    assert source.dataset.y.tolist() == [0, 1, 2, 0, 1, 2]
    np.testing.assert_array_equal(source.dataset.pixels, pixels(6))
    assert source.dataset.groups[:3] == ("sdss:0", "sdss:0", "sdss:1")
    assert len(set(source.dataset.ids)) == 6
    assert source.fingerprint and not source.mock and source.notes == ()
    target = modality.load(Request("decals", archives, classes=truth.classes, labelled=False))
    assert target.dataset.y.tolist() == [0, 1, 3, 1, 0]
    assert target.notes == ("unknown classes, which no source teaches: odd (1 of the images)",)
    assert target.dataset.sizes == source.dataset.sizes


def test_classes_are_wanted_unknown_or_left_out(archives):
    request = Request("decals", archives, labelled=False)
    dropping = SurveyImages(classes=["featured", "smooth"])
    loaded = dropping.load(request)
    assert loaded.dataset.y.tolist() == [1, 0, 0, 1]
    assert loaded.notes == ("left out 1 of 5 images of a class that is not asked for",)
    assert (loaded.coverage.found, loaded.coverage.used) == (5, 4)
    source = SurveyImages(classes=["featured", "smooth"], unknown=["odd"])
    labelled = source.load(Request("decals", archives, labelled=True))
    assert labelled.dataset.y.tolist() == [1, 0, 0, 1]
    assert "without a known class to learn from" in labelled.notes[0]


def test_classes_of_the_sources_are_learned_where_none_are_named(archives):
    modality = SurveyImages()
    truth = modality.truth(["sdss"], ["decals"], [], archives)
    assert truth.classes == ("smooth", "featured", "edgeon")
    target = modality.load(Request("decals", archives, classes=truth.classes, labelled=False))
    assert target.dataset.y.tolist() == [0, 1, 3, 1, 0]
    assert target.notes == ("unknown classes, which no source teaches: odd (1 of the images)",)
    assert modality.truth(["sdss", "decals"], [], [], archives).classes == tuple(NAMES)


def test_paired_arrays_with_one_hot_labels_and_groups(tmp_path):
    np.save(tmp_path / "pristine_X.npy", pixels(4, dtype=np.float32))
    np.save(tmp_path / "pristine_y.npy", np.eye(2)[[0, 1, 1, 0]])
    np.save(tmp_path / "pristine_groups.npy", np.array([7, 7, 8, 8]))
    modality = SurveyImages(classes=["non-merger", "merger"])
    loaded = modality.load(Request("pristine", tmp_path))
    assert loaded.dataset.classes == ("non-merger", "merger")
    assert loaded.dataset.y.tolist() == [0, 1, 1, 0]
    assert loaded.dataset.groups == ("7", "7", "8", "8")
    assert loaded.dataset.ids[2] == "pristine_X[2]"
    np.testing.assert_array_equal(loaded.dataset.pixels, pixels(4, dtype=np.float32))


def test_patterns_name_labels_and_groups_of_any_file(tmp_path):
    np.save(tmp_path / "cube-sky.npy", pixels(4))
    np.save(tmp_path / "truth-sky.npy", [0, 1, 1, 0])
    (tmp_path / "galaxies-sky.txt").write_text("a\na\nb\nc\n")
    patterns = {"images": "cube-{suite}.npy", "labels": "truth-{suite}.npy"}
    modality = SurveyImages(**patterns, groups="galaxies-{suite}.txt")
    dataset = modality.load(Request("sky", tmp_path)).dataset
    assert dataset.groups == ("a", "a", "b", "c")
    assert dataset.classes == ("0", "1")
    with pytest.raises(MissingDataError, match=r"absent-\{suite\}"):
        SurveyImages(**patterns, groups="absent-{suite}.txt").load(Request("sky", tmp_path))
    with pytest.raises(ValueError, match=r"has no \{suite\}"):
        SurveyImages(images="cube.npy")


@pytest.fixture
def parts(tmp_path: Path) -> Path:
    """Write predefined parts as DeepAdversaries has them, one-hot."""
    for part, count in (("train", 6), ("valid", 3), ("test", 4)):
        np.save(tmp_path / f"images_Y10_{part}.npy", pixels(count))
        np.save(tmp_path / f"labels_Y10_{part}.npy", np.eye(3)[np.arange(count) % 3])
    return tmp_path


def test_predefined_parts_are_respected(parts):
    loaded = SurveyImages().load(Request("Y10", parts))
    split = split_items(loaded.dataset.groups, loaded.parts)
    ids = split.to_ids(loaded.dataset.ids)
    assert [len(ids[part]) for part in ("train", "valid", "test")] == [6, 3, 4]
    assert all(name.startswith("images_Y10_test") for name in ids["test"])
    assert loaded.dataset.y.tolist() == [0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2, 0]


def test_objects_in_two_parts_are_told(parts):
    for part, count in (("train", 6), ("valid", 3), ("test", 4)):
        np.save(parts / f"groups_Y10_{part}.npy", np.arange(count))
    notes = SurveyImages().load(Request("y10", parts)).notes
    assert notes[0] == "the files put 4 objects into more than one part of the split"


def test_folder_per_class_is_a_survey(tmp_path):
    for name in ("spiral", "lens"):
        (tmp_path / "Survey" / name).mkdir(parents=True)
        for number in range(3):
            picture = Image.fromarray(pixels(1)[0].transpose(1, 2, 0))
            picture.save(tmp_path / "Survey" / name / f"{number}.png")
    dataset = SurveyImages(size=8).load(Request("survey", tmp_path)).dataset
    assert dataset.classes == ("lens", "spiral")
    assert dataset.sizes == {"channels": 3, "height": 8, "width": 8, "classes": 2}


def test_limit_draws_from_all_classes_and_the_same_each_time(tmp_path):
    np.savez(tmp_path / "sky.npz", images=pixels(40), labels=np.repeat([0, 1], 20))
    one, two = (SurveyImages().load(Request("sky", tmp_path, limit=10)) for _ in range(2))
    assert len(one.dataset) == 10
    assert set(one.dataset.y.tolist()) == {0, 1}
    assert one.dataset.ids == two.dataset.ids
    assert len(one.parts) == 10
    assert "40 images found, 10 used; left out: 30 (beyond the limit: " in str(one.coverage)


def test_targets_need_no_labels_and_sources_do(tmp_path):
    np.save(tmp_path / "sky_X.npy", pixels(4))
    request = Request("sky", tmp_path, classes=("a", "b"), labelled=False)
    loaded = SurveyImages().load(request)
    assert loaded.dataset.y.tolist() == [-1] * 4
    assert "no image has a label (looked in sky_X.npy and for sky_y.npy)" in loaded.notes[0]
    assert "nothing is measured" in loaded.notes[0]
    with pytest.raises(DataError, match=r"no labels \(looked in sky_X\.npy and for sky_y\.npy\)"):
        SurveyImages().truth(["sky"], [], [], tmp_path)
    with pytest.raises(DataError, match="No image of sky can be used: left out 4 of 4"):
        SurveyImages().load(Request("sky", tmp_path, classes=("a", "b")))


def test_a_survey_without_some_labels_or_without_names_of_classes_says_so(tmp_path):
    np.savez(tmp_path / "sky.npz", images=pixels(4), labels=[0, 1, -1, 1])
    numbered = SurveyImages().load(Request("sky", tmp_path)).notes
    assert numbered[-1].startswith("its classes are called by their numbers; data.classes")
    target = Request("sky", tmp_path, labelled=False)
    assert SurveyImages().load(target).notes == ("1 of 4 images have no label",)
    assert SurveyImages(classes=["disc", "merger"]).load(target).notes == (
        "1 of 4 images have no label",
    )
    named = SurveyImages(classes=["disc", "merger"]).load(Request("sky", tmp_path)).notes
    assert named == ("left out 1 of 4 images without a known class to learn from",)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.arange(3), r"sky_y\.npy: labels of shape \[3\] for 4 images"),
        (np.full((4, 2), 0.5), r"sky_y\.npy: row 0 of the labels.*not one-hot"),
    ],
)
def test_wrong_labels_are_told_with_the_file_that_holds_them(tmp_path, labels, message):
    np.save(tmp_path / "sky_X.npy", pixels(4))
    np.save(tmp_path / "sky_y.npy", labels)
    with pytest.raises((DataError, MismatchError), match=message):
        SurveyImages().load(Request("sky", tmp_path))


def test_images_with_pixels_that_are_not_finite_are_left_out(tmp_path):
    broken = pixels(4, dtype=np.float32)
    broken[2, 0, 3, 3] = np.nan
    np.savez(tmp_path / "sky.npz", images=broken, labels=[0, 1, 0, 1])
    loaded = SurveyImages().load(Request("sky", tmp_path))
    assert loaded.dataset.ids == ("sky[0]", "sky[1]", "sky[3]")
    assert loaded.notes[0] == "left out 1 of 4 images with pixels that are not finite"
    with pytest.raises(DataError, match=r"sky\[2\] has pixels"):
        SurveyImages().read([tmp_path / "sky.npz"], Request())


def test_mismatches_are_named(tmp_path, archives):
    with pytest.raises(MismatchError, match=r"smooth.*none of which is wanted \(spiral, lens\)"):
        SurveyImages(classes=["spiral", "lens"]).load(Request("sdss", archives))
    np.savez(tmp_path / "a.npz", images=pixels(4), labels=[0, 1, 0, 1], groups=[1, 2])
    with pytest.raises(MismatchError, match="4 images, but 2 groups"):
        SurveyImages().load(Request("a", tmp_path))
    np.save(tmp_path / "images_b_train.npy", pixels(4))
    np.save(tmp_path / "images_b_test.npy", pixels(4, side=10))
    with pytest.raises(MismatchError, match=r"differ in shape.*data\.size"):
        SurveyImages().load(Request("b", tmp_path, classes=("x", "y"), labelled=False))


@pytest.mark.parametrize(
    "options",
    [
        {"layout": "nchw"},
        {"classes": ["a"]},
        {"classes": ["a", "b"], "unknown": ["B"]},
        {"crop": 0},
    ],
)
def test_options_that_cannot_be_meant_are_refused(options):
    with pytest.raises(ValueError):
        SurveyImages(**options)


def test_names_are_forgiving_and_never_paths():
    assert SurveyImages().name(" DECaLS ") == "decals"
    with pytest.raises(UsageError, match="not the name"):
        SurveyImages().name("../secret")


def test_loose_files_have_no_labels(archives):
    files = [archives / "gz_sdss.npz", archives / "gz_decals.npz"]
    loaded = SurveyImages().read(files, Request(classes=("a", "b")))
    assert len(loaded.dataset) == 11
    assert set(loaded.dataset.y.tolist()) == {-1}
    assert loaded.dataset.sizes["classes"] == 2


def test_a_loose_archive_of_several_surveys_is_read_by_name(tmp_path):
    file = tmp_path / "radio_first_nvss.npz"
    arrays = {f"{name}_images": np.full((3, 4, 4), n, np.uint8) for n, name in enumerate("ab", 1)}
    np.savez(file, **arrays)
    loaded = SurveyImages().read([file], Request("b", classes=("x", "y")))
    assert loaded.suite == "b" and loaded.dataset.pixels.unique().tolist() == [2]
    for other in ("", "c"):
        with pytest.raises(UsageError, match=r"holds images of a, b\. Say of which with --suite"):
            SurveyImages().read([file], Request(other, classes=("x", "y")))
    np.savez(file, images=arrays["a_images"], images_err=arrays["b_images"])
    for suite in ("", "c"):
        loaded = SurveyImages().read([file], Request(suite, classes=("x", "y")))
        assert loaded.suite is None and loaded.dataset.pixels.unique().tolist() == [1]
    np.savez(file, a_images=arrays["a_images"])
    loaded = SurveyImages().read([file], Request("c", classes=("x", "y")))
    assert loaded.suite == "a" and len(loaded.dataset) == 3


def test_a_survey_that_only_the_pattern_hides_is_told_to_be_there(archives):
    with pytest.raises(MissingDataError, match=r"Without that pattern it is found: --set data.im"):
        find_images(archives, "sdss", "other_{suite}.npz")
    with pytest.raises(MissingDataError, match=r"--set 'data.images=\{suite\}_images.npy'"):
        find_images(archives, "hst", "other_{suite}.npz")


def test_real_surveys_load_as_they_are(shared):
    folder = shared / "images"
    modality = SurveyImages(
        images="gz_{suite}.npz", classes=["smooth", "featured", "edgeon", "merger"], unknown=["odd"]
    )
    sdss = modality.load(Request("sdss", folder)).dataset
    assert sdss.class_counts().tolist() == [1065, 804, 437, 256]
    decals = modality.load(Request("decals", folder, labelled=False)).dataset
    assert decals.class_counts().tolist() == [20, 84, 20, 16]
    assert int((decals.y == 4).sum()) == 26


def test_real_radio_surveys_share_one_archive(shared):
    loaded = {s: SurveyImages().load(Request(s, shared / "images")) for s in ("first", "nvss")}
    for one in loaded.values():
        assert one.dataset.classes == ("FRI", "FRII")
        assert one.dataset.sizes["channels"] == 1 and one.dataset.sizes["height"] == 64
        assert one.dataset.class_counts().tolist() == [264, 336]
    first, nvss = loaded.values()
    assert len(set(first.dataset.objects) & set(nvss.dataset.objects)) == 543
    assert "CoNFIG-FR2-134 = CoNFIG-FR2-182" in "".join(first.notes)
    first, nvss = together(loaded).values()
    of_object = dict(zip(first.dataset.objects, first.dataset.groups, strict=True))
    there = zip(nvss.dataset.objects, nvss.dataset.groups, strict=True)
    assert all(of_object.get(name, group) == group for name, group in there)
    assert len(set(first.dataset.groups)) == len(set(first.dataset.objects)) - 2
