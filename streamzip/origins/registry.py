"""Which source answers for a URL."""

from collections.abc import Mapping

from streamzip.errors import OriginError
from streamzip.manifest.model import Entry
from streamzip.origins.gate import Waiting
from streamzip.origins.http import HttpSource
from streamzip.origins.port import Source


class Registry:
    """The sources by their schemes. `own`: those of schemes that are this gateway's own."""

    def __init__(self, http: HttpSource, own: Mapping[str, Source]) -> None:
        self._http = http
        self._sources: dict[str, Source] = {"http": http, "https": http, **own}

    def for_url(self, url: str) -> Source:
        """Return the source of `url`'s scheme. Raises OriginError (`unsafe_url`) where there is none."""
        scheme, _, _ = url.partition(":")
        source = self._sources.get(scheme.lower())
        if source is None:
            raise OriginError("unsafe_url", "no source knows this kind of URL")
        return source

    def for_entry(self, entry: Entry) -> Source:
        """Return the source of the entry's URL, as the entry wants it asked. Raises OriginError."""
        source = self.for_url(entry.url)
        if not entry.headers and not entry.decode:
            return source
        return source.with_fields(entry.headers, decode=entry.decode)

    def origin(self, url: str) -> str:
        """Return what connections for `url` are counted by, as `host:port` where one is dialled. Raises OriginError.

        What no source knows has one origin for each scheme: an archive may have been made while one did.
        """
        scheme, colon, _ = url.partition(":")
        source = self._sources.get(scheme.lower())
        return scheme + colon if source is None else source.origin(url)

    def waiting(self) -> list[Waiting]:
        """Return the origins that requests wait for because they refuse some."""
        return self._http.waiting()
