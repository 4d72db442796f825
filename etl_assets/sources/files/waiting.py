"""Waiting for obstore so that Ctrl-C and Terminate end the wait.

Its calls do not look for signals: they would go on until the request is over, minutes later if the
store does not answer. Its asynchronous calls can be given up, but now and then a process aborts
that ends soon after one (0.12.1). What is asked for is the caller's.
"""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

_T = TypeVar("_T")


def wait_for(ask: Callable[[], _T]) -> _T:
    """What `ask()` comes to; an interrupt leaves it behind in its thread, to end by itself.

    Signals reach the main thread only, so that others call it themselves.
    """
    if threading.current_thread() is not threading.main_thread():
        return ask()
    answer: Future[_T] = Future()

    def work() -> None:
        try:
            answer.set_result(ask())
        except BaseException as error:
            answer.set_exception(error)

    thread = threading.Thread(target=work, name="object store", daemon=True)
    thread.start()
    found = answer.result()
    thread.join()  # at the end of the process no thread of ours is in obstore
    return found
