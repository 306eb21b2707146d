"""Datasets in memory, their splits, and the streams that training draws from."""

from dagnn.data.domains import Domains, Stream
from dagnn.data.galaxies import GalaxyGraphs, load_galaxies
from dagnn.data.images import Images
from dagnn.data.modalities import MODALITIES
from dagnn.data.spectra import Spectra, load_spectra
from dagnn.data.splits import Split, split_groups, split_items
from dagnn.data.surveys import SurveyImages

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
    "load_spectra",
    "split_groups",
    "split_items",
]
