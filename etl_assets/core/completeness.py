"""What says that a day of files is all there, as a spec declares it. Data only.

Whether it is there, and what a manifest holds, is read in `sources/files/complete.py`.
"""

from dataclasses import dataclass

from etl_assets.core.key_patterns import KeyPattern
from etl_assets.core.spec_classes import spec_class


@spec_class
@dataclass(frozen=True)
class Marker:
    """An object that is put when all others of its day are there; what is in it does not matter.

    `key` is a name beside the objects of the day (`_SUCCESS`), for patterns that have the day in a
    folder of its own, or a whole key with the day in it (`done/{day:%Y-%m-%d}.ok`).
    """

    key: str

    def keys(self, pattern: KeyPattern) -> KeyPattern:
        """The keys of the markers of a table whose objects have the pattern; raises ValueError."""
        text = self.key
        if "/" not in text and "{" not in text:
            folder = pattern.day_folder if pattern.has_day else pattern.prefix
            if folder is None:
                raise ValueError(
                    f"complete: the day has no folder of its own in {pattern.text!r}, so that "
                    f"{text!r} is in none. Write the whole key, with {{day:%Y-%m-%d}} in it."
                )
            text = folder + text
        found = KeyPattern(text)
        if "*" in text or found.has_day != pattern.has_day:
            raise ValueError(
                f"complete: {text!r} is not one key for each day. Write it without a *, and with "
                "{day:…} where the pattern has it."
            )
        if not text.startswith(pattern.prefix):
            raise ValueError(
                f"complete: {text!r} is not below {pattern.prefix!r}, where the objects are listed."
                " Put it there, or write a pattern that begins further above."
            )
        return found


@spec_class
@dataclass(frozen=True)
class Manifest(Marker):
    """A marker that lists the objects of its day, with what each of them must be.

    It is a JSON list of objects, or an object with such a list as `files`. Each has `key`, below
    the table's location, or `name`, beside the manifest; and, each of them optional, `size` in
    bytes, `rows`, `md5` (hex) and `etag`.
    """
