"""The images of a web page: which URLs it names, in the order of the document. Pure; nothing is fetched here.

What counts as an image, each URL once:

- `img`: its `src`; the largest of its `srcset`; and where lazy pages have them: `data-src`, `data-lazy-src`,
  `data-original`, the largest of `data-srcset` and `data-lazy-srcset`; also in a `noscript`;
- `picture source`: the largest of its `srcset` (or of a lazy one);
- any element: the `url(…)` of `background` and `background-image` in its `style`;
- `meta` with the property (or name) `og:image` or `og:image:url`.

"Largest" is the widest (`w`), else the densest (`x`). A `src` that its own `srcset` lists as a smaller version is left
to the largest one. Inline `data:` images have no URL to fetch: they are skipped and do not count among the first ones,
and so is what is not http(s), or has an address that no entry may have.

References are read as browsers do it: whitespace dropped, `\\` as `/`, relative to the first `<base href>`, else to
where the page was found at the end of its redirects. What a script adds to the page is not seen.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from streamzip.urls.addresses import Exempt
from streamzip.urls.urls import check_url
from streamzip.webpages.references import resolved

if TYPE_CHECKING:
    from selectolax.lexbor import LexborNode

MAX_URL = 8192  # bytes, as for the URLs of a create

_LAZY = ("", "data-", "data-lazy-")
_LONGEST_REFERER = 4096  # the Referrer Policy standard's: what is longer becomes its origin
_OG_IMAGE = frozenset({"og:image", "og:image:url"})
_SPACE = "\t\n\f\r "
_ORIGIN = re.compile(r"(https?)://[^/?#@]+", re.IGNORECASE)
_CANDIDATE = re.compile(r"[\s,]*([^\s]+)([^,]*)(?:,|\Z)")
# A property's name, or a url(…), which has no bare parenthesis (CSS Syntax, "consume a url token").
_STYLE = re.compile(
    r"""url\(\s*+(?:"([^"]*+)"|'([^']*+)'|([^()"'\s]*+))\s*+\)|(?<![a-z-])([a-z-]++)\s*+:""", re.IGNORECASE
)
_BACKGROUNDS = frozenset({"background", "background-image"})
_DESCRIPTOR = re.compile(r"(\d+(?:\.\d+)?)([wx])", re.ASCII)


def referer(page: str, image: str) -> str | None:
    """Return what a browser would send as Referer with the image of a page: the page's URL to its own origin, the
    origin alone to others, nothing from https to http (Referrer Policy, "strict-origin-when-cross-origin").
    """
    origin = _ORIGIN.match(page)
    told = page.partition("#")[0]
    if origin is None or not told.isascii():
        return None
    is_own = origin[0].lower() == (_ORIGIN.match(image) or origin)[0].lower()
    if is_own and len(told) <= _LONGEST_REFERER:
        return told
    return None if origin[1].lower() == "https" and image[:6].lower() != "https:" else f"{origin[0]}/"


@dataclass(frozen=True, slots=True)
class Images:
    """`urls`: absolute, unique, in document order. `inline`: how many `data:` images were passed over until then."""

    urls: tuple[str, ...]
    inline: int


def find_images(text: str, url: str, *, most: int, allow: Exempt = frozenset()) -> Images:
    """Return the first `most` image URLs of the HTML `text`, found at `url`. `allow`: see `check_url`."""
    from selectolax.lexbor import LexborHTMLParser  # the process that reads pages needs it, and no other one

    document = LexborHTMLParser(text)
    named = document.css_first("base[href]")
    base = url if named is None else resolved(url, _attribute(named, "href")) or url
    found: dict[str, None] = {}
    inline = 0
    for node in document.css("img, picture > source, meta[content], [style]"):
        for reference in _references(node):
            if reference[:5].lower() == "data:":
                inline += 1
                continue
            image = resolved(base, reference)
            if image is not None and is_fetchable(image, allow):
                found[image] = None
                if len(found) == most:
                    return Images(tuple(found), inline)
    return Images(tuple(found), inline)


def _references(node: "LexborNode") -> Iterator[str]:
    if node.tag == "meta":
        named = {_attribute(node, key).strip(_SPACE).lower() for key in ("property", "name")}
        if named & _OG_IMAGE:
            yield from _filled(_attribute(node, "content"))
        return
    yield from _backgrounds(_attribute(node, "style"))
    if node.tag != "img" and (node.tag != "source" or node.parent is None or node.parent.tag != "picture"):
        return
    for prefix in _LAZY:
        candidates = list(_candidates(_attribute(node, f"{prefix}srcset")))
        largest = max(candidates, key=lambda candidate: candidate[1:])[0] if candidates else ""
        if node.tag == "img":
            plain = _attribute(node, f"{prefix}src").strip(_SPACE)
            if plain not in {candidate[0] for candidate in candidates}:
                yield from _filled(plain)
        yield from _filled(largest)
    yield from _filled(_attribute(node, "data-original"))


def _backgrounds(style: str) -> Iterator[str]:
    """Yield the references of the backgrounds that a `style` attribute names."""
    declared = ""
    for match in _STYLE.finditer(style):
        if match[4] is not None:
            declared = match[4].lower()
        elif declared in _BACKGROUNDS:
            yield from _filled(match[1] or match[2] or match[3] or "")


def _candidates(srcset: str) -> Iterator[tuple[str, float, float]]:
    """Yield the images of a `srcset`, each with its width and density (HTML, "parse a srcset attribute")."""
    position = 0
    while match := _CANDIDATE.match(srcset, position):
        reference, descriptors = match[1], match[2]
        if reference.endswith(","):  # then nothing describes it, and the next one has begun
            position = match.end(1)
            reference, descriptors = reference.rstrip(","), ""
        else:
            position = match.end()
        width, density = 0.0, 1.0
        for descriptor in descriptors.split():
            if measure := _DESCRIPTOR.fullmatch(descriptor):
                width, density = (float(measure[1]), density) if measure[2] == "w" else (width, float(measure[1]))
        if reference:
            yield reference, width, density


def _attribute(node: "LexborNode", name: str) -> str:
    return node.attributes.get(name) or ""


def _filled(reference: str) -> Iterator[str]:
    reference = reference.strip(_SPACE)
    if reference:
        yield reference


def is_fetchable(url: str, allow: Exempt) -> bool:
    """Return whether an entry may have this URL."""
    if len(url) > MAX_URL:
        return False
    try:
        check_url(url, allow)
    except ValueError:
        return False
    return True
