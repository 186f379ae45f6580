"""The names that origins give to files for which the client named none. Pure.

First what Content-Disposition says (RFC 6266), its last path segment alone (§4.3); else the name that the URL gave. A
name without an extension gets that of the file's type: `image` is `image.jpg`.
"""

import re
from typing import Final

from streamzip.manifest.dispositions import filename, parameters
from streamzip.manifest.names import clean_name

_EXTENSION = re.compile(r"[^.]\.[A-Za-z0-9]{1,10}\Z")
_NO_NAME: Final = clean_name("")
_OFFICE: Final = "application/vnd.openxmlformats-officedocument"
_OPEN: Final = "application/vnd.oasis.opendocument"
EXTENSIONS: Final = {
    **{f"image/{kind}": kind for kind in ("png", "gif", "webp", "avif", "bmp", "heic", "jxl")},
    "image/jpeg": "jpg",
    "image/jpg": "jpg",
    "image/tiff": "tif",
    "image/svg+xml": "svg",
    "image/x-icon": "ico",
    "video/mp4": "mp4",
    "video/webm": "webm",
    "video/quicktime": "mov",
    "video/x-matroska": "mkv",
    "video/mpeg": "mpg",
    "video/x-msvideo": "avi",
    "audio/mpeg": "mp3",
    "audio/mp4": "m4a",
    "audio/ogg": "ogg",
    "audio/wav": "wav",
    "audio/x-wav": "wav",
    "audio/flac": "flac",
    "audio/aac": "aac",
    "application/pdf": "pdf",
    "application/zip": "zip",
    "application/gzip": "gz",
    "application/x-tar": "tar",
    "application/x-7z-compressed": "7z",
    "application/vnd.rar": "rar",
    "application/epub+zip": "epub",
    "application/json": "json",
    "application/xml": "xml",
    "text/xml": "xml",
    "application/rtf": "rtf",
    "application/msword": "doc",
    "application/vnd.ms-excel": "xls",
    "application/vnd.ms-powerpoint": "ppt",
    f"{_OFFICE}.wordprocessingml.document": "docx",
    f"{_OFFICE}.spreadsheetml.sheet": "xlsx",
    f"{_OFFICE}.presentationml.presentation": "pptx",
    f"{_OPEN}.text": "odt",
    f"{_OPEN}.spreadsheet": "ods",
    "text/plain": "txt",
    "text/csv": "csv",
    "text/html": "html",
    "text/css": "css",
    "text/markdown": "md",
    "text/calendar": "ics",
    "text/javascript": "js",
    "application/javascript": "js",
    "font/woff2": "woff2",
}


def learned_name(name: str, disposition: str | None, content_type: str | None) -> str:
    """Return the clean name of the file that the URL calls `name`, as its origin's answer has it: the two fields'
    values as they came, read as Latin-1.
    """
    told = _disposed(disposition) or name
    if _EXTENSION.search(told):
        return told
    extension = EXTENSIONS.get((content_type or "").partition(";")[0].strip().lower())
    return told if extension is None else clean_name(f"{told}.{extension}")


def _disposed(disposition: str | None) -> str | None:
    if disposition is None or "filename" not in disposition.lower():
        return None
    field = _meant(disposition)
    told = filename(parameters(f";{field}" if field.lower().startswith("filename") else field))
    if not told:
        return None
    name = clean_name(re.split(r"[/\\]", told)[-1])
    return None if name == _NO_NAME else name


def _meant(field: str) -> str:
    """Return the field as UTF-8, where it is written so; the standard has ASCII alone, and many send what they have."""
    try:
        return field.encode("latin-1").decode()
    except UnicodeError:
        return field
