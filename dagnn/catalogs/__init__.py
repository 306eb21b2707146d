"""Galaxy catalogues: suites, parameter tables, and files on disk turned into records."""

from dagnn.catalogs.cache import Shard, default_cache
from dagnn.catalogs.catalog import COLUMNS, GALAXY_COLUMNS, Catalog, Selection
from dagnn.catalogs.collection import SuiteCatalogs, load_suite, prepare_suite
from dagnn.catalogs.layouts import find_layouts, find_table
from dagnn.catalogs.reader import read_catalog
from dagnn.catalogs.suites import Suite, find_suite, known_suites, load_suite_file
from dagnn.catalogs.tables import ParameterTable, read_table

__all__ = [
    "COLUMNS",
    "GALAXY_COLUMNS",
    "Catalog",
    "ParameterTable",
    "Selection",
    "Shard",
    "Suite",
    "SuiteCatalogs",
    "default_cache",
    "find_layouts",
    "find_suite",
    "find_table",
    "known_suites",
    "load_suite",
    "load_suite_file",
    "prepare_suite",
    "read_catalog",
    "read_table",
]
