"""The parser of answers leaves nothing behind: an archive of small files takes thousands of them a second."""

import gc
import weakref
from collections.abc import Iterator

import httptools
import pytest

from streamzip.net.parsing import Parser

LENGTH = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.fixture
def uncollected() -> Iterator[None]:
    """Nothing is freed but what nobody holds."""
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("uncollected")
@pytest.mark.parametrize(
    ("head", "body"),
    [(LENGTH, []), (CHUNKED, [b"3\r\nabc\r\n", b"0\r\n\r\n"]), (CHUNKED, [b"3\r\nabc\r\n", b"no chunk\r\n"])],
    ids=["length", "chunks", "broken chunks"],
)
def test_parser_is_freed_once_nobody_holds_it(head: bytes, body: list[bytes]) -> None:
    parser = Parser()
    parser.head(memoryview(head))
    for data in body:
        parser.chunks(data)
    gone = weakref.ref(parser)
    del parser
    assert gone() is None


@pytest.mark.usefixtures("uncollected")
def test_parser_of_what_is_no_head_is_freed_once_nobody_holds_it() -> None:
    parser = Parser()
    with pytest.raises(httptools.HttpParserError):
        parser.head(memoryview(b"HTTP/9 no\r\n\r\n"))
    gone = weakref.ref(parser)
    del parser
    assert gone() is None
