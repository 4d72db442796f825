"""Every command that README.md and docs/ tell to type is one that there is, with these options."""

import re
import shlex
from collections.abc import Iterator, Sequence

import click

from etl_assets.cli.main import main
from etl_assets_tests.docs.pages import (
    REPOSITORY,
    Block,
    blocks_of,
    inline_code_of,
    name_of,
    pages,
)

_OURS = ("etl-assets", ".venv/bin/etl-assets")
_SHELLS = ("sh", "bash", "shell", "console")
_ENDS = {"|", "||", "&&", ";", "&", ">", ">>", "<", "2>&1"}
_ASSIGNMENT = re.compile(r"^[A-Za-z_]\w*=")
_TARGETS = set(re.findall(r"^([\w-]+):(?!=)", (REPOSITORY / "Makefile").read_text(), re.MULTILINE))


def commands_of(text: str) -> Iterator[list[str]]:
    """The commands of a shell block, word by word; comments, here-documents and assignments are
    left out.
    """
    text = re.sub(r"<<-?\s*'?(\w+)'?.*?\n\1\n", "\n", text, flags=re.DOTALL)
    for line in text.replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        found: list[str] = []
        for word in [*words, ";"]:
            if word in _ENDS:
                if found:
                    yield found
                found = []
            elif found or not _ASSIGNMENT.match(word):
                found.append(word)


def shell_blocks() -> Iterator[tuple[str, Block]]:
    for page in pages():
        for block in blocks_of(page.read_text(encoding="utf-8")):
            if block.language in _SHELLS:
                yield f"{name_of(page)}:{block.line}", block


def test_commands_of_shell_blocks_parse_as_they_are_written() -> None:
    seen, wrong = 0, []
    for place, block in shell_blocks():
        for words in commands_of(block.text):
            if words[0] in _OURS:
                seen += 1
                if fault := fault_of(words[1:]):
                    wrong.append(f"{place}: {shlex.join(words)}: {fault}")
    assert not wrong
    assert seen > 30, "the blocks were not found"


def test_targets_of_make_are_in_the_makefile() -> None:
    unknown = [
        f"{place}: {shlex.join(words)}"
        for place, block in shell_blocks()
        for words in commands_of(block.text)
        if words[0] == "make" and not _TARGETS & set(words[1:])
    ]
    for page in pages():
        for code in inline_code_of(page.read_text(encoding="utf-8")):
            target = re.search(r"(?:^|[A-Z]=\S+ )make ([a-z][\w-]*)", code)
            if target and target[1] not in _TARGETS:
                unknown.append(f"{name_of(page)}: {code}")
    assert not unknown


def test_commands_in_the_text_have_the_options_that_are_named() -> None:
    wrong = []
    for page in pages():
        for code in inline_code_of(page.read_text(encoding="utf-8")):
            words = code.replace("\\|", "|").split()
            if words[0] in _OURS and (fault := named_fault(words[1:])):
                wrong.append(f"{name_of(page)}: {code}: {fault}")
    assert not wrong


def fault_of(arguments: Sequence[str]) -> str | None:
    """What click says of these arguments, None if the command takes them; nothing is run."""
    command: click.Command = main
    left = list(arguments)
    parent: click.Context | None = None
    try:
        while isinstance(command, click.Group) and left:
            parent = click.Context(command, parent)
            _, found, left = command.resolve_command(parent, left)
            assert found is not None
            command = found
        command.make_context(command.name, left, parent)
    except click.exceptions.Exit:
        return None
    except click.ClickException as refused:
        return refused.format_message()
    return None


def named_fault(words: Sequence[str]) -> str | None:
    """What is wrong with a command in the text, where TABLE, … and [ ] stand for something."""
    command: click.Command = main
    left = list(words)
    while isinstance(command, click.Group) and left and left[0][0].islower():
        names = left.pop(0).split("|")
        found = [command.get_command(click.Context(command), name) for name in names]
        if None in found:
            return f"there is no command {names[found.index(None)]}"
        command = found[0] or command
    has = {name for param in command.params for name in [*param.opts, *param.secondary_opts]}
    asked = {name for word in left for name in re.findall(r"--[a-z][a-z-]*", word)}
    missing = sorted(asked - has - {"--help"})
    return f"it has no {', '.join(missing)}" if missing else None


def test_a_command_that_is_wrong_is_found() -> None:
    assert fault_of(["status", "--json"]) is None
    assert "No such command" in (fault_of(["statsu"]) or "")
    assert "No such option" in (fault_of(["status", "--jsn"]) or "")
    assert fault_of(["state", "show"]), "its argument is missing"
    assert fault_of(["backfill", "--from", "soon"]), "no day"
    assert named_fault(["state", "shw"]) == "there is no command shw"
    assert named_fault(["status", "[--jsn]"]) == "it has no --jsn"
    assert list(commands_of("A=1 x --y 'a b' \\\n  z | w # no\n")) == [
        ["x", "--y", "a b", "z"],
        ["w"],
    ]
