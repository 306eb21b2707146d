"""Datasets in memory, their splits, and the streams that training draws from."""

from dagnn.data.domains import Domains, Stream
from dagnn.data.galaxies import GalaxyGraphs, load_galaxies
from dagnn.data.modalities import MODALITIES
from dagnn.data.spectra import Spectra, load_spectra
from dagnn.data.splits import Split, split_groups

__all__ = [
    "MODALITIES",
    "Domains",
    "GalaxyGraphs",
    "Spectra",
    "Split",
    "Stream",
    "load_galaxies",
    "load_spectra",
    "split_groups",
]
