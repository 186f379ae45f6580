"""The documents about downloads of web pages' images: as they are made, and as the OpenAPI document describes them."""

from typing import Annotated, Literal, NotRequired

from pydantic import Field
from typing_extensions import TypedDict


class DownloadAccepted(TypedDict):
    """The download under which a web page's images will be."""

    download_id: Annotated[str, Field(json_schema_extra={"format": "uuid"})]


class DownloadPending(DownloadAccepted):
    """Not yet: ask again after `Retry-After` seconds."""

    status: Literal["pending", "in-progress"]
    reason: NotRequired[
        Annotated[str, Field(description="Why the page waits to be read, where it does.", examples=["no_slot"])]
    ]
