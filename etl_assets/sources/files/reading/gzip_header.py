"""Where the header of a gzip member ends (RFC 1952).

isal's reader refuses a good member whose header comes in two pieces if it has a name, a comment or
a checksum of its own, so a header is kept until it is whole. What is in it does not belong here.
"""

_MAGIC = b"\x1f\x8b"
_FIXED = 10
_SUM, _EXTRA, _NAME, _COMMENT = 2, 4, 8, 16
_MOST = 1 << 20
"""Bytes that a header may take; a longer one is left to isal."""


def is_whole(begin: bytes) -> bool:
    """Whether `begin`, the begin of a member, has all of its header, or is none of gzip's."""
    if len(begin) > _MOST or not _MAGIC.startswith(begin[:2]):
        return True
    if len(begin) < _FIXED:
        return False
    flags, end = begin[3], _FIXED
    if flags & _EXTRA:
        end += 2 + int.from_bytes(begin[end : end + 2], "little")
    for text in (_NAME, _COMMENT):
        if flags & text:
            place = begin.find(b"\0", end)
            if place < 0:
                return False
            end = place + 1
    return len(begin) >= end + (2 if flags & _SUM else 0)
