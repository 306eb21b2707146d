"""Synthetic images of galaxies. They are not observations and say so.

A galaxy is a sum of parts in three dimensions (:mod:`parts`): undisturbed ones
(:mod:`galaxies`), mergers and chance projections (:mod:`interactions`), strong
lenses (:mod:`lenses`). :mod:`kinds` says which classes and surveys belong
together, :mod:`surveys` what each survey does to the light, :mod:`drawing` does
it with GalSim, :mod:`objects` goes from a number to an image, :mod:`making`
writes whole surveys, :mod:`sheet` puts examples on one page.
"""

from dagnn.mocks.sky.kinds import KINDS, sky_kind
from dagnn.mocks.sky.making import make_sky, sky_folder, sky_recipe
from dagnn.mocks.sky.sheet import contact_sheet

__all__ = ["KINDS", "contact_sheet", "make_sky", "sky_folder", "sky_kind", "sky_recipe"]
