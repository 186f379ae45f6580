"""What the pages say, in each language: a key, and its text in English and German.

A text may hold `{name}` for a value; values are escaped by the templates, as everything is.
"""

LANGUAGES = ("en", "de")

TEXTS: dict[str, tuple[str, str]] = {
    # -- the frame
    "home": ("New zip", "Neues Zip"),
    "uploads": ("Uploads", "Uploads"),
    "interface": ("API", "API"),
    "log_out": ("Log out", "Abmelden"),
    "logged_in": ("You are logged in as {name}.", "Sie sind als {name} angemeldet."),
    # -- a new archive
    "new_title": ("Links in, one zip out", "Links hinein, ein Zip heraus"),
    "new_lead": (
        "Paste the links of your files. You get one download that can be paused and resumed; it is ready at once.",
        "Fügen Sie die Links Ihrer Dateien ein. Sie erhalten einen Download, der sich unterbrechen und fortsetzen "
        "lässt; er steht sofort bereit.",
    ),
    "links": ("Links, one a line", "Links, einer je Zeile"),
    "links_hint": (
        "A name may follow after a tab. Lists in CSV, JSON or aria2's form work too.",
        "Nach einem Tabulator kann ein Name folgen. Auch CSV, JSON und aria2-Listen werden verstanden.",
    ),
    "drop_hint": (
        "Or drop a list here (.txt, .csv, .json).",
        "Oder ziehen Sie eine Liste hierher (.txt, .csv, .json).",
    ),
    "options": ("Name, missing files, expiry, compression", "Name, fehlende Dateien, Ablauf, Komprimierung"),
    "filename": ("The zip's name", "Name des Zips"),
    "on_error": ("If a file is missing", "Wenn eine Datei fehlt"),
    "on_error_skip": ("leave it out, and say so", "weglassen und vermerken"),
    "on_error_fail": ("make no zip", "kein Zip erstellen"),
    "expires": ("Delete the zip", "Zip löschen"),
    "expires_never": ("never", "nie"),
    "expires_default": ("as set by this gateway", "wie hier voreingestellt"),
    "expires_day": ("after a day", "nach einem Tag"),
    "expires_week": ("after a week", "nach einer Woche"),
    "expires_month": ("after 30 days", "nach 30 Tagen"),
    "compression": ("Compression", "Komprimierung"),
    "compression_auto": ("where it pays", "wo es sich lohnt"),
    "compression_store": ("none: the exact size shows at once", "keine: die genaue Größe steht sofort fest"),
    "compression_deflate": ("everything that gets smaller", "alles, was dadurch kleiner wird"),
    "make": ("Make the zip", "Zip erstellen"),
    "images_title": ("Images of a web page", "Bilder einer Webseite"),
    "images_lead": (
        "Collects the first {count} images of a page in the background.",
        "Sammelt im Hintergrund die ersten {count} Bilder einer Seite.",
    ),
    "page_url": ("Link to the page", "Link zur Seite"),
    "collect": ("Collect the images", "Bilder sammeln"),
    "recent": ("Your recent zips", "Ihre letzten Zips"),
    "recent_hint": ("Only this browser remembers them.", "Nur dieser Browser merkt sie sich."),
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
    "expires_days": ("Expires in {left} days ({when})", "Läuft in {left} Tagen ab ({when})"),
    "expires_hours": ("Expires in {left} hours ({when})", "Läuft in {left} Stunden ab ({when})"),
    "expires_soon": ("Expires in less than two hours ({when})", "Läuft in weniger als zwei Stunden ab ({when})"),
    "download": ("Download", "Herunterladen"),
    "copy_link": ("Copy link", "Link kopieren"),
    "copied": ("Copied", "Kopiert"),
    "qr": ("QR code", "QR-Code"),
    "build": ("Build now", "Jetzt erstellen"),
    "state_pending": (
        "Ready to download; nothing has been fetched yet",
        "Bereit zum Herunterladen; noch wurde nichts abgerufen",
    ),
    "state_in-progress": (
        "Partly fetched; a download goes on from here",
        "Teilweise da; ein Download macht hier weiter",
    ),
    "state_running": ("Fetching the files", "Die Dateien werden abgerufen"),
    "seconds_left": ("{count} s left", "noch {count} s"),
    "minutes_left": ("{count} min left", "noch {count} min"),
    "hours_left": ("{count} h left", "noch {count} h"),
    "state_completed": ("Complete", "Fertig"),
    "state_failed": ("Failed", "Fehlgeschlagen"),
    "progress": (
        "{done} of {total}, {entries} of {total_entries} files",
        "{done} von {total}, {entries} von {total_entries} Dateien",
    ),
    "progress_open": ("{done}, {entries} of {total_entries} files", "{done}, {entries} von {total_entries} Dateien"),
    "again": ("Make it again", "Neu erstellen"),
    "again_hint": (
        "A new zip of the same links, as they are now.",
        "Ein neues Zip derselben Links, wie sie jetzt sind.",
    ),
    "left_out": ("Left out", "Ausgelassen"),
    "more_left_out": ("and {count} more", "und {count} weitere"),
    "waiting_for": ("Waiting for {origin} until {until}", "Wartet bis {until} auf {origin}"),
    "copy_stopped": (
        "There is no room for a copy on the disk; downloads work without it.",
        "Auf dem Datenträger ist kein Platz für eine Kopie; Downloads gehen auch ohne.",
    ),
    "file_list": ("Files", "Dateien"),
    "file_name": ("Name", "Name"),
    "file_size": ("Size", "Größe"),
    "file_state": ("State", "Status"),
    "member_pending": ("not fetched yet", "noch nicht abgerufen"),
    "member_completed": ("ready", "bereit"),
    "member_skipped": ("left out", "ausgelassen"),
    "member_failed": ("failed", "fehlgeschlagen"),
    "next_page": ("Next {count}", "Nächste {count}"),
    "previous_page": ("Previous {count}", "Vorige {count}"),
    "show_files": ("Show the files", "Dateien anzeigen"),
    "terminal": ("In a terminal", "Im Terminal"),
    "terminal_hint": (
        "Run any of these again, and it goes on where it stopped.",
        "Noch einmal ausgeführt, macht jeder dieser Befehle dort weiter, wo er aufgehört hat.",
    ),
    "delete": ("Delete", "Löschen"),
    "delete_sure": ("Yes, delete it for everybody", "Ja, für alle löschen"),
    "delete_hint": (
        "Its link stops working at once, and running downloads are cut off.",
        "Der Link funktioniert sofort nicht mehr, und laufende Downloads brechen ab.",
    ),
    "deleted_title": ("Deleted", "Gelöscht"),
    "deleted_lead": ("The zip and its link are gone.", "Das Zip und sein Link sind gelöscht."),
    "try_again": ("Try again", "Noch einmal versuchen"),
    # -- a problem
    "back": ("Back", "Zurück"),
    "make_new": ("Make a new zip", "Neues Zip erstellen"),
    "details": ("Details", "Einzelheiten"),
    "problem_forbidden": ("This link is not valid, or has expired", "Dieser Link ist ungültig oder abgelaufen"),
    "do_forbidden": (
        "Ask whoever sent you this link for a new one.",
        "Bitten Sie um einen neuen Link, wo Sie diesen bekommen haben.",
    ),
    "problem_not_found": ("There is nothing here", "Hier ist nichts"),
    "do_not_found": (
        "The zip is unknown, has expired, or was deleted. Check that you copied the whole link.",
        "Das Zip ist unbekannt, abgelaufen oder gelöscht. Prüfen Sie, ob der ganze Link kopiert wurde.",
    ),
    "problem_origin_changed": ("A file has changed since", "Eine Datei hat sich inzwischen geändert"),
    "do_origin_changed": (
        "This zip is a snapshot of the old files and cannot be finished. Make it again with the files as they are now.",
        "Dieses Zip ist eine Momentaufnahme der alten Dateien und wird nicht mehr fertig. Erstellen Sie es neu.",
    ),
    "problem_unavailable": ("Not available right now", "Gerade nicht verfügbar"),
    "do_unavailable": ("This page tries again by itself.", "Diese Seite versucht es gleich von selbst noch einmal."),
    "problem_origins": ("The files could not be fetched", "Die Dateien ließen sich nicht abrufen"),
    "do_origins": (
        "The servers that hold them did not deliver them. Each new download tries again.",
        "Die Server, auf denen sie liegen, haben sie nicht geliefert. Jeder neue Download versucht es noch einmal.",
    ),
    "problem_no_room": ("There is no room left", "Kein Platz mehr"),
    "do_no_room": ("Please tell whoever runs this gateway.", "Bitte sagen Sie dem Betreiber dieses Dienstes Bescheid."),
    "problem_other": ("That did not work", "Das hat nicht geklappt"),
    "do_other": (
        "Go back, correct it, and try again.",
        "Gehen Sie zurück, korrigieren Sie es und versuchen Sie es noch einmal.",
    ),
    "preparing_title": ("Your download is being prepared", "Ihr Download wird vorbereitet"),
    "preparing_lead": ("The download starts by itself.", "Der Download beginnt von selbst."),
    "download_begun": ("The download has started.", "Der Download hat begonnen."),
    "collecting_title": ("The page's images are being collected", "Die Bilder der Seite werden gesammelt"),
    # -- uploads
    "uploads_title": ("Uploaded files", "Hochgeladene Dateien"),
    "upload_label": ("Files of at most {most} each: {types}", "Dateien bis je {most}: {types}"),
    "upload": ("Upload", "Hochladen"),
    "upload_none": ("There are no files yet.", "Es gibt noch keine Dateien."),
    "upload_file": ("File", "Datei"),
    "upload_when": ("Uploaded", "Hochgeladen"),
    "upload_refused": ("The file was not uploaded", "Die Datei wurde nicht hochgeladen"),
    "upload_broken": ("the upload broke off; try again", "Das Hochladen brach ab; versuchen Sie es noch einmal"),
    "upload_drop": (
        "You can choose several at once, or drop them here.",
        "Sie können mehrere auf einmal auswählen oder hierher ziehen.",
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
        "You stay logged in for twelve hours. Whoever runs this gateway gives out the keys.",
        "Sie bleiben zwölf Stunden angemeldet. Schlüssel bekommen Sie vom Betreiber dieses Dienstes.",
    ),
    "login_refused": (
        "This API key is not known here. Check that you copied all of it.",
        "Dieser API-Schlüssel ist hier unbekannt. Prüfen Sie, ob er vollständig kopiert wurde.",
    ),
}


def text(key: str, language: str, **values: object) -> str:
    """Return the text of a key. Raises KeyError for a key that there is none for."""
    template = TEXTS[key][LANGUAGES.index(language)]
    return template.format(**values) if values else template


def written(number: str, language: str) -> str:
    """Return a number, written as in English, as the language writes it: `8.000,7` in German."""
    return number if language == "en" else number.translate({ord("."): ",", ord(","): "."})


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
