"""Synthetic universes in the layout of CAMELS catalogues. They are not simulations.

One box: a linear power spectrum and a halo mass function (:mod:`cosmology`), a Gaussian field,
its peaks, and a short particle-mesh run that moves them (:mod:`field`), haloes and satellites
(:mod:`haloes`), a suite's own galaxies (:mod:`suites`, :mod:`galaxies`); :mod:`universe` puts
them together and writes whole suites of boxes.
"""
