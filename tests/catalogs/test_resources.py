import pytest

from dagnn import files as resources
from dagnn.errors import MissingDataError


def test_the_checkout_is_found():
    assert (resources.resource_folder("catalogs") / "tng.yaml").is_file()


def test_the_installed_place_comes_first(tmp_path, monkeypatch):
    package = tmp_path / "site-packages" / "dagnn"
    installed = package / "resources" / "catalogs"
    beside = package.parent / "catalogs"
    for folder in (installed, beside):
        folder.mkdir(parents=True)
        (folder / "tng.yaml").touch()
    monkeypatch.setattr(resources, "__file__", str(package / "resources.py"))
    assert resources.resource_folder("catalogs") == installed
    (installed / "tng.yaml").unlink()
    assert resources.resource_folder("catalogs") == beside


def test_incomplete_installation():
    with pytest.raises(MissingDataError, match=r"'recipes'.*install dagnn again"):
        resources.resource_folder("recipes")
