"""What a measurement is told, and what it tells: both go between the processes as JSON."""

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit


@dataclass(frozen=True)
class Task:
    """The source to read, the folder to write in, and how many of the table's `rows` to take.

    `variant` tells apart what one module measures in several ways.
    """

    url: str
    folder: str
    rows: int
    variant: str = ""

    @property
    def path(self) -> Path:
        """The folder, which is empty at the start and gone after the measurement."""
        return Path(self.folder)

    @property
    def host_url(self) -> str:
        """The URL with the socket's folder as its host, as connectorx wants it."""
        parts = urlsplit(self.url)
        host = parse_qs(parts.query)["host"][0]
        return f"postgresql://postgres@{quote(host, safe='')}:5432{parts.path}"


@dataclass(frozen=True)
class Measured:
    """The seconds of the work alone, the rows it moved, and the process's peak resident MB.

    `cpu_seconds` are those of the work in this process and its children, of all threads.
    """

    seconds: float
    rows: int
    peak_rss_mb: float
    cpu_seconds: float
