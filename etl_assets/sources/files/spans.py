"""Which keys a listing has shown without a gap: a part of a listing is never taken for the whole.

Pure. Keys ascend by their UTF-8 bytes, as Python compares texts; listing is `walk.py`.
"""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Span:
    """The keys that begin with `below`, come after `after`, and no later than `through`.

    None is from the first key on, or to the last one.
    """

    below: str = ""
    after: str | None = None
    through: str | None = None

    def has(self, key: str, size: int) -> bool:
        """Whether an object with this key would have been shown.

        A store may list an empty object without the slash that its key ends with: it counts only
        where both would be in the span.
        """
        last = key if size else f"{key}/"
        return (
            key.startswith(self.below)
            and (self.after is None or key > self.after)
            and (self.through is None or last <= self.through)
        )

    def has_all_below(self, folder: str) -> bool:
        """Whether every key that begins with `folder` would have been shown."""
        return (
            folder.startswith(self.below)
            and (self.after is None or self.after <= folder)
            and (
                self.through is None
                or (self.through > folder and not self.through.startswith(folder))
            )
        )

    def may_have(self, folder: str) -> bool:
        """Whether some key that begins with `folder` would have been shown."""
        return (
            (folder.startswith(self.below) or self.below.startswith(folder))
            and (self.after is None or self.after < folder or self.after.startswith(folder))
            and (self.through is None or self.through > folder)
        )


EVERYTHING: Sequence[Span] = (Span(),)
"""The spans of a listing that was not cut."""
