"""Work that is planned on what is published, and planned anew where that changed meanwhile."""

from collections.abc import Callable
from typing import TypeVar

import tenacity

from etl_assets.core.errors import LostTurn

_PATIENCE_SECONDS, _LEAST_ATTEMPTS = 120, 20
T = TypeVar("T")


def in_turn(work: Callable[[], T]) -> T:
    """What `work` returns; done again where another run published first.

    Each time that it is lost, another run has made progress; it ends after two minutes, but not
    before it was lost twenty times: on a slow machine eight runs of one table take longer.
    """
    attempts = tenacity.Retrying(
        retry=tenacity.retry_if_exception_type(LostTurn),
        stop=tenacity.stop_all(
            tenacity.stop_after_delay(_PATIENCE_SECONDS),
            tenacity.stop_after_attempt(_LEAST_ATTEMPTS),
        ),
        wait=tenacity.wait_random_exponential(multiplier=0.05, max=2),
        reraise=True,
    )
    done: T = attempts(work)
    return done
