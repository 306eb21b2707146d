"""What every HTML page of dagnn shares: one look, one file, nothing loaded from elsewhere."""

import base64
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from matplotlib.figure import Figure

from dagnn.report.figures.style import figure_svg


def render(template: str, *, folder: Path | None = None, **values: Any) -> str:
    """Fill a template; a value that it needs and does not get is an error.

    Args:
        template: file name.
        folder: where else than beside this file templates lie.
        **values: what the template needs.
    """
    here = Path(__file__).parent
    templates = Environment(
        loader=FileSystemLoader([folder, here] if folder else here),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return templates.get_template(template).render(values)


def picture(name: str, figure: Figure, caption: str) -> dict[str, str]:
    """Put a figure into the page itself, as templates expect it."""
    data = base64.b64encode(figure_svg(figure)).decode("ascii")
    return {"name": name, "caption": caption, "source": f"data:image/svg+xml;base64,{data}"}
