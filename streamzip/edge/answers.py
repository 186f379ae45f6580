"""The documents of problems and of health: as they are made, and as the OpenAPI document describes them."""

from typing import Annotated, Literal, NotRequired

from pydantic import Field
from typing_extensions import TypedDict


class Health(TypedDict):
    """That it answers."""

    status: Literal["ok", "ready"]
    version: NotRequired[Annotated[str, Field(description="Of the release that runs.", examples=["0.1.0"])]]


class FieldFault(TypedDict):
    """A wrong field."""

    pointer: Annotated[str, Field(description="JSON Pointer (RFC 6901).", examples=["/urls/0"])]
    detail: str


class ProblemDocument(TypedDict):
    """Why a request was not answered as asked (RFC 9457)."""

    type: Literal["about:blank"]
    title: str
    status: int
    detail: Annotated[str, Field(description="For people; it may change.")]
    code: Annotated[str, Field(description="Stable; branch on it.", examples=["not_found"])]
    errors: NotRequired[
        Annotated[list[FieldFault], Field(description="Only with `invalid_request`: the wrong fields.")]
    ]
    request_id: NotRequired[
        Annotated[str, Field(description="The answer's `X-Request-Id`: the operator's log has it.")]
    ]
