"""Mock skies on disk: the format the image reader reads, the same pixels, clear refusals."""

import hashlib
import sys
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from dagnn.cli import app
from dagnn.data.requests import Request
from dagnn.data.surveys import SurveyImages
from dagnn.errors import MissingDataError, MissingPackageError, UsageError
from dagnn.mocks.sky import KINDS, contact_sheet, make_sky, sky_folder, sky_recipe
from dagnn.mocks.sky import making as sky_making

COUNT = 30


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    pytest.importorskip("galsim")
    made = tmp_path_factory.mktemp("sky")
    return {kind: make_sky(kind, made / kind, count=COUNT) for kind in KINDS}


def archive(path):
    with np.load(path, allow_pickle=False) as held:
        return {key: held[key] for key in held}


def digests(folder):
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(folder.glob("*"))}


@pytest.mark.parametrize("kind", KINDS)
def test_every_survey_is_read_as_it_is_and_known_as_mock(kind, folders):
    classes = SurveyImages().truth([KINDS[kind].samples[0].survey.name], [], [], folders[kind])
    for number, sample in enumerate(KINDS[kind].samples):
        side, name = sample.survey.pixels, sample.survey.name
        loaded = SurveyImages().load(
            Request(name, folders[kind], classes=classes.classes, labelled=number == 0)
        )
        assert loaded.mock
        assert len(loaded.dataset) == COUNT
        assert tuple(loaded.dataset.pixels.shape[1:]) == (3, side, side)
        assert len(set(loaded.dataset.groups)) == -(-COUNT // KINDS[kind].views) or loaded.parts[0]


def test_bytes_do_not_depend_on_the_number_of_workers(folders, tmp_path):
    again = make_sky("universal", tmp_path, count=COUNT, workers=2)
    assert digests(again) == digests(folders["universal"])


def test_an_image_does_not_depend_on_how_many_are_made(folders, tmp_path):
    few = make_sky("mergers", tmp_path, count=4)
    all_of_them = archive(folders["mergers"] / "noisy.npz")
    fewer = archive(few / "noisy.npz")
    for key in ("images", "labels", "object_id"):
        assert np.array_equal(fewer[key], all_of_them[key][:4])


def test_another_seed_gives_other_galaxies(folders, tmp_path):
    other = archive(make_sky("mergers", tmp_path, count=3, seed=1) / "pristine.npz")
    assert not np.array_equal(
        other["images"], archive(folders["mergers"] / "pristine.npz")["images"][:3]
    )


def test_views_of_one_galaxy_share_its_name_and_differ(folders):
    held = archive(folders["mergers"] / "pristine.npz")
    assert len(set(held["object_id"][:3])) == 1
    assert len(set(held["labels"][:3])) == 1
    assert held["object_id"][3] != held["object_id"][2]
    assert not np.array_equal(held["images"][0], held["images"][1])


def test_pristine_and_noisy_show_the_same_galaxies_and_observed_others(folders):
    pristine, noisy, observed = (
        archive(folders["mergers"] / f"{name}.npz") for name in ("pristine", "noisy", "observed")
    )
    assert np.array_equal(pristine["object_id"], noisy["object_id"])
    assert np.array_equal(pristine["labels"], noisy["labels"])
    assert not set(pristine["object_id"]) & set(observed["object_id"])


def test_depths_train_on_other_galaxies_and_test_on_the_same(folders):
    deep, shallow = (archive(folders["depth"] / f"{name}.npz") for name in ("y10", "y1"))
    assert np.array_equal(deep["split"], shallow["split"])
    test = deep["split"] == "test"
    assert 0.15 < test.mean() < 0.25
    assert np.array_equal(deep["object_id"][test], shallow["object_id"][test])
    assert np.array_equal(deep["labels"][test], shallow["labels"][test])
    assert not set(deep["object_id"][~test]) & set(shallow["object_id"][~test])
    assert not set(deep["object_id"][~test]) & set(deep["object_id"][test])


def test_paired_images_show_the_same_scene_at_another_depth(folders):
    deep, shallow = (archive(folders["depth"] / f"{name}.npz") for name in ("y10", "y1"))
    rows = np.flatnonzero(deep["split"] == "test")
    a, b = (d["images"][rows].astype(float).mean(1).reshape(len(rows), -1) for d in (deep, shallow))
    same = [np.corrcoef(x, y)[0, 1] for x, y in zip(a, b, strict=True)]
    other = [np.corrcoef(x, y)[0, 1] for x, y in zip(a, np.roll(b, 1, axis=0), strict=True)]
    assert np.median(same) > 0.6
    assert np.median(same) > np.median(other)
    # The median step between neighbouring pixels: a star in the corner does not count.
    corners = [d["images"][:, :, :12, :12].astype(float) for d in (deep, shallow)]
    grain = [np.median(np.abs(np.diff(corner))) for corner in corners]
    assert grain[1] > 1.2 * grain[0]


def test_universal_has_a_class_missing_in_the_target_and_an_unknown_one_only_there(folders):
    present = {}
    for name in ("wide", "deep"):
        held = archive(folders["universal"] / f"{name}.npz")
        present[name] = set(held["label_names"][held["labels"]].tolist())
    assert present["wide"] - present["deep"] == {"edge-on"}
    assert present["deep"] - present["wide"] == {"lens"}


def test_unknown_classes_of_the_target_reach_the_dataset(folders):
    classes = SurveyImages().truth(["wide"], ["deep"], [], folders["universal"]).classes
    assert set(classes) == {"elliptical", "spiral", "merger", "edge-on"}
    loaded = SurveyImages().load(
        Request("deep", folders["universal"], classes=classes, labelled=False)
    )
    assert (loaded.dataset.y == len(classes)).any()


def test_what_is_there_is_kept_and_the_rest_is_made(folders, tmp_path, monkeypatch):
    folder = make_sky("mergers", tmp_path, count=4)
    whole = digests(folder)
    (folder / "noisy.npz").unlink()
    made = []
    original = sky_making.make_images
    monkeypatch.setattr(
        sky_making, "make_images", lambda *task: made.append(task[1]) or original(*task)
    )
    seen = []
    make_sky(
        "mergers", tmp_path, count=4, on_progress=lambda done, total: seen.append((done, total))
    )
    assert made == ["noisy"]
    assert seen == [(8, 12), (12, 12)]
    assert digests(folder) == whole


@pytest.mark.parametrize("change", [{"seed": 1}, {"count": COUNT + 1}])
def test_a_folder_with_other_images_is_not_overwritten(folders, change):
    before = digests(folders["mergers"])
    with pytest.raises(UsageError, match=r"pristine\.npz holds other images"):
        make_sky("mergers", folders["mergers"], **({"count": COUNT} | change))
    assert digests(folders["mergers"]) == before


def test_a_file_that_is_not_ours_is_not_overwritten(tmp_path):
    (tmp_path / "pristine.npz").write_text("mine")
    with pytest.raises(UsageError, match="no mock of this program"):
        make_sky("mergers", tmp_path, count=1)
    assert (tmp_path / "pristine.npz").read_text() == "mine"


def test_interrupted_work_leaves_no_half_file(tmp_path, monkeypatch):
    def stop(*task):
        raise KeyboardInterrupt

    monkeypatch.setattr(sky_making, "make_images", stop)
    with pytest.raises(KeyboardInterrupt):
        make_sky("mergers", tmp_path, count=1)
    assert list(tmp_path.iterdir()) == []


def test_without_galsim_the_error_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "galsim", None)
    with pytest.raises(MissingPackageError, match=r"pip install 'dagnn\[mocks\]'"):
        make_sky("mergers", tmp_path / "new", count=1)
    assert not (tmp_path / "new").exists()


