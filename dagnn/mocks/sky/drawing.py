"""One image: parts projected on the sky, convolved, pixelised and made noisy (GalSim)."""

from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.fft import next_fast_len
from scipy.ndimage import gaussian_filter

from dagnn.errors import MissingPackageError
from dagnn.mocks.sky.parts import Map, Part, Parts, Sersic, tinted
from dagnn.mocks.sky.surveys import Survey
from dagnn.records import FloatArray

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
