"""The body of a create, as the OpenAPI document describes it.

parse.py reads the requests themselves: a million entries as models would take gigabytes, and pydantic's messages speak
of Python's types. A test holds the two to the same keys and the same judgement.
"""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, RootModel, model_validator

from streamzip.manifest.model import Compression, Format, OnError, OnHtml

_Url = Annotated[
    str,
    Field(
        description="An absolute http:// or https:// URL of a public file, without user name or password.",
        examples=["https://example.com/photos/a.png"],
        min_length=1,
    ),
]


_OF_FILES = ("id", "size", "crc32", "headers", "probe", "decode")


class EntryBody(BaseModel):
    """One file to pack, or an empty folder: a `name` that ends in a slash, perhaps a time, and no more."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        json_schema_extra={
            "anyOf": [
                {"required": ["url"]},
                {"required": ["name"], "properties": {"name": {"pattern": "/$"}, **dict.fromkeys(_OF_FILES, False)}},
            ]
        },
    )

    url: _Url | None = Field(
        None,
        description="The file's URL, `upload:NAME`, or `s3://bucket/key`, `gs://bucket/key` or `az://container/key` "
        "of a bucket that the operator listed; an empty folder has none.",
    )
    id: str | None = Field(
        None,
        description="Stands for the URL in the archive's hash, for URLs that are signed anew each time: the same ids "
        "give the same archive. It has to change when the file changes.",
        examples=["photo-17@3"],
        min_length=1,
        max_length=1024,
    )
    name: str | None = Field(
        None,
        description="The file's path in the archive. Made safe and unique where it is not; the answer lists what "
        "was renamed. Default: what the origin calls it (Content-Disposition), else the last path segment of the "
        "URL, with an extension for its type where it has none.",
        examples=["holiday/a.png"],
    )
    size: int | None = Field(
        None,
        description="The file's size in bytes, where it is known. It saves a question to the origin, and is verified.",
        examples=[5242880],
        ge=0,
        le=2**53 - 1,
    )
    crc32: str | None = Field(
        None,
        description="The file's CRC-32 as 8 hex digits, where it is known. It is verified.",
        examples=["0a1b2c3d"],
        pattern="^[0-9A-Fa-f]{8}$",
    )
    mtime: str | None = Field(
        None,
        description="The file's time in the archive, RFC 3339 with its zone. Default: the origin's Last-Modified.",
        examples=["2026-05-01T10:00:00Z"],
        json_schema_extra={"format": "date-time"},
    )
    headers: dict[str, str] | None = Field(
        None,
        description="Header fields for the file's own origin, such as Authorization. They follow no redirect to "
        "another origin, are kept encrypted, and appear in no log, status or error.",
        examples=[{"Authorization": "Bearer …"}],
    )
    probe: bool | None = Field(
        None,
        description="false: the file is not asked for before it is pulled, for links that are good for one request. "
        "Default: true.",
    )
    decode: bool | None = Field(
        None,
        description="true: where the origin compresses the file although it was asked not to (gzip, deflate, br, "
        "zstd), the decoded bytes are packed. Default: false, such an entry cannot be had.",
    )
    on_html: OnHtml | None = Field(
        None,
        description="What becomes of it where a web page comes in its place: see the archive's. Default: as there.",
    )

    @model_validator(mode="after")
    def _is_file_or_folder(self) -> "EntryBody":
        given = self.model_dump(exclude_none=True)
        if self.url is None and not (given.keys() <= {"name", "mtime"} and given.get("name", "").endswith("/")):
            raise ValueError("neither a file's `url` nor an empty folder's `name/`")
        return self


class CreateBody(BaseModel):
    """What to pack: either `urls` or `entries`."""

    model_config = ConfigDict(
        extra="forbid", strict=True, json_schema_extra={"oneOf": [{"required": ["urls"]}, {"required": ["entries"]}]}
    )

    urls: list[_Url] | None = Field(None, description="The plain form: the files' URLs.", min_length=1)
    entries: list[EntryBody] | None = Field(None, description="The full form: the files with options.", min_length=1)
    filename: str | None = Field(
        None,
        description="The archive's own file name, for the download. Default: archive.zip.",
        examples=["holiday.zip"],
    )
    compression: Compression | None = Field(
        None,
        description="`store`: no compression, so the length is known at once and any range can be had; `deflate`: "
        "compress; `auto` (default): compress the types that gain by it.",
    )
    on_error: OnError | None = Field(
        None,
        description="`skip` (default): an entry that cannot be had is left out, and named in the status and in "
        "archive-report.json at the end of the archive; `fail`: the archive fails.",
    )
    on_html: OnHtml | None = Field(
        None,
        description="A web page comes where an entry's name says PDF, image, archive …, as of login walls: `keep` "
        "(default) packs it, and says so in `warnings`; `skip` leaves it out; `fail`: the archive fails.",
    )
    format: Format | None = Field(
        None,
        description="`zip` (default), or `tar`: without compression, and with those files alone whose size is given or "
        "told by their origins.",
    )
    prefetch: bool | None = Field(
        None, description="Build the archive in the background now. Default: as the gateway is configured."
    )
    refresh: bool | None = Field(
        None,
        description="Take a new snapshot, with a hash of its own, even where the one that is there can still be had.",
    )
    webhook: _Url | None = Field(
        None,
        description="Where to POST that the archive is completed, or failed for good (Standard Webhooks). "
        "A repeated create adds another one; at most 16.",
        examples=["https://example.com/hooks/zips"],
    )
    expires_in: int | None = Field(
        None,
        description="Seconds from now until the archive is deleted; a repeated create takes the later time. "
        "Default: as the gateway is configured.",
        examples=[86400],
        ge=1,
        le=100 * 366 * 86400,
    )


class NamedFile(BaseModel):
    """One file under its name: the key–value form."""

    model_config = ConfigDict(extra="forbid", strict=True)

    filename: str = Field(
        description="The file's path in the archive; made safe and unique where it is not.",
        examples=["code.png"],
        min_length=1,
    )
    url: _Url


class KeyValueBody(RootModel[NamedFile | Annotated[list[NamedFile], Field(min_length=1)]]):
    """One named file, or a list of them."""


class PageBody(BaseModel):
    """The web page whose images are wanted."""

    model_config = ConfigDict(extra="forbid", strict=True)

    url: _Url
