"""What each mock survey does to the light: pixels, seeing, noise, neighbours, display.

Flux units are arbitrary but common to all surveys: a typical galaxy has a flux
of 100, and brightness is flux per square arcsecond. The constants were chosen
by looking at contact sheets and by training small networks; see ``RECIPE`` in
:mod:`dagnn.mocks.sky.making`. A new survey is one more line in ``SURVEYS``.
"""

from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True)
class Survey:
    """How one survey records the sky.

    Attributes:
        name: of the survey and its file.
        stream: key of its own random stream; never reuse one.
        pixels: height and width of an image.
        scale: arcsec per pixel.
        seeing: full width at half maximum of the point spread function, arcsec.
        seeing_scatter: of ln seeing between images.
        wings: β of a Moffat profile; 0 is a Gaussian.
        noise: of the sky, brightness in one square arcsecond (1σ), mean of the bands.
        grain: correlation length of the noise, pixels; 0 is white noise.
        electrons: counts per unit of flux, for photon noise; 0 is none.
        soft: brightness where the display turns from linear to logarithmic.
        white: brightness that is shown as white.
        black: grey level of the sky, of 1.
        response: sensitivity in the bands i, r, g.
        field: expected neighbours (stars and faint galaxies) per image.
        gradient: 1σ of a slope in the sky from edge to edge, brightness.
    """

    name: str
    stream: int
    pixels: int
    scale: float
    seeing: float
    seeing_scatter: float = 0.0
    wings: float = 0.0
    noise: float = 0.0
    grain: float = 0.0
    electrons: float = 0.0
    soft: float = 0.15
    white: float = 40.0
    black: float = 0.0
    response: tuple[float, float, float] = (1.0, 1.0, 1.0)
    field: float = 0.0
    gradient: float = 0.0


_ALL = (
    Survey("pristine", 1, pixels=75, scale=0.2, seeing=0.36, noise=0.015, black=0.05, soft=0.2),
    Survey(
        "noisy",
        2,
        pixels=75,
        scale=0.22,
        seeing=0.75,
        seeing_scatter=0.1,
        wings=3.0,
        noise=0.033,
        electrons=250.0,
        black=0.05,
        soft=0.25,
    ),
    Survey(
        "observed",
        3,
        pixels=75,
        scale=0.25,
        seeing=0.8,
        seeing_scatter=0.15,
        wings=2.6,
        noise=0.035,
        grain=0.5,
        electrons=400.0,
        black=0.08,
        response=(1.15, 1.0, 0.8),
        field=1.2,
        gradient=0.03,
        soft=0.3,
    ),
    Survey(
        "y10",
        4,
        pixels=100,
        scale=0.2,
        seeing=0.7,
        seeing_scatter=0.05,
        wings=3.5,
        noise=0.02,
        electrons=600.0,
        black=0.05,
        field=1.0,
    ),
    Survey(
        "y1",
        5,
        pixels=100,
        scale=0.2,
        seeing=0.8,
        seeing_scatter=0.1,
        wings=3.5,
        noise=0.06,
        electrons=60.0,
        black=0.08,
        field=1.0,
        soft=0.4,
    ),
    Survey(
        "wide",
        6,
        pixels=75,
        scale=0.26,
        seeing=1.0,
        seeing_scatter=0.12,
        wings=2.8,
        noise=0.05,
        electrons=100.0,
        black=0.06,
        field=0.6,
        soft=0.4,
    ),
    Survey(
        "deep",
        7,
        pixels=75,
        scale=0.22,
        seeing=0.75,
        seeing_scatter=0.12,
        wings=3.0,
        noise=0.025,
        electrons=250.0,
        black=0.1,
        response=(0.9, 1.0, 1.12),
        field=1.2,
        soft=0.2,
    ),
)

SURVEYS = MappingProxyType({survey.name: survey for survey in _ALL})
