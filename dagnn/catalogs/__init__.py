"""Galaxy catalogues: suites, parameter tables, and files on disk turned into records."""

from dagnn.catalogs.cache import default_cache
from dagnn.catalogs.catalog import Catalog, Selection
from dagnn.catalogs.collection import SuiteCatalogs, load_suite
from dagnn.catalogs.columns import COLUMNS, GALAXY_COLUMNS
from dagnn.catalogs.layouts import find_layouts, find_table
from dagnn.catalogs.preparation import prepare_suite
from dagnn.catalogs.reader import read_catalog
from dagnn.catalogs.shards import Shard
from dagnn.catalogs.suite import Suite
from dagnn.catalogs.suites import find_suite, known_suites, load_suite_file
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
