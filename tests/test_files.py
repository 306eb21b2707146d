"""Files appear whole or not at all."""

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import dagnn
from dagnn.catalogs.layouts import existing, find_layouts
from dagnn.catalogs.reader import catalog_files
from dagnn.catalogs.suites import find_suite
from dagnn.data.image_files import read_blocks
from dagnn.data.image_paths import find_images, find_surveys
from dagnn.errors import UsageError
from dagnn.files import atomic_path, entries, matching, write_text
from dagnn.run.compare import runs_inside
from dagnn.run.folder import lacking, require_free


def test_a_file_is_written_whole_into_a_new_folder(tmp_path: Path) -> None:
    path = write_text(tmp_path / "deep" / "note.txt", "Ω_m")
    assert path.read_text(encoding="utf-8") == "Ω_m"
    assert [p.name for p in path.parent.iterdir()] == ["note.txt"]


def test_an_interrupted_write_leaves_the_old_file_and_no_rubbish(tmp_path: Path) -> None:
    path = write_text(tmp_path / "note.txt", "old")
    with pytest.raises(KeyboardInterrupt), atomic_path(path) as temporary:
        temporary.write_text("half of the ne")
        raise KeyboardInterrupt
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["note.txt"]


def test_a_folder_in_the_way_is_named_itself(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError) as caught, atomic_path(tmp_path):
        pass
    assert caught.value.filename == str(tmp_path)
    assert list(tmp_path.parent.glob(f".{tmp_path.name}*")) == []


CLUTTER = [".DS_Store", "._a.png", "Thumbs.db", "desktop.ini"]
HIDDEN = [".ipynb_checkpoints", "__MACOSX", ".git"]


def litter(root: Path) -> None:
    """Put into every folder what systems leave there, and hidden copies of all that it holds."""
    for folder in [root, *(path for path in root.rglob("*") if path.is_dir())]:
        held = list(folder.iterdir())
        for name in CLUTTER:
            (folder / name).write_bytes(b"\x00\x05\x16\x07")
        for name in HIDDEN:
            (folder / name).mkdir()
            for path in (path for path in held if path.is_file()):
                (folder / name / path.name).write_bytes(path.read_bytes())
                (folder / f"._{path.name}").write_bytes(b"\x00\x05\x16\x07")


def test_clutter_is_no_picture_no_class_and_no_survey(tmp_path: Path) -> None:
    for name in ("train/disk/a", "train/bulge/b", "test/disk/c", "test/bulge/d"):
        path = tmp_path / "sky" / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((4, 4), len(name), np.uint8)).save(path)
    np.save(tmp_path / "images_deep.npy", np.zeros((2, 3, 5, 5)))
    before = [(b.ids.tolist(), b.labels.tolist()) for b in read_blocks(tmp_path / "sky")]
    surveys = [found.name for found in find_surveys(tmp_path)[0]]
    litter(tmp_path)
    after = [(b.ids.tolist(), b.labels.tolist()) for b in read_blocks(tmp_path / "sky")]
    assert after == before
    assert [found.name for found in find_surveys(tmp_path)[0]] == surveys == ["deep", "sky"]
    assert find_surveys(tmp_path)[1] == []
    assert [path.name for path, _ in find_images(tmp_path, "deep")] == ["images_deep.npy"]


def test_clutter_is_no_box_and_no_chunk(tmp_path: Path) -> None:
    chunks = tmp_path / "IllustrisTNG/LH_0/fof_subhalo_tab_090"
    for path in (
        *(chunks / f"fof_subhalo_tab_090.{n}.hdf5" for n in range(2)),
        *(tmp_path / f"own/{n}/groups_090.hdf5" for n in range(2)),
    ):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    litter(tmp_path)
    for path in (chunks, chunks / "fof_subhalo_tab_090.0.hdf5"):
        assert [file.name[-6:] for file in catalog_files(path)] == ["0.hdf5", "1.hdf5"]
    template = "own/{i}/groups_{snap:03d}.hdf5"
    (layout,) = find_layouts(find_suite("tng"), tmp_path, "LH", 0.0, template=template)
    assert list(layout.files) == ["LH_0", "LH_1"]
    assert "MACOSX" not in existing(tmp_path) and ".git" not in existing(tmp_path)


def test_clutter_is_no_run_and_fills_no_folder(tmp_path: Path) -> None:
    (tmp_path / "runs/seed-0").mkdir(parents=True)
    (tmp_path / "runs/seed-0/config.yaml").write_text("name: a")
    (tmp_path / "runs/config.yaml").write_text("name: a")
    litter(tmp_path)
    assert [path.name for path in runs_inside(tmp_path / "runs")] == ["seed-0"]
    assert "MACOSX" not in lacking(tmp_path, "config.yaml", "runs")
    (tmp_path / "empty").mkdir()
    litter(tmp_path / "empty")
    require_free(tmp_path / "empty")
    with pytest.raises(UsageError, match="is a run already"):
        require_free(tmp_path / "runs/seed-0")


def test_a_hidden_data_folder_is_taken_at_its_word(tmp_path: Path) -> None:
    data = tmp_path / ".cache/data"
    (data / "a").mkdir(parents=True)
    assert entries(data) == [data / "a"] == matching(data, "*")
    assert matching(data / "a", "../*") == [data / "a/../a"]


def test_every_walk_leaves_clutter_out() -> None:
    walks = re.compile(r"\.iterdir\(|\.rglob\(|os\.walk|scandir\(|listdir\(|\.glob\(f?\"\*[^.]")
    files = Path(dagnn.__file__).parent.rglob("*.py")
    found = [path.name for path in files if walks.search(path.read_text())]
    assert found == ["files.py"], "walk folders by dagnn.files.entries and matching"
