"""Synthetic images of galaxies. They are not observations and say so.

A galaxy is a sum of parts in three dimensions: undisturbed ones (:mod:`galaxies`), mergers,
chance projections and strong lenses (:mod:`systems`). :mod:`kinds` defines which classes and
surveys belong together; :mod:`imaging` draws with GalSim what each survey does to the light;
:mod:`making` goes from a number to an image, writes whole surveys, and puts examples on one
page.
"""

from dagnn.mocks.sky.kinds import KINDS, sky_kind
from dagnn.mocks.sky.making import contact_sheet, make_sky, sky_folder, sky_recipe

__all__ = ["KINDS", "contact_sheet", "make_sky", "sky_folder", "sky_kind", "sky_recipe"]
