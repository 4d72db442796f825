"""The reader that follows the tutorial finds what a page says wrongly."""

import os
from pathlib import Path

import pytest

from etl_assets_tests.docs.following import NotAsWritten, Reader
from etl_assets_tests.docs.pages import blocks_of


def follow(folder: Path, text: str) -> Reader:
    reader = Reader("page.md", folder, {"PATH": os.environ["PATH"]})
    reader.follow(list(blocks_of(text)))
    return reader


PAGE = """
<!-- file: shop/greet.sh -->
```sh
echo "hello $NAME, it is 12:30"
```

```sh
cd shop
export NAME='Ada and "Bob"'
```

```sh
sh greet.sh   # greets
echo unseen
```

```text
hello Ada and "Bob", it is …
```

```diff
--- greet.sh
+++ greet.sh
@@
-echo "hello $NAME, it is 12:30"
+echo "good night"
+exit 3
```

<!-- fails -->
```sh
sh greet.sh
```

```text
good night
```

<!-- not run: it would -->
```sh
exit 1
```
"""


def test_a_page_is_followed_from_block_to_block(tmp_path: Path) -> None:
    reader = follow(tmp_path, PAGE)
    assert "good night" in (tmp_path / "here" / "shop" / "greet.sh").read_text()
    assert reader.printed == "good night\n"


@pytest.mark.parametrize(
    ("right", "wrong", "told"),
    [
        ("it is …", "at …", "this was not printed: hello Ada"),
        ('-echo "hello $NAME, it is 12:30"', "-echo hello", "these lines are not in greet.sh once"),
        ("<!-- fails -->", "", "exit code 3"),
        ("echo unseen", "false", "exit code 1"),
        ("cd shop", "cd shop; false | cat", "exit code 1"),
        ("sh greet.sh   # greets", "sh other.sh", "exit code"),
    ],
)
def test_what_does_not_happen_as_it_is_written_is_told(
    tmp_path: Path, right: str, wrong: str, told: str
) -> None:
    assert right in PAGE
    with pytest.raises(NotAsWritten, match=told) as found:
        follow(tmp_path, PAGE.replace(right, wrong))
    assert str(found.value).startswith("page.md:")
