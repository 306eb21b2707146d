"""Files appear whole or not at all."""

from pathlib import Path

import pytest

from dagnn.files import atomic_path, write_text


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
