"""Flask, and WSGI as such: an archive made as it is sent.

pip install streamzip flask
FILES="https://example.com/a.png https://example.com/b.mov" flask --app examples.flask_app run
"""

import os
from pathlib import Path

from flask import Flask, Response, request

from streamzip import Item, Origins, Zip

FILES = os.environ["FILES"].split()
ALLOWED = os.environ.get("ALLOW_HOSTS", "").split()

app = Flask(__name__)
origins = Origins(allow_hosts=ALLOWED)


@app.get("/album.zip")
def album() -> Response:
    """Send the files, with a note of this program beside them; the server closes the answer, and that the Zip."""
    entries: list[Item] = [*FILES, ("note.txt", b"made as it was sent"), Path(__file__)]
    answer = Zip(entries, filename="album.zip", origins=origins).answer_blocking(request.method, request.headers)
    return Response(answer.body, answer.status, answer.headers)
