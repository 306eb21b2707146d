"""What is said of folders of images, and of what is broken in them."""

from pathlib import Path

import h5py
import numpy as np
import pytest
from PIL import Image

from dagnn.data.image_paths import find_surveys
from dagnn.data.requests import NO_PARAMETERS, Request
from dagnn.data.surveys import SurveyImages
from dagnn.inspect import show
from dagnn.inspect.images import inspect_images

NAMES = ["smooth", "featured", "lens"]


def pixels(count, channels=3, side=12, seed=0):
    random = np.random.default_rng(seed)
    return random.integers(0, 256, (count, channels, side, side), dtype=np.uint8)


def facts(path):
    found = inspect_images(path)
    assert found is not None and found.kind == "images"
    return found.facts, found.problems


def of(listed, survey):
    """Return the facts of one survey by label."""
    at = next(place for place, (label, _) in enumerate(listed) if label == survey)
    rest = listed[at + 1 :]
    end = next((i for i, (label, _) in enumerate(rest) if not label.startswith("  ")), len(rest))
    return {"": listed[at][1]} | {label.strip(): value for label, value in rest[:end]}


def write_pictures(folder, counts, side=9, seed=0):
    random = np.random.default_rng(seed)
    for name, count in counts.items():
        (folder / name).mkdir(parents=True)
        for number in range(count):
            picture = random.integers(0, 255, (side, side, 3), dtype=np.uint8)
            Image.fromarray(picture).save(folder / name / f"{number}.png")


@pytest.fixture
def archives(tmp_path):
    labels, names = np.array([0, 1, 1, 2, 0]), np.array(NAMES)
    objects = np.array(["a", "a", "b", "c", "d"])
    np.savez(tmp_path / "gz_sdss.npz", images=pixels(5), labels=labels, label_names=names)
    np.savez(
        tmp_path / "radio_first_nvss.npz",
        label_names=names[:2],
        first_images=pixels(5, 1), first_labels=labels % 2, first_object_id=objects,
        nvss_images=pixels(3, 1, 10), nvss_object_id=objects[2:],
    )  # fmt: skip
    return tmp_path


def test_archives_tell_images_classes_sizes_and_objects(archives):
    listed, problems = facts(archives)
    assert problems == []
    assert of(listed, "sdss") == {
        "": "5 images of 3×12×12, 8-bit · gz_sdss.npz",
        "classes": "featured 2, lens 1, smooth 2",
    }
    assert of(listed, "first")["classes"] == "featured 2, smooth 3"
    assert of(listed, "first")["objects"] == "4: some are shown more than once"
    assert of(listed, "nvss") == {
        "": "3 images of 1×10×10, 8-bit · radio_first_nvss.npz",
        "classes": "3 without label",
    }
    together = dict(listed[-4:])
    assert set(together) == {"channels differ", "sizes differ", "classes in all", "shared objects"}
    assert together["classes in all"] == "featured, smooth"
    assert together["shared objects"] == "3 are in first and in nvss"


def test_one_file_is_inspected_alone(archives):
    listed, _ = facts(archives / "gz_sdss.npz")
    assert [label for label, _ in listed] == ["sdss", "  classes"]


@pytest.fixture
def every_layout(archives):
    for part, count in (("train", 4), ("test", 3)):
        images = pixels(count, seed=count).astype(np.float32)
        np.save(archives / f"images_Y10_{part}.npy", images)
        np.save(archives / f"labels_Y10_{part}.npy", np.eye(3)[:count] if count < 4 else np.eye(4))
    np.save(archives / "pristine_X.npy", np.moveaxis(pixels(6), 1, 3))
    np.save(archives / "pristine_y.npy", np.array([0, 1, 0, 1, 0, -1]))
    np.save(archives / "pristine_groups.npy", np.array([1, 1, 2, 2, 3, 3]))
    (archives / "inside").mkdir()
    np.save(archives / "inside" / "views_X.npy", pixels(4))
    with h5py.File(archives / "mock_deep.h5", "w") as file:
        file["images"], file["labels"] = pixels(4), [0, 1, 0, 1]
        file.attrs["mock"] = True
    write_pictures(archives / "byeye", {"smooth": 3, "lens": 2})
    write_pictures(archives / "parted" / "train", {"smooth": 2, "lens": 2})
    write_pictures(archives / "parted" / "valid", {"smooth": 1, "lens": 1}, seed=1)
    return archives


