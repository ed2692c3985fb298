"""Programs that end-to-end tests need of the system, and where Debian and Ubuntu have them."""

import os
import shutil
from pathlib import Path

PACKAGES = {
    "caddy": "caddy",
    "chromium": "chromium",
    "turnserver": "coturn",
}
FONT = Path("/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf")  # without one a page has no text
_FONT_PACKAGE = "fonts-dejavu-core"


def missing_packages() -> list[str]:
    """Return the names of the packages that aren't installed."""
    missing = [package for program, package in PACKAGES.items() if not find_program(program)]
    return missing if FONT.exists() else [*missing, _FONT_PACKAGE]


def find_program(name: str) -> str | None:
    """Return where a program lies; servers may be in sbin, which isn't on everybody's PATH."""
    path = os.environ.get("PATH", os.defpath)
    return shutil.which(name, path=f"{path}:/usr/sbin:/usr/local/sbin")
