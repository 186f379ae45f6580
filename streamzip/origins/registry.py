"""Which source answers for a URL."""

from collections.abc import Mapping

from streamzip.errors import OriginError
from streamzip.manifest.model import Entry
from streamzip.origins.gate import Waiting
from streamzip.origins.http import HttpSource
from streamzip.origins.port import Source
from streamzip.urls.urls import origin_of


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
        """Return the origin that owns `url`, as `host:port`: what connections are counted by. Raises OriginError.

        What is not on the web has one origin for each scheme, also where no source knows it: an archive may have been
        made while one did.
        """
        scheme, colon, _ = url.partition(":")
        if self._sources.get(scheme.lower()) is not self._http:
            return scheme + colon
        try:
            return origin_of(url)
        except ValueError as error:
            raise OriginError("unsafe_url", str(error)) from error

    def waiting(self) -> list[Waiting]:
        """Return the origins that requests wait for because they refuse some."""
        return self._http.waiting()
