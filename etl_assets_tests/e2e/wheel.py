"""The package as it is installed: a wheel and an sdist of this checkout, built apart from it."""

import shutil
import subprocess
import sys
from pathlib import Path

from etl_assets_tests.e2e.command import PROGRAMS, REPOSITORY


def build(folder: Path) -> tuple[Path, Path]:
    """The wheel, made of the sdist as a registry would, and the sdist; nothing is downloaded."""
    source, made = folder / "source", folder / "dist"
    source.mkdir(parents=True)
    for name in ("pyproject.toml", "README.md", "setup.py"):
        shutil.copy(REPOSITORY / name, source / name)
    shutil.copytree(
        REPOSITORY / "etl_assets",
        source / "etl_assets",
        ignore=shutil.ignore_patterns("__pycache__"),
    )
    done = subprocess.run(
        [
            *(str(PROGRAMS / "uv"), "build", "--quiet", "--offline", "--no-build-isolation"),
            *("--python", sys.executable, "--out-dir", str(made), str(source)),
        ],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (wheel,) = made.glob("*.whl")
    (sdist,) = made.glob("*.tar.gz")
    return wheel, sdist
