"""The links of an archive, as absolute URLs."""

from typing import Annotated

from pydantic import Field
from typing_extensions import TypedDict

from streamzip.access.signed_links import SignedLinks
from streamzip.clock import Clock


class LinksDocument(TypedDict):
    """The links of an archive."""

    url: Annotated[str, Field(description="The zip. It works at once, whatever the status is.")]
    status_url: str


class ArchiveLinks:
    """`public_url`: the base that clients see, without a slash at its end; None: the one each request came by.
    `signed`: None where links need no signature.
    """

    def __init__(self, public_url: str | None, signed: SignedLinks | None, clock: Clock) -> None:
        self.public_url = public_url
        self._signed = signed
        self._clock = clock

    def of(self, base: str, hash: str, *, entitled: bool, until: str | None = None) -> LinksDocument:
        """Return the links of one archive. Where links are signed, somebody not `entitled` gets them without a
        signature, but that of its status `until` the one ends with which it was asked for.
        """
        archive, status = f"/archive/get/{hash}.zip", f"/api/archive/status/{hash}"
        if entitled:
            return {"url": self.signed(base, archive), "status_url": self.signed(base, status)}
        told = f"{base}{status}" if until is None else self.signed(base, status, until=until)
        return {"url": f"{base}{archive}", "status_url": told}

    def signed(self, base: str, path: str, *, until: str | None = None) -> str:
        """Return the URL of a path, with its signature where links need one. `base` may be empty; `until`: epoch
        seconds.
        """
        if self._signed is None:
            return f"{base}{path}"
        if until is not None:
            return f"{base}{path}?{self._signed.query(path, now=float(until), seconds=0)}"
        return f"{base}{path}?{self._signed.query(path, now=self._clock.wall())}"