def test_every_layout_is_found(every_layout):
    listed, problems = facts(every_layout)
    assert problems == []
    assert of(listed, "y10") == {
        "": "7 images of 3×12×12, float32 · images_Y10_train.npy, images_Y10_test.npy",
        "classes": "0 2, 1 2, 2 2, 3 1",
        "parts": "test 3, train 4",
    }
    assert of(listed, "pristine") == {
        "": "6 images of 3×12×12, 8-bit · pristine_X.npy",
        "classes": "0 3, 1 2, 1 without label",
        "objects": "3: some are shown more than once",
    }
    assert of(listed, "inside")[""] == "4 images of 3×12×12, 8-bit · inside/views_X.npy"
    assert of(listed, "deep")["MOCK"] == "the file says that it is synthetic"
    assert of(listed, "byeye") == {
        "": "5 images of 3×9×9, 8-bit · byeye",
        "classes": "lens 2, smooth 3",
    }
    assert of(listed, "parted")["parts"] == "train 4, valid 2"


def test_every_name_leads_to_its_images(every_layout):
    surveys, _ = find_surveys(every_layout)
    assert len(surveys) == 9 and all(survey.resolved for survey in surveys)
    listed, _ = facts(every_layout)
    for survey in surveys:
        classes = (*NAMES, "0", "1")
        request = Request(survey.name, every_layout, NO_PARAMETERS, classes=classes, labelled=False)
        loaded = SurveyImages(size=12).load(request)
        assert of(listed, survey.name)[""].startswith(f"{len(loaded.dataset)} images")


def test_a_name_that_leads_nowhere_is_said(tmp_path):
    for part in ("train", "test"):
        np.save(tmp_path / f"X_{part}.npy", pixels(2))
    listed, _ = facts(tmp_path)
    assert of(listed, "x_test")[""].startswith("4 images")
    assert "set data.images" in of(listed, "x_test")["name"]


def test_truncated_pictures_are_findings_and_the_others_are_counted(tmp_path):
    write_pictures(tmp_path / "byeye", {"smooth": 9, "lens": 3})
    for number in range(7):
        file = tmp_path / "byeye" / "smooth" / f"{number}.png"
        file.write_bytes(file.read_bytes()[:60])
    (tmp_path / "byeye" / "lens" / "0.jpg").write_text("<html>404</html>")
    listed, problems = facts(tmp_path)
    assert of(listed, "byeye")["classes"] == "lens 3, smooth 2"
    assert sum("is truncated or damaged" in text for text in problems) == 5
    assert "... and 2 more pictures beside them cannot be read." in problems
    assert any("0.jpg is not a picture" in text for text in problems)
    # The folder of the survey itself says the same, and where its data folder is.
    alone, same = facts(tmp_path / "byeye")
    assert same == problems and alone[0] == ("data folder", str(tmp_path))


def test_pictures_of_unequal_size_are_a_problem(tmp_path):
    write_pictures(tmp_path / "byeye" / "train", {"smooth": 4})
    write_pictures(tmp_path / "byeye" / "test", {"smooth": 1}, side=8)
    (problem,) = facts(tmp_path)[1]
    assert "differ in size (4 of 3×9×9, 8-bit, 1 of 3×8×8, 8-bit)" in problem


def test_a_survey_without_any_whole_picture_says_so(tmp_path):
    (tmp_path / "byeye" / "smooth").mkdir(parents=True)
    (tmp_path / "byeye" / "smooth" / "a.png").write_bytes(b"")
    assert "byeye has no image that can be read." in facts(tmp_path)[1]


