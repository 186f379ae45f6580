"""streamzip within another program: a zip of URLs, files and bytes as it is read, and the gateway as an ASGI app.

What `streamzip/__init__.py` names keeps its meaning under semantic versioning.
"""
