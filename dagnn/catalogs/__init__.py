"""Galaxy catalogues: suites, parameter tables, and files on disk turned into records."""
