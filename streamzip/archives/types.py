"""Judge files by names and types: which are worth compressing, and where a web page came in place of one."""

from posixpath import splitext


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_EXTENSIONS = _words("""
    asp bat bmp c cc cfg conf cpp cs css csv dicom doc eml eps geojson go gpx h hpp htm html ics ini ipynb
    java js json jsonl jsx kml less log lua md mjs ndjson obj odp php pl ply po ppt ps py rb rs rst rtf scss sh
    sql srt stl svg tcl tex text toml ts tsv tsx txt vtt vue wasm wav wkt xls xml xsd xsl yaml yml
""")
_COMPRESSED = _words("""
    7z aac apk avif bin br bz2 dat deb dmg docx epub flac gif gz heic heif img iso jar jpeg jpg lz4 lzma m4a m4v mkv mov
    mp3 mp4 mpeg mpg odt ods ogg opus parquet pdf png pptx rar rpm tgz webm webp whl woff woff2 wmv xlsx xz zip zst
""")
_NO_PAGES = _COMPRESSED | _words("bmp csv doc ico json odp ppt rtf svg tif tiff txt vcf wav xls xml")
_PAGES = frozenset({"text/html", "application/xhtml+xml"})
_TYPES = ("text/", "image/svg", "image/bmp", "audio/wav", "audio/x-wav")
_APPLICATION = _words("json javascript xml sql x-sh x-ndjson wasm rtf yaml toml x-yaml geo+json ld+json")


def is_page_in_its_place(name: str, content_type: str | None) -> bool:
    """Return whether an origin gives a web page where the name says another kind of file: PDF, image, archive …"""
    kind = (content_type or "").partition(";")[0].strip().lower()
    return kind in _PAGES and splitext(name)[1][1:].lower() in _NO_PAGES


def compresses(name: str, content_type: str | None) -> bool:
    """Return whether a file of this name and type is likely to shrink by more than a few per cent."""
    extension = splitext(name)[1][1:].lower()
    if extension in _EXTENSIONS:
        return True
    if extension in _COMPRESSED or content_type is None:
        return False
    kind = content_type.partition(";")[0].strip().lower()
    group, _, subtype = kind.partition("/")
    if group == "application":
        return subtype in _APPLICATION or subtype.endswith(("+json", "+xml"))
    return kind.startswith(_TYPES)
