"""Builds the site of docs/ in a folder of a test, as `make docs` does in the repository."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from etl_assets_tests.docs.pages import DOCS, REPOSITORY


def build_site(folder: Path) -> Path:
    """The folder with the built pages; fails with what the builder says, broken links among it.

    Its builder wants its output beside its pages, and the repository is not the test's to write to.
    """
    shutil.copytree(DOCS, folder / "docs")
    shutil.copy(REPOSITORY / "zensical.toml", folder)
    done = subprocess.run(
        [sys.executable, "-m", "zensical", "build", "--strict", "--clean"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY), "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[-5000:]
    return folder / "site"
