"""Galaxy catalogues: suites, parameter tables, and files on disk turned into records."""

from dagnn.catalogs.catalog import Catalog, Selection
from dagnn.catalogs.columns import COLUMNS, GALAXY_COLUMNS
from dagnn.catalogs.reader import read_catalog
from dagnn.catalogs.suite import Suite
from dagnn.catalogs.suites import find_suite, known_suites, load_suite_file

__all__ = [
    "COLUMNS",
    "GALAXY_COLUMNS",
    "Catalog",
    "Selection",
    "Suite",
    "find_suite",
    "known_suites",
    "load_suite_file",
    "read_catalog",
]
