"""Decoders of what is no part of every Python, loaded with the first body that needs one: see origins/encoded.py."""

import sys
from typing import Final

import brotli

from streamzip.spans import Data

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

_ZSTD_OPTIONS: Final = {int(zstd.DecompressionParameter.window_log_max): 23}  # the logarithm


class Zstd:
    """A stream of zstd (RFC 8878)."""

    def __init__(self) -> None:
        self._decoder = zstd.ZstdDecompressor(options=_ZSTD_OPTIONS)

    def decode(self, data: Data, most: int) -> tuple[bytes, Data]:
        """See encoded._Stream."""
        try:
            decoded = self._decoder.decompress(data, most)
        except zstd.ZstdError as error:
            raise ValueError(str(error)) from error
        return decoded, self._decoder.unused_data if self.ended else b""

    @property
    def ended(self) -> bool:
        """See encoded._Stream."""
        return self._decoder.eof


class Brotli:
    """A stream of Brotli (RFC 7932)."""

    def __init__(self) -> None:
        self._decoder = brotli.Decompressor()

    def decode(self, data: Data, most: int) -> tuple[bytes, Data]:
        """See encoded._Stream."""
        try:
            return self._decoder.process(data, output_buffer_limit=most), b""
        except brotli.error as error:
            raise ValueError(str(error)) from error

    @property
    def ended(self) -> bool:
        """See encoded._Stream."""
        return bool(self._decoder.is_finished())
