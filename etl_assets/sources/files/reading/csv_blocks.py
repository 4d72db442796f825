"""CSV to blocks: the fast road for what is plain, the strict one for the rest.

Both give the same rows; the strict one is slower, and knows what is wrong with which record. How
text becomes values is in `values.py`.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial

from etl_assets.core.contracts import Column
from etl_assets.core.file_formats import Csv
from etl_assets.sources.files.reading.assembly import raw_text
from etl_assets.sources.files.reading.csv_framing import Framed, framed
from etl_assets.sources.files.reading.csv_plain import plain_block
from etl_assets.sources.files.reading.csv_records import OPEN_QUOTE, Records
from etl_assets.sources.files.reading.csv_strict import strict_block, whole_lines
from etl_assets.sources.files.reading.feed import Feed
from etl_assets.sources.files.reading.header import Header, header_of
from etl_assets.sources.files.reading.results import (
    BadLine,
    Block,
    FileRefused,
    Limits,
    Summary,
    too_long,
)

_STRICT_BYTES = 64 * 1024
"""After so many bytes on the strict road the fast one is tried again."""


class CsvReading:
    """The reading of one file; `always_strict` takes the slow road for every block."""

    def __init__(
        self,
        dialect: Csv,
        columns: Sequence[Column],
        limits: Limits,
        summary: Summary,
        *,
        overflow: bool = False,
        missing_as_null: bool = False,
        always_strict: bool = False,
    ) -> None:
        self._dialect, self._columns, self._limits = dialect, columns, limits
        self._summary, self._always_strict = summary, always_strict
        self._overflow, self._missing_as_null = overflow, missing_as_null
        self._records = Records(dialect)

    def blocks(self, content: Iterable[bytes]) -> Iterator[Block]:
        """The blocks of a file whose bytes are in UTF-8; raises FileRefused.

        One block is parsed in a thread while the next is fetched, expanded and framed here.
        """
        feed = Feed(content, self._limits)
        header = self._header(feed)
        with ThreadPoolExecutor(1, "csv") as parser:
            ahead: deque[Future[Block]] = deque()
            try:
                for work in self._work(feed, header):
                    ahead.append(parser.submit(work))
                    if len(ahead) > 1:
                        yield ahead.popleft().result()
            except FileRefused:
                while ahead:  # what is wrong with an earlier block is said first
                    ahead.popleft().result()
                raise
            while ahead:
                yield ahead.popleft().result()

    def _work(self, feed: Feed, header: Header) -> Iterator[Callable[[], Block]]:
        """What makes each of the blocks; only the feed decides where one ends."""
        self._summary.lines = feed.lines
        while feed.fill():
            work = self._next(feed, header)
            self._summary.lines = feed.lines
            if work is not None:
                yield work

    def _header(self, feed: Feed) -> Header:
        if not self._dialect.header:
            return self._held([column.name for column in self._columns], None)
        while feed.fill():
            text, size = whole_lines(feed.data, feed.lines + 1), 0
            for record in self._records.of(text):
                size += len(text[record.start : record.end + 1].encode())
                if size > self._limits.record_bytes:
                    raise FileRefused(f"its header {too_long(self._limits)}")
                if record.reason is not None:
                    raise FileRefused(f"its header {record.reason}")
                if record.kind == "record":
                    feed.drop(size)
                    line = text[record.start : record.end].removesuffix("\r")
                    return self._held([field or "" for field in record.fields], line)
            if len(feed.data) > self._limits.record_bytes:
                raise FileRefused(f"its header {too_long(self._limits)}")
            if feed.ended:
                break
            feed.want_more()
        raise FileRefused("it has no header")

    def _held(self, names: Sequence[str], line: str | None) -> Header:
        return header_of(
            names,
            self._columns,
            self._summary,
            overflow=self._overflow,
            missing_as_null=self._missing_as_null,
            line=line,
        )

    def _next(self, feed: Feed, header: Header) -> Callable[[], Block] | None:
        """What makes a block of the records at hand, which are dropped; None if none is whole."""
        data, first_line = feed.data, feed.lines + 1
        if not self._always_strict:
            stop, columns = header.repeated_at(data), len(header.names)
            frame = framed(data, self._dialect, columns, self._limits.record_bytes, stop)
            if frame is not None and frame.size:
                feed.drop(frame.size, frame.line_feeds)
                return partial(self._framed, data, first_line, frame, header)
        near = data[:_STRICT_BYTES]
        block, size = strict_block(near, first_line, header, self._records, self._limits)
        if not size and len(data) > len(near):
            block, size = strict_block(data, first_line, header, self._records, self._limits)
        if size:
            feed.drop(size)
        elif not feed.ended and len(data) <= self._limits.record_bytes:
            feed.want_more()
            return None
        else:
            block = Block(block.frame, [self._endless(feed)])
        return partial(_same, block)

    def _framed(self, data: bytes, first_line: int, frame: Framed, header: Header) -> Block:
        block = plain_block(data, first_line, frame, header, self._dialect, self._limits)
        if block is None:
            whole = data[: frame.size]
            block, _ = strict_block(whole, first_line, header, self._records, self._limits)
        return block

    def _endless(self, feed: Feed) -> BadLine:
        """The record at hand, which has no end or one beyond the limit; it is dropped.

        Only what is within the limit decides how, so that it is the same however blocks are cut.
        """
        begin = feed.data[: self._limits.record_bytes]
        first, raw = feed.lines + 1, raw_text(begin, self._limits)
        reasons = [too_long(self._limits)] if len(feed.data) > len(begin) else []
        if self._records.is_open(begin.decode("utf-8", "replace")):
            # Where it ends cannot be known: what may be inside of quotes is no record.
            reasons.append(OPEN_QUOTE)
            feed.drop_all()
        else:
            feed.drop(len(begin))
            feed.drop_line()
        return BadLine(first, None, ", and ".join(reasons), raw, feed.lines + 1 - first)


def _same(block: Block) -> Block:
    return block
