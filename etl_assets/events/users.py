"""Who a visitor is: known users, and anonymous ids that turn out to be a known user's for a time.

Links are data of their own and events keep both ids as their source said them, so that taking a
link out undoes it. Nothing here reads or stores links.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Link:
    """`anonymous_id` is `user_id` from `since` up to, not including, `until` (None: for good).

    `known_at` is when that was found out; of links that contradict each other the latest counts.
    """

    anonymous_id: str
    user_id: str
    since: datetime
    until: datetime | None
    known_at: datetime

    def covers(self, moment: datetime) -> bool:
        """Whether the link says who it was at that moment."""
        return self.since <= moment and (self.until is None or moment < self.until)


def user_of(
    user_id: str | None, anonymous_id: str | None, moment: datetime, links: Iterable[Link]
) -> str | None:
    """The known user of an event, None for an anonymous one.

    A user that the event itself names is believed. Otherwise the links of its anonymous id that
    cover the moment say who it was; where several do, the one found out last, and of equal ones
    the smallest user id, whatever the order of the links.
    """
    if user_id is not None:
        return user_id
    found = [link for link in links if link.anonymous_id == anonymous_id and link.covers(moment)]
    if not found:
        return None
    latest = max(link.known_at for link in found)
    return min(link.user_id for link in found if link.known_at == latest)
