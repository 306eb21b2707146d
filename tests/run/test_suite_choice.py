"""Which trained suite new files are taken to be of."""

from pathlib import Path

import pytest
from rich.console import Console

from dagnn.console import busy
from dagnn.run.predict import named_by

DOMAINS = ["sdss", "illustris"]


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (["gz_illustris.npz"], "illustris"),
        (["sdss/gz_illustris.npz"], "illustris"),  # a file's own name counts first
        (["images/Illustris/merger/1.png", "images/Illustris/disc/2.png"], "illustris"),
        (["gz_illustris.npz", "gz_sdss.npz"], None),
        (["sdss_illustris.npz"], None),
        (["gz_illustrious.npz"], None),
    ],
)
def test_paths_name_a_suite_as_a_word(files: list[str], expected: str | None) -> None:
    assert named_by([Path("/data") / file for file in files], DOMAINS) == expected


def test_a_log_is_told_what_takes_a_while(capsys: pytest.CaptureFixture[str]) -> None:
    with busy(Console(force_terminal=False, stderr=True), "Drawing the report"):
        pass
    assert capsys.readouterr().err == "Drawing the report\n"
