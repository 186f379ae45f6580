"""What the pages say, in each language: a key, and its text in English and German.

A text may hold `{name}` for a value; values are escaped by the templates, as everything is.
"""

LANGUAGES = ("en", "de")

TEXTS: dict[str, tuple[str, str]] = {
    # -- the frame
    "home": ("New zip", "Neues Zip"),
    "uploads": ("Uploads", "Hochgeladenes"),
    "interface": ("For programs", "Für Programme"),
    "log_out": ("Log out", "Abmelden"),
    "logged_in": ("You are logged in as {name}.", "Sie sind als {name} angemeldet."),
    # -- a new archive
    "new_title": ("Links in, one zip out", "Links hinein, ein Zip heraus"),
    "new_lead": (
        "Paste the links of your files. You get one download that can be paused and resumed; it works at once.",
        "Fügen Sie die Links Ihrer Dateien ein. Sie erhalten einen Download, der sich unterbrechen und fortsetzen "
        "lässt; er geht sofort.",
    ),
    "links": ("Links, one a line", "Links, einer je Zeile"),
    "links_hint": (
        "A name may follow behind a tab. CSV, JSON and aria2's lists are taken too.",
        "Nach einem Tabulator kann ein Name folgen. Auch CSV, JSON und Listen von aria2 gehen.",
    ),
    "drop_hint": ("Or drop a list here (.txt, .csv, .json).", "Oder legen Sie hier eine Liste ab (.txt, .csv, .json)."),
    "options": ("Name, missing files, expiry, compression", "Name, fehlende Dateien, Ablauf, Komprimierung"),
    "filename": ("The zip's name", "Name des Zips"),
    "on_error": ("Where a file cannot be had", "Wenn eine Datei nicht zu bekommen ist"),
    "on_error_skip": ("leave it out, and say so", "weglassen und das vermerken"),
    "on_error_fail": ("make no zip", "kein Zip erstellen"),
    "expires": ("Delete it", "Löschen"),
    "expires_never": ("never", "nie"),
    "expires_default": ("as this gateway does", "wie es dieser Dienst vorgibt"),
    "expires_day": ("after a day", "nach einem Tag"),
    "expires_week": ("after a week", "nach einer Woche"),
    "expires_month": ("after 30 days", "nach 30 Tagen"),
    "compression": ("Compression", "Komprimierung"),
    "compression_auto": ("where it gains", "wo es sich lohnt"),
    "compression_store": ("none: exact length at once", "keine: genaue Länge sofort"),
    "compression_deflate": ("all that shrinks", "alles, was schrumpft"),
    "make": ("Make the zip", "Zip erstellen"),
    "images_title": ("Images of a web page", "Bilder einer Webseite"),
    "images_lead": (
        "The first {count} images of a page, collected in the background.",
        "Die ersten {count} Bilder einer Seite, im Hintergrund gesammelt.",
    ),
    "page_url": ("The page's link", "Link der Seite"),
    "collect": ("Collect the images", "Bilder sammeln"),
    "recent": ("Your recent zips", "Ihre letzten Zips"),
    "recent_hint": ("Remembered by this browser alone.", "Nur in diesem Browser gemerkt."),
    "forget": ("Forget them", "Vergessen"),
    # counted by the script, from the page's data
    "count_links": ("{count} links", "{count} Links"),
    "count_link": ("1 link", "1 Link"),
    "count_twice": ("{count} twice", "{count} doppelt"),
    "count_bad": ("{count} not usable: line {lines}", "{count} unbrauchbar: Zeile {lines}"),
    # -- an archive
    "exact": ("{size} ({bytes} bytes)", "{size} ({bytes} Byte)"),
    "size_unknown": ("size not known yet", "Größe noch nicht bekannt"),
    "files": ("{count} files", "{count} Dateien"),
    "one_file": ("1 file", "1 Datei"),
    "resumable": ("can be paused and resumed", "lässt sich unterbrechen und fortsetzen"),
    "expires_at": ("Expires {when}", "Läuft ab {when}"),
    "download": ("Download", "Herunterladen"),
    "copy_link": ("Copy link", "Link kopieren"),
    "copied": ("Copied", "Kopiert"),
    "qr": ("QR code", "QR-Code"),
    "build": ("Build now", "Jetzt erstellen"),
    "state_pending": ("Ready to download; nothing was pulled yet", "Bereit; noch wurde nichts geholt"),
    "state_in-progress": ("Partly pulled", "Teilweise geholt"),
    "state_completed": ("Complete", "Fertig"),
    "state_failed": ("Failed", "Gescheitert"),
    "progress": (
        "{done} of {total}, {entries} of {total_entries} files",
        "{done} von {total}, {entries} von {total_entries} Dateien",
    ),
    "progress_open": ("{done}, {entries} of {total_entries} files", "{done}, {entries} von {total_entries} Dateien"),
    "left_out": ("Left out", "Weggelassen"),
    "more_left_out": ("and {count} more", "und {count} weitere"),
    "waiting_for": ("Waiting for {origin} until {until}", "Wartet bis {until} auf {origin}"),
    "copy_stopped": (
        "The disk takes no more of the copy; downloads go on without it.",
        "Auf der Platte ist kein Platz für die Kopie; Downloads gehen ohne sie weiter.",
    ),
    "file_list": ("Files", "Dateien"),
    "file_name": ("Name", "Name"),
    "file_state": ("State", "Stand"),
    "member_pending": ("waiting", "steht aus"),
    "member_completed": ("there", "da"),
    "member_skipped": ("left out", "weggelassen"),
    "member_failed": ("failed", "gescheitert"),
    "next_page": ("Next {count}", "Nächste {count}"),
    "previous_page": ("Previous {count}", "Vorige {count}"),
    "show_files": ("Show the files", "Dateien zeigen"),
    "terminal": ("In a terminal", "Im Terminal"),
    "terminal_hint": ("Each of them goes on where it ended.", "Jeder davon macht weiter, wo er aufgehört hat."),
    "delete": ("Delete", "Löschen"),
    "delete_sure": ("Yes, delete it for everybody", "Ja, für alle löschen"),
    "delete_hint": (
        "Its link stops working at once, and downloads under way are cut.",
        "Der Link geht sofort nicht mehr, laufende Downloads brechen ab.",
    ),
    "deleted_title": ("Deleted", "Gelöscht"),
    "deleted_lead": ("The zip and its link are gone.", "Das Zip und sein Link sind weg."),
    "try_again": ("Try again", "Noch einmal versuchen"),
    # -- a problem
    "back": ("Back", "Zurück"),
    "make_new": ("Make a new zip", "Neues Zip erstellen"),
    "details": ("In the gateway's own words", "In den Worten des Dienstes"),
    "problem_forbidden": ("This link is not valid (any more)", "Dieser Link gilt nicht (mehr)"),
    "do_forbidden": (
        "Ask for a new link where you got this one.",
        "Bitten Sie dort, woher der Link kam, um einen neuen.",
    ),
    "problem_not_found": ("There is nothing here", "Hier ist nichts"),
    "do_not_found": (
        "The zip is unknown, has expired, or was deleted. Look whether all of the link was copied.",
        "Das Zip ist unbekannt, abgelaufen oder gelöscht. Prüfen Sie, ob der ganze Link kopiert wurde.",
    ),
    "problem_origin_changed": ("A file has changed since", "Eine Datei hat sich geändert"),
    "do_origin_changed": (
        "This zip was a snapshot and cannot be finished. Make it again for the files as they are now.",
        "Dieses Zip war eine Momentaufnahme und kann nicht fertig werden. Erstellen Sie es neu.",
    ),
    "problem_unavailable": ("Not right now", "Gerade nicht"),
    "do_unavailable": ("This page tries again by itself.", "Diese Seite versucht es von selbst noch einmal."),
    "problem_origins": ("The files cannot be had", "Die Dateien sind nicht zu bekommen"),
    "do_origins": (
        "The servers that have them do not give them out. A later download tries again.",
        "Die Server, auf denen sie liegen, geben sie nicht heraus. Ein späterer Download versucht es wieder.",
    ),
    "problem_no_room": ("There is no room left", "Es ist kein Platz mehr"),
    "do_no_room": ("Tell whoever runs this gateway.", "Sagen Sie es denen, die diesen Dienst betreiben."),
    "problem_other": ("That did not work", "Das ging nicht"),
    "do_other": ("Go back, mend it, and try again.", "Gehen Sie zurück, ändern Sie es und versuchen Sie es wieder."),
    "preparing_title": ("Your download is being prepared", "Ihr Download wird vorbereitet"),
    "preparing_lead": ("It starts by itself.", "Er beginnt von selbst."),
    "collecting_title": ("The page's images are being collected", "Die Bilder der Seite werden gesammelt"),
    # -- uploads
    "uploads_title": ("Uploaded files", "Hochgeladene Dateien"),
    "upload_label": ("A file of at most {most}: {types}", "Eine Datei von höchstens {most}: {types}"),
    "upload": ("Upload", "Hochladen"),
    "upload_none": ("There are no files yet.", "Noch gibt es keine Dateien."),
    "upload_file": ("File", "Datei"),
    "upload_bytes": ("Bytes", "Bytes"),
    "upload_when": ("Uploaded", "Hochgeladen"),
    "upload_refused": ("The file was not uploaded", "Die Datei wurde nicht hochgeladen"),
    "upload_broken": ("it broke off; try again", "abgebrochen; versuchen Sie es noch einmal"),
    "upload_drop": (
        "Several at once can be chosen, or dropped here.",
        "Sie können mehrere auf einmal wählen oder hier ablegen.",
    ),
    "upload_delete": ("Delete {name}", "{name} löschen"),
    "upload_delete_sure": ("Yes, delete it", "Ja, löschen"),
    "upload_not_deleted": ("The file was not deleted", "Die Datei wurde nicht gelöscht"),
    "upload_back": ("Back to the files", "Zurück zu den Dateien"),
    "zip_these": ("Zip the chosen files", "Ausgewählte Dateien zippen"),
    # -- logging in
    "login_title": ("Log in", "Anmelden"),
    "login_key": ("Your API key", "Ihr API-Schlüssel"),
    "login": ("Log in", "Anmelden"),
    "login_hint": (
        "You are asked once in twelve hours; whoever runs this gateway gives out the keys.",
        "Sie werden alle zwölf Stunden gefragt; Schlüssel gibt aus, wer diesen Dienst betreibt.",
    ),
    "login_refused": (
        "This API key is not known here. Look for a letter too many or too few.",
        "Diesen API-Schlüssel kennt der Dienst nicht. Fehlt ein Zeichen, oder ist eines zu viel?",
    ),
}


def text(key: str, language: str, **values: object) -> str:
    """Return the text of a key. Raises KeyError for a key that there is none for."""
    template = TEXTS[key][LANGUAGES.index(language)]
    return template.format(**values) if values else template


def language(accepted: str) -> str:
    """Return the language of ours that an Accept-Language field likes best (RFC 9110 §12.5.4); else English."""
    best, weight = LANGUAGES[0], 0.0
    for number, wish in enumerate(accepted.split(",")[:20]):
        tag, *parameters = wish.split(";")
        quality = 1.0
        for parameter in parameters[:4]:
            name, _, value = parameter.strip().partition("=")
            if name == "q":
                quality = _quality(value)
        known = tag.strip().lower().partition("-")[0]
        # An earlier wish wins over a later one of the same weight.
        if known in LANGUAGES and quality - number / 1000 > weight:
            best, weight = known, quality - number / 1000
    return best


def _quality(value: str) -> float:
    try:
        return min(1.0, max(0.0, float(value[:5])))
    except ValueError:
        return 0.0
