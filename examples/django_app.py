"""Django on ASGI: an archive made as it is sent; a whole site in one file.

pip install streamzip django uvicorn
FILES="https://example.com/a.png https://example.com/b.mov" uvicorn examples.django_app:app
"""

import os
from pathlib import Path

from django.conf import settings
from django.core.asgi import get_asgi_application
from django.http import HttpRequest, StreamingHttpResponse
from django.urls import path

from streamzip import Item, Origins, Zip

FILES = os.environ["FILES"].split()
ALLOWED = os.environ.get("ALLOW_HOSTS", "").split()

settings.configure(ROOT_URLCONF=__name__, SECRET_KEY="example", ALLOWED_HOSTS=["*"])
origins = Origins(allow_hosts=ALLOWED)


async def album(request: HttpRequest) -> StreamingHttpResponse:
    """Send the files, with a note of this program beside them; the answer closes the Zip at its end."""
    entries: list[Item] = [*FILES, ("note.txt", b"made as it was sent"), Path(__file__)]
    answer = await Zip(entries, filename="album.zip", origins=origins).answer(request.method, request.headers)
    return StreamingHttpResponse(answer.body, status=answer.status, headers=answer.headers)


urlpatterns = [path("album.zip", album)]
app = get_asgi_application()
