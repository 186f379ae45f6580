"""The table's rows about the service itself: its health, its description, and what is for admin keys alone."""

from streamzip.api import answers
from streamzip.api.admin import Admin
from streamzip.api.contract import AFTER, CSS, HASH, HTML, JSON, LIMIT, OWNER, STORE, TEXT, WORK, Answer, Operation, Tag
from streamzip.api.described import Described
from streamzip.api.health import Health
from streamzip.guards.access import Access

SERVICE: tuple[Operation, ...] = (
    Operation(
        *("GET", "/healthz", "healthz", Tag.HEALTH),
        "That the process answers.",
        Health.healthz,
        Access.OPEN,
        answers={200: Answer("It does.", answers.Health)},
    ),
    Operation(
        *("GET", "/readyz", "readyz", Tag.HEALTH),
        "That the store and the disk answer too.",
        Health.readyz,
        Access.OPEN,
        answers={200: Answer("They do.", answers.Health)},
        problems=STORE,
    ),
    Operation(
        *("GET", "/health_check", "healthCheck", Tag.HEALTH),
        "The plain form.",
        Health.health_check,
        Access.OPEN,
        answers={200: Answer("`OK`.", media=TEXT)},
    ),
    Operation(
        *("GET", "/openapi.json", "openapi", Tag.ITSELF),
        "This document.",
        Described.openapi,
        Access.OPEN,
        answers={200: Answer("OpenAPI 3.1.", media=JSON)},
    ),
    Operation(
        *("GET", "/docs", "docs", Tag.ITSELF),
        "The same as a page for people.",
        Described.docs,
        Access.OPEN,
        answers={200: Answer("HTML.", media=HTML)},
    ),
    Operation(
        *("GET", "/docs/", "docsWithSlash", Tag.ITSELF),
        "The same page, under its own path.",
        Described.with_slash,
        Access.OPEN,
        answers={307: Answer("To the same without a slash.", headers=("Location",))},
    ),
    Operation(
        *("GET", "/docs/style.css", "docsStyle", Tag.ITSELF),
        "How the page looks.",
        Described.style,
        Access.OPEN,
        answers={200: Answer("CSS.", media=CSS)},
    ),
    Operation(
        *("GET", "/api/admin/archives", "adminListArchives", Tag.ADMIN),
        "The archives of all owners, the newest first.",
        Admin.list_all,
        Access.ADMIN,
        answers={200: Answer("A page of them.", answers.AdminPage)},
        problems=(422, *STORE),
        parameters=(LIMIT, AFTER, OWNER),
    ),
    Operation(
        *("GET", "/api/admin/archives/{hash}", "adminShowArchive", Tag.ADMIN),
        "An archive's status, and what only an operator is told.",
        Admin.show,
        Access.ADMIN,
        answers={200: Answer("The status.", answers.AdminStatus)},
        problems=(404, *STORE),
        parameters=(HASH,),
    ),
    Operation(
        *("DELETE", "/api/admin/archives/{hash}", "adminDeleteArchive", Tag.ADMIN),
        "Remove the archive, its copy and its list; its downloads are cut.",
        Admin.remove,
        Access.ADMIN,
        answers={204: Answer("It is gone.")},
        problems=(404, *STORE),
        parameters=(HASH,),
    ),
    Operation(
        *("DELETE", "/api/admin/copies/{hash}", "adminEvictCopy", Tag.ADMIN),
        "Remove the archive's copy alone; it is pulled again when it is wanted.",
        Admin.evict,
        Access.ADMIN,
        answers={204: Answer("It is gone, or there was none.")},
        problems=(404, 409, *STORE),
        parameters=(HASH,),
    ),
    Operation(
        *("GET", "/api/admin/pulled", "adminListPulled", Tag.ADMIN),
        "The archives that files are pulled for at this moment.",
        Admin.pulled,
        Access.ADMIN,
        answers={200: Answer("All of them.", answers.AdminPulled)},
        problems=STORE,
    ),
    Operation(
        *("GET", "/api/admin/queue", "adminListQueue", Tag.ADMIN),
        "Work that is queued or was given up, and why it waits or failed.",
        Admin.queue,
        Access.ADMIN,
        answers={200: Answer("What is due first.", answers.AdminQueue)},
        problems=(422, *STORE),
        parameters=(LIMIT,),
    ),
    Operation(
        *("POST", "/api/admin/queue/{work}", "adminRetry", Tag.ADMIN),
        "Have an archive's prefetch and deliveries, or a page's download, tried now, as if they had never failed.",
        Admin.retry,
        Access.ADMIN,
        most=0,
        answers={200: Answer("They are.", answers.AdminRetried)},
        problems=(404, *STORE),
        parameters=(WORK,),
    ),
)
