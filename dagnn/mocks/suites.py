"""The sub-grid relations of each mock suite: one frozen record of constants per suite.

The constants were found by comparing mock boxes with public measurements of the
real suites (galaxy power spectra, counts, published networks); see
``benchmarks/mock_realism.py``. A new mock suite is one more line in ``SUITES``.
"""

from dataclasses import dataclass
from types import MappingProxyType

from dagnn.errors import UsageError, nearest


@dataclass(frozen=True)
class Relations:
    """How one suite fills haloes with galaxies.

    Masses are in Msun/h, radii in comoving kpc/h; "dex" means a factor of ten.

    Attributes:
        name: the suite's folder name in CAMELS.
        aliases: short names that a user may write.
        stream: key of the suite's own random stream; never reuse one.
        efficiency: ε, half the peak of the star-formation efficiency.
        log_turnover: lg M1 of the stellar-to-halo relation.
        low_slope: β, below the turnover.
        high_slope: γ, above it.
        supernova_energy: response of lg M* to lg A_SN1 in small haloes.
        supernova_speed: response of lg M* to lg A_SN2 in small haloes.
        black_hole_speed: response of lg M* to lg A_AGN2 in large haloes.
        baryon_power: response of lg M* to lg of the baryon fraction.
        assembly: response of lg M* to lg of the concentration.
        mass_scatter: scatter of lg M* in large haloes, dex.
        satellites: normalisation of the subhalo mass function.
        satellite_response: its power of A_SN2.
        satellite_baryon_power: its power of the baryon fraction.
        richness_scatter: scatter of ln richness between haloes.
        satellite_concentration: concentration of satellites over that of matter.
        log_size: lg R* at M* = 1e9.
        size_slope: slope of lg R* above M* = 10^10.5.
        size_scatter: dex.
        log_metallicity: lg Z* at M* = 1e9.
        metallicity_slope: slope of lg Z*.
        metallicity_scatter: dex.
        retained_low: baryon fraction kept by small haloes.
        retained_high: baryon fraction kept by large haloes.
        log_gas: lg of gas over stars inside a galaxy of M* = 1e9.
        star_particle: mass of a star particle.
        agn2_prior: range of A_AGN2 in the suite's Latin hypercube.
    """

    name: str
    aliases: tuple[str, ...]
    stream: int
    efficiency: float
    log_turnover: float
    low_slope: float
    high_slope: float
    supernova_energy: float
    supernova_speed: float
    black_hole_speed: float
    baryon_power: float
    assembly: float
    mass_scatter: float
    satellites: float
    satellite_response: float
    satellite_baryon_power: float
    richness_scatter: float
    satellite_concentration: float
    log_size: float
    size_slope: float
    size_scatter: float
    log_metallicity: float
    metallicity_slope: float
    metallicity_scatter: float
    retained_low: float
    retained_high: float
    log_gas: float
    star_particle: float
    agn2_prior: tuple[float, float] = (0.5, 2.0)


_TNG = Relations(
    name="IllustrisTNG",
    aliases=("tng", "illustristng"),
    stream=1,
    efficiency=0.152,
    log_turnover=12.0,
    low_slope=1.55,
    high_slope=0.55,
    supernova_energy=-2.1,
    supernova_speed=-0.2,
    black_hole_speed=0.1,
    baryon_power=1.6,
    assembly=1.5,
    mass_scatter=0.15,
    satellites=0.715,
    satellite_response=0.4,
    satellite_baryon_power=0.4,
    richness_scatter=0.6,
    satellite_concentration=0.8,
    log_size=0.50,
    size_slope=0.36,
    size_scatter=0.13,
    log_metallicity=-2.30,
    metallicity_slope=0.42,
    metallicity_scatter=0.10,
    retained_low=0.40,
    retained_high=0.75,
    log_gas=0.3,
    star_particle=0.95e7,
)

_SIMBA = Relations(
    name="SIMBA",
    aliases=("simba",),
    stream=2,
    efficiency=0.265,
    log_turnover=11.7,
    low_slope=1.5,
    high_slope=0.60,
    supernova_energy=-1.5,
    supernova_speed=-0.9,
    black_hole_speed=-0.05,
    baryon_power=1.7,
    assembly=2.2,
    mass_scatter=0.18,
    satellites=0.52,
    satellite_response=0.15,
    satellite_baryon_power=0.1,
    richness_scatter=0.5,
    satellite_concentration=0.58,
    log_size=0.43,
    size_slope=0.30,
    size_scatter=0.16,
    log_metallicity=-2.55,
    metallicity_slope=0.55,
    metallicity_scatter=0.15,
    retained_low=0.45,
    retained_high=0.50,
    log_gas=0.5,
    star_particle=1.05e7,
)

_ASTRID = Relations(
    name="Astrid",
    aliases=("astrid",),
    stream=3,
    efficiency=0.195,
    log_turnover=11.85,
    low_slope=1.55,
    high_slope=0.50,
    supernova_energy=-1.2,
    supernova_speed=-0.5,
    black_hole_speed=0.05,
    baryon_power=1.6,
    assembly=1.8,
    mass_scatter=0.16,
    satellites=0.66,
    satellite_response=0.25,
    satellite_baryon_power=0.2,
    richness_scatter=0.45,
    satellite_concentration=0.7,
    log_size=0.55,
    size_slope=0.33,
    size_scatter=0.15,
    log_metallicity=-2.40,
    metallicity_slope=0.48,
    metallicity_scatter=0.12,
    retained_low=0.50,
    retained_high=0.70,
    log_gas=0.4,
    star_particle=1.0e7,
    agn2_prior=(0.25, 4.0),
)

SUITES = MappingProxyType({suite.name: suite for suite in (_TNG, _SIMBA, _ASTRID)})


def relations(kind: str) -> Relations:
    """Return the relations of the suite that a user named, by folder name or alias.

    Raises:
        UsageError: there is no such mock suite; the message names the nearest.

    Example:
        >>> relations("tng").name
        'IllustrisTNG'
    """
    spelled = kind.strip().lower()
    for suite in SUITES.values():
        if spelled in suite.aliases:
            return suite
    raise UsageError(
        f"There is no mock suite {kind!r}. {nearest(kind, [s.aliases[0] for s in SUITES.values()])}"
    )
