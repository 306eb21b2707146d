"""What each mock survey does to the light: pixels, seeing, noise, neighbours, display.

Flux units are arbitrary but common to all surveys: a typical galaxy has a flux
of 100, and brightness is flux per square arcsecond. The constants were chosen
by looking at contact sheets and by training small networks; see ``RECIPE`` in
:mod:`dagnn.mocks.sky.making`. A new survey is one more line in ``SURVEYS``.
"""

from dataclasses import dataclass
from types import MappingProxyType, ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.fft import next_fast_len
from scipy.ndimage import gaussian_filter

from dagnn.errors import MissingPackageError
from dagnn.mocks.sky.galaxies import Map, Part, Parts, Sersic, tinted
from dagnn.records import FloatArray


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


Pixels = NDArray[np.uint8]
ComplexArray = NDArray[np.complex128]


def galsim_library() -> ModuleType:
    """Return GalSim.

    Raises:
        MissingPackageError: it is not installed.
    """
    try:
        import galsim
    except ImportError as error:
        raise MissingPackageError(
            "Mock skies need GalSim, which is not installed. Install it with: "
            "pip install 'dagnn[mocks]'"
        ) from error
    library: ModuleType = galsim
    return library


def draw_brightness(
    parts: Parts, survey: Survey, seeing: float, ellipticity: tuple[float, float] = (0.0, 0.0)
) -> FloatArray:
    """Draw a scene without noise.

    Profiles are drawn in Fourier space, maps on a grid of half pixels; the sum is
    convolved with seeing and pixel at once, in a field half as large again so that
    light which leaves it on one side does not come back on the other.

    Args:
        parts: the components, turned as they are seen.
        survey: pixels and profile of the seeing.
        seeing: its full width at half maximum, arcsec.
        ellipticity: reduced shear of the seeing.

    Returns:
        Flux per square arcsecond ``[3, H, W]`` in i, r, g.
    """
    galsim = galsim_library()
    # A little coarser than GalSim's defaults; the errors stay below the noise.
    params = galsim.GSParams(folding_threshold=0.02, maxk_threshold=0.01, kvalue_accuracy=1e-4)
    side = _field_side(survey.pixels)
    seen = np.zeros((3, side, side), complex)
    fine = np.zeros((3, 2 * side, 2 * side))
    for part in parts:
        colour = np.array(part.colour)[:, None, None]
        profile = _projected(galsim, part, params)
        if isinstance(part.light, Map):
            fine += colour * _on_half_pixels(profile, survey, side)
        else:
            seen += colour * _fourier(profile, survey, side)
    seen += _low_frequencies(fine)
    blur = _seeing(galsim, survey, seeing, ellipticity, params)
    image = np.fft.ifft2(np.fft.ifftshift(seen * _fourier(blur, survey, side), axes=(1, 2))).real
    first = side // 2 - survey.pixels // 2
    cut = slice(first, first + survey.pixels)
    centred = np.fft.fftshift(image, axes=(1, 2))
    return np.asarray(centred[:, cut, cut].clip(min=0.0) / survey.scale**2)


def _field_side(pixels: int) -> int:
    """Return an even number of pixels, nearly half as many again, that transforms fast."""
    return 2 * int(next_fast_len(round(0.7 * pixels)))


def _seeing(
    galsim: ModuleType, survey: Survey, width: float, ellipticity: tuple[float, float], params: Any
) -> Any:
    """Return seeing and pixel together."""
    air = (
        galsim.Moffat(beta=survey.wings, fwhm=width, gsparams=params)
        if survey.wings
        else galsim.Gaussian(fwhm=width, gsparams=params)
    )
    air = air.shear(g1=ellipticity[0], g2=ellipticity[1])
    both = galsim.Convolve(air, galsim.Pixel(survey.scale, gsparams=params), gsparams=params)
    # The middle of an even number of pixels lies between two of them.
    shift = 0.0 if survey.pixels % 2 else -survey.scale / 2
    return both.shift(shift, shift)


def _fourier(profile: Any, survey: Survey, side: int) -> ComplexArray:
    """Return the transform ``[side, side]`` of a profile, the zero frequency in the middle."""
    step = 2 * np.pi / (side * survey.scale)
    return np.asarray(profile.drawKImage(nx=side, ny=side, scale=step).array)


