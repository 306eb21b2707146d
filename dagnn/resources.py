"""Where the package's own YAML files lie: beside the checkout or inside the wheel."""

from pathlib import Path

from dagnn.errors import MissingDataError
from dagnn.files import matching


def resource_folder(name: str) -> Path:
    """Return the folder of YAML files called ``name``.

    A wheel carries them under ``dagnn/resources``; a checkout keeps them at the
    top level, where a person looks for them.

    Args:
        name: ``catalogs``, ``configs`` or ``tuning``.

    Raises:
        MissingDataError: neither place holds a YAML file; the package is incomplete.
    """
    package = Path(__file__).resolve().parent
    places = (package / "resources" / name, package.parent / name)
    for place in places:
        if matching(place, "*.yaml"):
            return place
    tried = " nor in ".join(str(place) for place in places)
    raise MissingDataError(
        f"The YAML files of {name!r} are neither in {tried}. The installation is "
        "incomplete: install dagnn again, or run it from a full checkout."
    )
