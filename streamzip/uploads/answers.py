"""The documents about uploads: as they are made, and as the OpenAPI document describes them."""

from typing import Annotated

from pydantic import Field
from typing_extensions import TypedDict


class UploadedFile(TypedDict):
    """A file, and where it is to be had."""

    filename: str
    url: str


class Uploaded(UploadedFile):
    """What an upload answers."""

    size: Annotated[int, Field(description="In bytes.")]
    sha256: Annotated[str, Field(description="Of its content; its ETag too.", pattern="^[0-9a-f]{64}$")]
