"""Which table may be meant by a name that is none; light enough for commands to import at once."""

import difflib
from collections.abc import Sequence

_LIKE, _AS_LIKE, _MOST = 0.6, 0.15, 3


def near(name: str, paths: Sequence[str]) -> list[str]:
    """At most three paths that may be meant by a name, the most alike first.

    A name without a layer is compared with the tables' names, and `raw.orders` is `raw/orders`.
    """
    typed = name.strip("/").replace(".", "/").replace("-", "_").lower()

    def likeness(path: str) -> float:
        of = path if "/" in typed else path.rpartition("/")[2]
        return difflib.SequenceMatcher(None, typed, of.lower()).ratio()

    scores = {path: likeness(path) for path in paths}
    best = max(scores.values(), default=0.0)
    found = [p for p, score in scores.items() if score >= max(_LIKE, best - _AS_LIKE)]
    return sorted(found, key=lambda path: -scores[path])[:_MOST]
