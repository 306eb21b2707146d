"""Galaxy catalogues: suites, parameter tables, and files on disk turned into records."""

from dagnn.catalogs.collection import load_suite
from dagnn.catalogs.reader import read_catalog
from dagnn.catalogs.suites import find_suite
from dagnn.catalogs.tables import read_table

__all__ = ["find_suite", "load_suite", "read_catalog", "read_table"]