@pytest.mark.parametrize("suffix", [".npz", ".h5"])
def test_truncated_archives_are_findings(archives, suffix):
    whole = (archives / "gz_sdss.npz").read_bytes()
    (archives / f"gz_half{suffix}").write_bytes(whole[: len(whole) // 2])
    listed, problems = facts(archives)
    assert of(listed, "sdss")[""].startswith("5 images")
    assert len(problems) == 1 and f"gz_half{suffix}" in problems[0]


def test_a_folder_of_nothing_but_broken_archives_is_judged(tmp_path):
    (tmp_path / "gz_sdss.npz").write_bytes(b"PK\x03\x04")
    listed, problems = facts(tmp_path)
    assert listed == [] and "gz_sdss.npz is truncated" in problems[0]


def test_a_truncated_array_is_a_finding(tmp_path):
    np.save(tmp_path / "pristine_X.npy", pixels(6))
    file = tmp_path / "pristine_X.npy"
    file.write_bytes(file.read_bytes()[:500])
    _, problems = facts(tmp_path)
    assert "pristine_X.npy is truncated" in problems[0]
    assert "pristine has no image that can be read." in problems


@pytest.mark.parametrize(
    ("labels", "groups", "words"),
    [
        ([0, 1, 1], None, "labels of shape [3]"),
        ([0, 1, 1, 7, 0], None, "label 7 of image 3 is out of range"),
        ([0.5, 1, 1, 0, 0], None, "labels must be whole numbers"),
        ([0, 1, 1, 0, 0], ["a"], "1 groups for 5 images"),
    ],
)
def test_labels_and_groups_that_do_not_fit_are_problems(tmp_path, labels, groups, words):
    more = {} if groups is None else {"groups": groups}
    np.savez(
        tmp_path / "gz_sdss.npz", images=pixels(5), labels=labels, label_names=NAMES[:2], **more
    )
    listed, (problem,) = facts(tmp_path)
    assert words in problem
    assert of(listed, "sdss")[""].startswith("5 images of 3×12×12")


def test_broken_pixels_are_a_problem_and_blank_images_a_warning(tmp_path):
    images = pixels(6).astype(np.float32)
    images[1, 0, 0, 0], images[4] = np.nan, 3.0
    np.savez(tmp_path / "gz_sdss.npz", images=images)
    found = inspect_images(tmp_path)
    assert found is not None
    (problem,), (warning,) = found.problems, found.warnings
    assert "not finite, which are left out: 1 of 6 (numbers from 0 on: 1)" in problem
    assert str(tmp_path / "gz_sdss.npz") in warning and "blank images" in warning
    assert "1 of 6 (numbers from 0 on: 4)" in warning


def test_a_blank_image_is_no_reason_to_fail(archives, capsys):
    images = pixels(5)
    images[2] = 7
    np.savez(archives / "gz_sdss.npz", images=images)
    assert not show(archives)
    assert "Warning:" in capsys.readouterr().out


def test_objects_that_the_files_cut_are_a_problem(tmp_path):
    np.savez(
        tmp_path / "gz_sdss.npz", images=pixels(4), object_id=list("aabb"),
        split=["train", "test", "train", "train"],
    )  # fmt: skip
    (problem,) = facts(tmp_path)[1]
    assert "put 1 objects into more than one part" in problem


def test_other_folders_are_left_to_other_inspectors(tmp_path):
    assert inspect_images(tmp_path) is None
    np.save(tmp_path / "Pk_galaxies_SIMBA_LH_18_kmax=20.0.npy", np.ones((3, 4)))
    np.savez(tmp_path / "numbers.npz", images=np.ones(3))
    assert inspect_images(tmp_path) is None
    run = tmp_path / "run"
    write_pictures(run, {"figures": 2})
    (run / "config.yaml").write_text("name: x")
    assert inspect_images(run) is None
    comparison = tmp_path / "comparison"
    write_pictures(comparison, {"figures": 2})
    (comparison / "comparison.csv").write_text("kind,group")
    assert inspect_images(tmp_path) is None


def test_the_verb_prints_it_and_tells_that_something_is_wrong(
    archives: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert not show(archives)
    assert "featured 2, lens 1, smooth 2" in capsys.readouterr().out
    (archives / "gz_bad.npz").write_bytes(b"PK")
    assert show(archives)
    assert "Problem:" in capsys.readouterr().out


def test_the_real_surveys(shared):
    listed, problems = facts(shared / "images")
    assert of(listed, "sdss")[""] == "2575 images of 3×64×64, 8-bit · gz_sdss.npz"
    assert of(listed, "decals")["classes"].startswith("edgeon 20, featured 84")
    assert ("shared objects", "543 are in first and in nvss") in listed
    assert problems == []
    # One radio image of each survey holds nothing, and two of each are equal.
    found = inspect_images(shared / "images")
    assert found is not None and len(found.warnings) == 4
    assert all("blank images" in text or "not unique" in text for text in found.warnings)
