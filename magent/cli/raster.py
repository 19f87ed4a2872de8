"""An SVG as PNG, by resvg, which comes as a wheel and needs nothing installed but a font."""

from __future__ import annotations

import math
import re

from magent.errors import UsageError

_ZOOM = 2.0  # sharp on today's screens
_MOST = 40_000_000  # pixels: what is larger is drawn smaller
# Asked in this order where the machine has none of those that the picture names.
FAMILIES = ("DejaVu Sans", "Liberation Sans", "Noto Sans", "Open Sans", "Ubuntu", "Cantarell", "FreeSans", "Verdana")
_SIZE = re.compile(r'<svg [^>]*?width="([\d.]+)" height="([\d.]+)"')


def png(svg: str) -> bytes:
    """The picture's pixels. Raises UsageError where resvg or every font is missing."""
    try:
        from resvg_py import svg_to_bytes
    except ImportError as error:
        hint = "pip install 'magent-cli[pictures]', or write -o FILE.svg, which needs nothing"
        raise UsageError("a png picture needs the package resvg-py, which is not installed", hint) from error
    size = _SIZE.match(svg)
    assert size is not None
    zoom = min(_ZOOM, math.sqrt(_MOST / (float(size[1]) * float(size[2]))))
    family = _family()
    return bytes(svg_to_bytes(svg_string=svg, zoom=zoom, font_family=family, sans_serif_family=family))


def _family() -> str:
    """A family that the machine has. What resvg has no font for it leaves out without a word."""
    from resvg_py import svg_to_bytes

    def drawn(text: str, family: str) -> bytes:
        svg = f'<svg xmlns="http://www.w3.org/2000/svg" width="20" height="20"><text y="15">{text}</text></svg>'
        return bytes(svg_to_bytes(svg_string=svg, font_family=family, sans_serif_family=family))

    for family in FAMILIES:
        if drawn("m", family) != drawn("", family):
            return family
    hint = "install one, such as Debian's fonts-dejavu-core, or write -o FILE.svg"
    raise UsageError("a png picture needs a font, and this machine has none that is known", hint)
