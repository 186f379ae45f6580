"""streamzip: a list of public URLs in, one resumable ZIP64 download out. Read gateway.py first, app.py second."""