def test_an_unknown_kind_names_the_nearest():
    with pytest.raises(UsageError, match="Did you mean 'mergers'"):
        make_sky("merger")
    with pytest.raises(UsageError, match="at least one image"):
        make_sky("mergers", count=0)


def test_the_cache_has_a_folder_per_recipe(monkeypatch, tmp_path):
    monkeypatch.setenv("DAGNN_CACHE", str(tmp_path))
    first = sky_folder("mergers", 10)
    monkeypatch.setattr(sky_making, "RECIPE", 999)
    assert sky_folder("mergers", 10) != first
    assert sky_recipe("mergers") != sky_recipe("depth")
    assert first.parent == tmp_path


def test_the_contact_sheet_shows_every_class(folders, tmp_path):
    path = contact_sheet(folders["universal"], "universal", tmp_path / "sheet.png", columns=3)
    assert path.read_bytes()[:4] == b"\x89PNG"
    with pytest.raises(MissingDataError, match="dagnn mock sky"):
        contact_sheet(tmp_path, "universal", tmp_path / "other.png")


def test_the_verb_makes_a_sky_and_its_sheet(tmp_path):
    pytest.importorskip("galsim")
    sheet = tmp_path / "sheet.png"
    command = ["mock", "sky", "--kind", "depth", "--count", "3", "--workers", "1"]
    done = CliRunner().invoke(
        app, [*command, "--out", str(tmp_path / "sky"), "--contact-sheet", str(sheet)]
    )
    assert done.exit_code == 0, done.output
    assert sorted(Path(tmp_path / "sky").iterdir())[0].name == "y1.npz"
    assert sheet.is_file()
    assert CliRunner().invoke(app, ["mock", "sky", "--kind", "dept"]).exit_code == 2
