"""Tiny spectra of two suites, and a study on them that takes a second."""

from pathlib import Path

import pytest
from tiny_studies import write_suite


@pytest.fixture(scope="session")
def spectra(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a data folder with tiny spectra of two suites."""
    root = tmp_path_factory.mktemp("spectra")
    write_suite(root, "IllustrisTNG", 0.0, 0)
    write_suite(root, "SIMBA", 0.4, 1)
    return root


@pytest.fixture(autouse=True)
def _own_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DAGNN_DATA", raising=False)
    monkeypatch.setenv("DAGNN_CACHE", str(tmp_path / "cache"))
