"""The spool of a run: its files, what may be asked of them, and their folder."""

from etl_assets.spool.disk import disk_errors, full_disk
from etl_assets.spool.files import CHUNK_ROWS, SpoolFiles, SpoolMark, together
from etl_assets.spool.folders import run_spool, spool_folder
from etl_assets.spool.keys import duplicates, repeated_keys

__all__ = [
    "CHUNK_ROWS",
    "SpoolFiles",
    "SpoolMark",
    "disk_errors",
    "duplicates",
    "full_disk",
    "repeated_keys",
    "run_spool",
    "spool_folder",
    "together",
]