def _on_half_pixels(profile: Any, survey: Survey, side: int) -> FloatArray:
    """Return a profile sampled twice per pixel, ``[2 side, 2 side]``."""
    drawn = profile.drawImage(
        nx=2 * side, ny=2 * side, scale=survey.scale / 2, method="no_pixel",
        dtype=float, use_true_center=False,
    )  # fmt: skip
    return np.asarray(drawn.array)


def _low_frequencies(fine: FloatArray) -> ComplexArray:
    """Return the transforms of images of half pixels at the frequencies that pixels resolve."""
    transform = np.fft.fftshift(np.fft.fft2(np.fft.ifftshift(fine, axes=(1, 2))), axes=(1, 2))
    quarter = fine.shape[1] // 4
    return np.asarray(transform[:, quarter:-quarter, quarter:-quarter])


def _projected(galsim: ModuleType, part: Part, params: Any) -> Any:
    """Return a part as GalSim sees it: projected, shifted, with its flux."""
    projection = part.projection()
    return galsim.Transformation(
        _face_on(galsim, part.light, params),
        jac=projection,
        offset=galsim.PositionD(*part.position[:2]),
        flux_ratio=part.flux / abs(np.linalg.det(projection)),
        gsparams=params,
    )


def _face_on(galsim: ModuleType, light: Sersic | Map, params: Any) -> Any:
    if isinstance(light, Map):
        # Its own frequency limits are not needed: it is never transformed.
        return galsim.InterpolatedImage(
            galsim.ImageD(light.values),
            scale=light.scale,
            flux=1.0,
            x_interpolant="cubic",
            calculate_stepk=False,
            calculate_maxk=False,
            gsparams=params,
        )
    if light.n == 1.0:
        return galsim.Exponential(half_light_radius=light.radius, gsparams=params)
    return galsim.Sersic(n=light.n, half_light_radius=light.radius, gsparams=params)


def neighbours(survey: Survey, rng: np.random.Generator) -> Parts:
    """Draw stars and faint galaxies in the field, of one colour and not too near the centre."""
    reach = 0.5 * survey.pixels * survey.scale
    parts = []
    for _ in range(rng.poisson(survey.field)):
        place = rng.uniform(-1.0, 1.0, size=2) * reach
        flux = 2.0 * (1.0 - rng.random()) ** -0.8
        radius = 0.02 if rng.random() < 0.35 else rng.uniform(0.25, 0.7)
        thickness = rng.uniform(0.5, 1.0)
        if np.hypot(*place) < 0.4 * reach:
            continue
        position = np.array([*place, 0.0])
        frame = np.array([[1.0, 0.0, 0.0], [0.0, 0.5, -0.87], [0.0, 0.87, 0.5]])
        colour = tinted("disc", 0.1)
        parts.append(Part(Sersic(1.0, radius), min(flux, 40.0), colour, frame, position, thickness))
    return tuple(parts)


def expose(brightness: FloatArray, survey: Survey, rng: np.random.Generator) -> FloatArray:
    """Add photon noise, noise of the sky and a slope in the sky to ``[3, H, W]``."""
    response = np.array(survey.response)[:, None, None]
    seen = brightness * response
    variance = np.full(seen.shape, (survey.noise / survey.scale) ** 2)
    if survey.electrons:
        variance = variance + seen / (survey.electrons * survey.scale**2)
    noise = rng.normal(size=seen.shape)
    if survey.grain:
        noise = gaussian_filter(noise, (0.0, survey.grain, survey.grain))
        noise /= noise.std()
    slope = np.linspace(-0.5, 0.5, survey.pixels)
    tilt = rng.normal(scale=survey.gradient, size=(2, 1, 1)) if survey.gradient else np.zeros(2)
    sky = tilt[0] * slope[:, None] + tilt[1] * slope[None, :]
    return np.asarray(seen + np.sqrt(variance) * noise + sky)


def displayed(brightness: FloatArray, survey: Survey) -> Pixels:
    """Return an image ``[3, H, W]`` of 8 bits that keeps colours (asinh of the mean band).

    References:
        Lupton et al. 2004, PASP 116, 133, eq. 2.
    """
    mean = brightness.mean(0)
    small = np.abs(mean) < 1e-6 * survey.soft
    safe = np.where(small, 1.0, mean)
    gain = np.where(small, 1.0 / survey.soft, np.arcsinh(safe / survey.soft) / safe)
    shown = survey.black + brightness * gain / np.arcsinh(survey.white / survey.soft)
    return np.asarray((255 * shown).round().clip(0, 255).astype(np.uint8))
