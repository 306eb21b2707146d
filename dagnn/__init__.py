"""Domain-adaptive graph networks for cosmology across galaxy-formation suites.

Nothing is imported here on purpose: ``import dagnn`` is instant, and each package
(``dagnn.graphs``, ``dagnn.losses``, ``dagnn.models`` ...) is imported by the
name of what it holds. ``dagnn.run`` is where a configuration becomes objects.
"""

__version__ = "0.1.0"
