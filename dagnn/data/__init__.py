"""Datasets in memory, their splits, and the streams that training draws from."""

from collections.abc import Callable

from dagnn.data.catalogues import Galaxies
from dagnn.data.galaxies import GalaxyGraphs, load_galaxies
from dagnn.data.images import Images
from dagnn.data.requests import Modality
from dagnn.data.spectra import PowerSpectra, Spectra
from dagnn.data.splits import Split, split_groups, split_items
from dagnn.data.streams import Domains, Stream
from dagnn.data.surveys import SurveyImages

MODALITIES: dict[str, Callable[..., Modality]] = {
    "galaxies": Galaxies,
    "spectra": PowerSpectra,
    "images": SurveyImages,
}

__all__ = [
    "MODALITIES",
    "Domains",
    "GalaxyGraphs",
    "Images",
    "Spectra",
    "Split",
    "Stream",
    "SurveyImages",
    "load_galaxies",
    "split_groups",
    "split_items",
]
