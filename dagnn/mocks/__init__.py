"""Synthetic universes in the layout of CAMELS catalogues. They are not simulations.

One box: a linear power spectrum and a halo mass function (:mod:`cosmology`), a
Gaussian field with its peaks (:mod:`field`), a short particle-mesh run that
moves them (:mod:`particle_mesh`), satellites (:mod:`subhaloes`), a suite's own
galaxies (:mod:`suites`, :mod:`galaxies`), put together in :mod:`box` and written
by :mod:`writer`; :mod:`universe` makes whole suites of boxes.
"""
