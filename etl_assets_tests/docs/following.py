"""Follows a page as its reader does: types shell blocks, writes files, applies diffs.

The HTML comment before a block, which a reader does not see, says what the block does not show:

- `file: NAME`: the block is that file, whole;
- `fails`: the commands end with a non-zero exit code;
- `until URL`: the commands run until they are stopped, which happens once the URL answers; they
  may log no ERROR;
- `not run: WHY`: the block is passed over.

A `diff` names its file; each part between lines of `@@` stands in that file once. A `text` block
that follows shows what the commands print: each of its lines must have been printed, in this order;
`…` stands for anything.
"""

import os
import re
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from etl_assets_tests.docs.pages import Block

_WITHIN_SECONDS = 600
_STOP_SECONDS = 60


class NotAsWritten(AssertionError):
    """The page does not say what happens; the message has the line and what was printed."""


@dataclass
class Reader:
    """Somebody with an empty folder, a shell with these variables, and the page.

    What one block exports and where it changes to holds for the next, as in one terminal.
    `elsewhere` replaces what a test must have elsewhere, such as a port that is in use.
    """

    page: str
    folder: Path
    environment: Mapping[str, str]
    elsewhere: Mapping[str, str] = field(default_factory=dict)
    printed: str = ""
    seconds: dict[int, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._here = self.folder / "here"
        self._here.mkdir(parents=True)
        self._state = self.folder / "shell state"
        self._state.write_text(f"cd '{self._here}'\n")

    def follow(self, blocks: Sequence[Block]) -> None:
        """Do what the blocks say, one after another; raises NotAsWritten."""
        for block in blocks:
            began = time.monotonic()
            self._do(block)
            self.seconds[block.line] = time.monotonic() - began

    def _do(self, block: Block) -> None:
        for written, meant in self.elsewhere.items():
            block = replace(
                block,
                text=block.text.replace(written, meant),
                note=block.note.replace(written, meant),
            )
        kind, _, what = block.note.partition(": ")
        if kind == "not run":
            return
        if kind == "file":
            path = self._cwd() / what
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.text, encoding="utf-8")
        elif block.language == "sh" and block.note.startswith("until "):
            self._run_until(block, block.note.removeprefix("until "))
        elif block.language == "sh":
            self._run(block, fails=block.note == "fails")
        elif block.language == "diff":
            self._apply(block)
        elif block.language == "text":
            self._compare(block)

    def _run(self, block: Block, *, fails: bool) -> None:
        done = self._shell(block.text)
        self.printed = done.stdout
        if (done.returncode != 0) != fails:
            raise self._wrong(block, f"exit code {done.returncode}")

    def _shell(self, commands: str) -> "subprocess.CompletedProcess[str]":
        # Two streams into one, as a terminal shows them.
        return subprocess.run(
            ["bash", "-c", self._script(commands)],
            env=dict(self.environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_WITHIN_SECONDS,
            check=False,
        )

    def _script(self, commands: str) -> str:
        keep = f"export -p > '{self._state}'; printf 'cd %q\\n' \"$PWD\" >> '{self._state}'"
        begin = f"source '{self._state}'; _keep() {{ {keep}; }}; trap _keep EXIT; set -eo pipefail"
        return f"{begin}\n{commands}"

    def _run_until(self, block: Block, url: str) -> None:
        log = self.folder / "until.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                ["bash", "-c", f"source '{self._state}'\nexec {block.text}"],
                env=dict(self.environment),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        try:
            deadline = time.monotonic() + _WITHIN_SECONDS
            while not _answers(url):
                if process.poll() is not None or time.monotonic() > deadline:
                    self.printed = log.read_text(errors="replace")
                    raise self._wrong(block, f"{url} does not answer")
                time.sleep(0.5)
        finally:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.printed = log.read_text(errors="replace")
        if "ERROR" in self.printed:
            raise self._wrong(block, f"{url} answers, and there are errors")

    def _apply(self, block: Block) -> None:
        before, _, *lines = block.text.splitlines()
        path = self._cwd() / before.removeprefix("--- ")
        text = path.read_text(encoding="utf-8")
        for hunk in _hunks(lines):
            old = "".join(f"{line[1:]}\n" for line in hunk if line[:1] != "+")
            new = "".join(f"{line[1:]}\n" for line in hunk if line[:1] != "-")
            if text.count(old) != 1:
                self.printed = text
                raise self._wrong(block, f"these lines are not in {path.name} once:\n{old}")
            text = text.replace(old, new)
        path.write_text(text, encoding="utf-8")

    def _compare(self, block: Block) -> None:
        left = [" ".join(line.split()) for line in self.printed.splitlines()]
        for line in block.text.splitlines():
            wanted = " ".join(line.split())
            if wanted in {"", "…"}:
                continue
            pattern = re.compile(".*".join(re.escape(part.strip()) for part in wanted.split("…")))
            found = next((n for n, told in enumerate(left) if pattern.fullmatch(told)), None)
            if found is None:
                raise self._wrong(block, f"this was not printed: {line}")
            del left[: found + 1]

    def _cwd(self) -> Path:
        return Path(self._shell("pwd").stdout.splitlines()[-1])

    def _wrong(self, block: Block, what: str) -> NotAsWritten:
        return NotAsWritten(
            f"{self.page}:{block.line}: {what}\n{block.text}\nprinted:\n{self.printed[-6000:]}"
        )


def _hunks(lines: Sequence[str]) -> Iterator[list[str]]:
    """The parts of a diff between its lines that begin with @@."""
    found: list[str] = []
    for line in [*lines, "@@"]:
        if line.startswith("@@"):
            if found:
                yield found
            found = []
        else:
            found.append(line)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def environment_of(programs: Path, **more: str) -> dict[str, str]:
    """The variables of a shell that has `programs` on its path, and none of the platform's own."""
    return {
        "PATH": f"{programs}:{os.environ.get('PATH', os.defpath)}",
        "HOME": os.environ.get("HOME", "/"),
        "LANG": "C.UTF-8",
        "COLUMNS": "160",
        **more,
    }
