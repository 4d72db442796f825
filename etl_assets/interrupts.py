"""Ctrl-C and Terminate while the main thread is inside a library that does not look for signals.

Python raises what a signal asks for when the library's call returns. A long query would go on until
its end, and its result would count. What is stopped, and how, is the caller's.
"""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

_STOPPING = {signal.SIGINT, signal.SIGTERM}


@contextmanager
def stopped_by_signals(stop: Callable[[], None]) -> Iterator[None]:
    """Call `stop` from another thread as soon as SIGINT or SIGTERM arrives.

    `stop` must make the call return that the block is in, and may be called when nothing runs. An
    error that comes of it is replaced: the block raises the signal's own exception, or
    KeyboardInterrupt where a library has lost that. Signals reach the main thread only, so that in
    other threads this does nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    raised: Exception | None = None
    with _watched(stop) as stopped:
        try:
            yield
        except Exception as error:
            raised = error
    # Only now has the watcher read every signal that may be behind the error.
    if raised is None:
        return
    interrupt = interrupt_behind(raised)
    if interrupt is None and not stopped.is_set():
        raise raised
    raise interrupt or KeyboardInterrupt


def interrupt_behind(error: BaseException | None) -> BaseException | None:
    """The interrupt that an error has replaced, None if there was none.

    A rollback that fails while an interrupt unwinds the stack raises its own error, which has the
    interrupt as its context.
    """
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        if not isinstance(error, Exception | GeneratorExit):
            return error
        seen.add(id(error))
        error = error.__context__
    return None


@contextmanager
def _watched(stop: Callable[[], None]) -> Iterator[threading.Event]:
    """Yields an event that is set once `stop` was called."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    # Python writes a signal's number there at once, whatever the main thread is doing.
    before = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    stopped = threading.Event()
    watcher = threading.Thread(
        target=_watch, args=(reading, before, stop, stopped), name="signals", daemon=True
    )
    watcher.start()
    try:
        yield stopped
    finally:
        signal.set_wakeup_fd(before)
        os.close(writing)  # the watcher reads the end of the pipe
        watcher.join()
        os.close(reading)


def _watch(reading: int, others: int, stop: Callable[[], None], stopped: threading.Event) -> None:
    while numbers := os.read(reading, 64):
        if others >= 0:  # an event loop waits for the same numbers
            with suppress(OSError):
                os.write(others, numbers)
        if _STOPPING.intersection(numbers):
            stopped.set()
            stop()
