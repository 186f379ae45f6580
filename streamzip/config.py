"""Every setting, declared once: type, default, help. Each is `STREAMZIP_<NAME>` and a flag of `serve` (flag >
environment > file > default; settings_sources.py), and its text is read by settings_values.py; cli/ makes the flags
from this model, and a test holds docs/configuration.md to it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    ByteSize,
    DirectoryPath,
    Field,
    FilePath,
    PrivateAttr,
    SecretStr,
    model_validator,
)
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from streamzip.settings_sources import (
    FILE_SUFFIX,
    SecretFiles,
    SettingsFile,
    ZipstreamerVariables,
    secret_names,
)
from streamzip.settings_values import (
    Address,
    Buckets,
    Compat,
    Extensions,
    ListPrefix,
    LogFormat,
    LogLevel,
    Names,
    Network,
    Networks,
    Origins,
    OwnSite,
    ProxyUrl,
    PublicUrl,
    Seconds,
    SharedUrl,
    Sites,
    StoreUrl,
    WebhookUrl,
)
from streamzip.setup_error import SetupError as SetupError

ENV_PREFIX = "STREAMZIP_"
CLIENT_VARIABLES = frozenset({"STREAMZIP_SERVER", "STREAMZIP_KEY"})  # of the commands that ask a running gateway

_GIB = 1024**3
_MIB = 1024**2


class Settings(BaseSettings):
    """What the operator chose. Raises pydantic's ValidationError, which names each wrong setting."""

    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX,
        env_ignore_empty=True,  # compose files pass `${VAR:-}`, which means "not set"
        frozen=True,
        hide_input_in_errors=True,  # a wrong value may be a secret in the wrong variable
    )

    _given: dict[str, Any] = PrivateAttr(default_factory=dict)  # flags, which a later reading has too

    config: FilePath | None = Field(
        default=None, description="TOML file of settings, by their names; a variable or flag wins over it."
    )
    host: str = Field(default="127.0.0.1", min_length=1, description="Address to listen on.")
    port: int = Field(default=8000, ge=0, le=65535, description="Port to listen on; 0 takes a free one.")
    unix: Annotated[Path, AfterValidator(Path.absolute)] | None = Field(
        default=None,
        description="Unix socket to listen on instead of an address, for a proxy on this machine; what it says of its "
        "clients is believed.",
    )
    data_dir: Annotated[Path, AfterValidator(lambda path: path.expanduser().absolute())] = Field(
        default=Path("data"),
        validate_default=True,
        description="Folder for the store, the copies and the generated secret.",
        json_schema_extra={"flag": "--data"},
    )
    store_url: StoreUrl | None = Field(
        default=None,
        description="The store as postgresql://user:password@host/database; without it, SQLite in the data folder. "
        "A flag can be read by every user of the machine.",
    )
    node: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z0-9._-]{1,64}$",
        description="This gateway's name among those that share its store, for people: in logs and in the store. "
        "Without it, the id in the data folder.",
    )
    shared_url: SharedUrl | None = Field(
        default=None,
        description="Bucket for finished copies and uploaded files, as s3://bucket/prefix, that all gateways of the "
        "store read. Keys and endpoint by AWS's own variables.",
    )
    shared_delivery: Literal["proxy", "redirect"] = Field(
        default="proxy",
        description="How a copy in the bucket is sent: by the gateway, or, where the whole is asked for, by a "
        "presigned link to the bucket.",
    )
    workers: int = Field(default=1, ge=1, le=64, description="Server processes; they share the store and the copies.")
    public_url: PublicUrl | None = Field(
        default=None,
        description="Base of the URLs that are given out; without it, the scheme and Host of each request.",
    )
    secret_keys: SecretStr | None = Field(
        default=None,
        description="Signing secrets as id:secret, comma-separated, the new one first; without it, one is made in the "
        "data folder. A flag can be read by every user of the machine: use the environment.",
    )
    allow_hosts: Origins = Field(
        default=frozenset(), description="Exact host:port origins that may have private addresses, comma-separated."
    )
    allow_networks: Networks = Field(
        default=(), description="Private networks in CIDR form that origins may lie in, comma-separated."
    )
    ca_file: FilePath | None = Field(
        default=None, description="PEM file of the authorities trusted for origins' certificates."
    )
    egress_proxy: ProxyUrl | None = Field(
        default=None,
        description="Proxy that carries all requests to origins and to receivers that clients name; which addresses it "
        "dials is its own word. A flag can be read by every user of the machine.",
    )
    cache_max_bytes: ByteSize = Field(
        default=ByteSize(10 * _GIB), ge=0, description="Disk for the copies, in bytes or as 20GiB; 0 keeps no copy."
    )
    scrub_daily_bytes: ByteSize = Field(
        default=ByteSize(10 * _GIB),
        ge=0,
        description="Bytes of copies that are compared with their CRCs each day, in bytes or as 20GiB; 0 for none.",
    )
    stream_memory_bytes: ByteSize = Field(
        default=ByteSize(512 * _MIB),
        ge=_MIB,
        description="Memory for all downloads whose archive has no copy on disk, in bytes or as 1GiB.",
    )
    max_entries: int = Field(default=100_000, ge=1, description="Entries in one archive.")
    max_body_bytes: ByteSize = Field(
        default=ByteSize(128 * _MIB), ge=1, description="Largest request body, in bytes or as 64MiB."
    )
    max_entry_bytes: ByteSize = Field(
        default=ByteSize(1024 * _GIB), ge=1, description="Largest file in an archive, in bytes or as 100GiB."
    )
    max_archive_bytes: ByteSize = Field(
        default=ByteSize(10 * 1024 * _GIB), ge=1, description="Longest archive, in bytes or as 2TiB."
    )
    max_archives: int = Field(default=1024, ge=1, description="Archives whose files are pulled at once.")
    max_watchers: int = Field(
        default=512, ge=1, description="Event streams of one client, and of one archive, at once in one process."
    )
    creates_per_minute: int = Field(
        default=0, ge=0, le=60_000, description="Creates of one client in a minute; 0 for no limit."
    )
    entries_per_minute: int = Field(
        default=0, ge=0, le=1_000_000_000, description="Entries of one client's creates in a minute; 0 for no limit."
    )
    sendfile: Literal["off", "x-accel"] = Field(
        default="off", description="x-accel: the nginx in front sends finished copies (X-Accel-Redirect)."
    )
    prefetch: Literal["off", "urls", "all"] = Field(
        default="off",
        description='Which creates are built at once without asking: none, the plain {"urls": […]} form, or all.',
    )
    jobs: Literal["embedded", "procrastinate"] = Field(
        default="embedded",
        description="Who does prefetches, web pages and webhooks: one process of the gateway, or workers woken by "
        "procrastinate, on the PostgreSQL of the store.",
    )
    job_slots: int = Field(
        default=8, ge=1, le=256, description="Prefetches that are made at once, and web pages that are read at once."
    )
    job_patience: Seconds = Field(
        default=10.0,
        description="Seconds that a prefetch or web page may bring too little while another one waits for its slot.",
    )
    page_images: int = Field(default=50, ge=1, le=10_000, description="Images collected from one web page.")
    probe_wait: Seconds = Field(
        default=30.0, description="Seconds a download waits for the probe before it answers 503."
    )
    default_ttl: Seconds | None = Field(
        default=None, description="Seconds an archive stands where its create does not say; without it, for ever."
    )
    unread_ttl: int = Field(
        default=2_592_000,
        ge=0,
        description="Seconds an archive without a time of its own stands while nobody has downloaded any of it; 0 for "
        "ever.",
    )
    kept_archives: int = Field(default=1_000_000, ge=1, description="Archives that are kept at once.")
    kept_bytes: ByteSize = Field(
        default=ByteSize(10 * _GIB), ge=1, description="Lists of all archives in the store, in bytes or as 20GiB."
    )
    kept_archives_per_key: int = Field(
        default=0, ge=0, description="Archives of one API key that are kept at once; 0 for no limit of its own."
    )
    kept_bytes_per_key: ByteSize = Field(
        default=ByteSize(0),
        ge=0,
        description="Lists of one API key's archives in the store, in bytes or as 1GiB; 0 for no limit of its own.",
    )
    api_keys: SecretStr | None = Field(
        default=None,
        description="Keys that may create, upload, delete and list, as name:sha256hex, comma-separated; made by "
        "`streamzip keys new NAME`; without any, everybody may.",
    )
    admin_keys: SecretStr | None = Field(
        default=None,
        description="Keys of operators, who see and manage the archives of all owners, as name:sha256hex, "
        "comma-separated; made by `streamzip keys new NAME`; without any, nobody does over HTTP.",
    )
    signed_links: Literal["off", "on"] = Field(
        default="off",
        description="on: archives and their status are given to signed links alone; create gives such links.",
    )
    link_ttl: Seconds = Field(default=604_800.0, description="Seconds that a signed link is good for.")
    webhook_url: WebhookUrl | None = Field(
        default=None, description="Receiver that is told of every archive; its exact host:port may be private."
    )
    webhook_secret: SecretStr | None = Field(
        default=None,
        description="Secret that webhooks are signed with, as whsec_ and base64; several, comma-separated, all sign; "
        "without it, one is made in the data folder. A flag can be read by every user of the machine.",
    )
    cors_origins: Sites = Field(
        default=(),
        description="Origins whose pages may use this gateway from their scripts, comma-separated, or *; without any, "
        "none may.",
    )
    allowed_hosts: Names = Field(
        default=frozenset(),
        description="Names, comma-separated, that a gateway without API keys answers to beside addresses, localhost "
        "and the public URL's host; * for any.",
    )
    trusted_proxies: Networks = Field(
        default=(),
        description="Addresses or networks of the proxies in front, whose X-Forwarded-For names the client, "
        "comma-separated.",
    )
    log_level: LogLevel = Field(default="info", description="How much is logged.")
    log_format: LogFormat | None = Field(
        default=None,
        description="How a line of the log looks: `json` or `text`. Default: text on a terminal, else JSON.",
    )
    access_log: bool = Field(default=True, description="Whether each request has a line in the log, at `info`.")
    metrics: Address | None = Field(
        default=None, description="host:port on which Prometheus is answered, as 127.0.0.1:9400; without it, nowhere."
    )
    connections_per_origin: int = Field(
        default=128,
        ge=1,
        description="Connections at once to one origin, and to one address, at most; it begins with 32.",
    )
    throttle_wait: Seconds = Field(
        default=90.0, description="Seconds that a file waits for an origin that refuses every request to slow us down."
    )
    connect_timeout: Seconds = Field(default=10.0, description="Seconds to reach an origin.")
    read_timeout: Seconds = Field(default=30.0, description="Seconds an origin may be silent.")
    pull_timeout: Seconds = Field(
        default=90.0, description="Seconds that a file is tried for without a new byte of it, over all attempts."
    )
    min_rate: ByteSize = Field(
        default=ByteSize(1000),
        ge=0,
        description="Bytes per second that an origin must send, on the average of any read timeout; 0 for any rate.",
    )
    max_attempts: int = Field(default=6, ge=1, description="Attempts at one entry before it counts as unavailable.")
    write_timeout: Seconds = Field(
        default=60.0, description="Seconds a reader may take nothing before its download is cut."
    )
    request_timeout: Seconds = Field(default=20.0, description="Seconds in which a request's header has to come.")
    stop_within: Seconds = Field(
        default=30.0, description="Seconds that downloads under way get after SIGTERM; a second one cuts them."
    )
    lookahead: int = Field(
        default=128, ge=1, description="Parts fetched ahead of a reader, at most; as many as help it."
    )
    folders_dir: Annotated[DirectoryPath, AfterValidator(Path.absolute)] | None = Field(
        default=None,
        description="Folder whose folders may be downloaded as archives, each by its name; without it, none can.",
        json_schema_extra={"flag": "--folders"},
    )
    folders_hidden: bool = Field(
        default=False, description="Whether folders whose name begins with a dot may be downloaded too."
    )
    folders_rate: ByteSize = Field(
        default=ByteSize(0), ge=0, description="Bytes per second for each download of a folder; 0 for no limit."
    )
    upload_extensions: Extensions = Field(
        default=("txt", "rtf", "doc", "docx", "xls", "xlsx", "pdf", "png", "jpg", "jpeg"),
        description="Extensions of files that may be uploaded, comma-separated.",
    )
    upload_max_bytes: ByteSize = Field(
        default=ByteSize(_GIB), ge=0, description="Largest uploaded file, in bytes or as 100MiB."
    )
    upload_max_files: int = Field(default=10_000, ge=1, description="Uploaded files that there may be at once.")
    upload_quota_bytes: ByteSize = Field(
        default=ByteSize(10 * _GIB),
        ge=0,
        description="All uploaded files together, in bytes or as 20GiB; 0 takes none.",
    )
    object_sources: Buckets = Field(
        default=(),
        description="Buckets of Amazon, Google and Azure whose objects may be packed, comma-separated, as "
        "s3://photos?region=eu-central-1,gs://maps,az://films?account=studio; their endpoints may be private.",
    )
    compat: Compat = Field(
        default=frozenset(),
        description="Other programs whose interface is answered too, comma-separated: zipstreamer, mod_zip, esri.",
    )
    compat_url_prefix: str = Field(
        default="",
        description="What each file's URL in a zipstreamer descriptor begins with; other files are left out.",
    )
    compat_list_prefix: ListPrefix | None = Field(
        default=None, description="URL that the zsid of zipstreamer's GET /download is put behind; it may be private."
    )
    compat_compression: Literal["store", "deflate", "auto"] = Field(
        default="store", description="Compression of the archives of zipstreamer's descriptors."
    )
    compat_link_ttl: Seconds = Field(
        default=60.0, description="Seconds that a link of zipstreamer's POST /create_download_link is good for."
    )
    upstream: OwnSite | None = Field(
        default=None,
        description="Where the lists of mod_zip and esri come from, as http://app:8000; may be private.",
    )
    upstream_files: PublicUrl | None = Field(
        default=None, description="File server that those lists' locations are on; it may be private."
    )
    upstream_via: SecretStr = Field(
        default=SecretStr("true"),
        description="What X-Via-Zip-Stream says to the upstream of esri, whose --header-value it is.",
    )
    upstream_sizes: Literal["listed", "asked"] = Field(
        default="listed",
        description="listed: files have the sizes that the list says, or the archive fails; asked: the file server is "
        "asked for each.",
    )

    @model_validator(mode="after")
    def _has_upstream(self) -> "Settings":
        if "mod_zip" in self.compat and (self.upstream is None or self.upstream_files is None):
            raise ValueError("STREAMZIP_COMPAT=mod_zip needs STREAMZIP_UPSTREAM and STREAMZIP_UPSTREAM_FILES")
        if "esri" in self.compat and (self.upstream is None or not self.object_sources):
            raise ValueError("STREAMZIP_COMPAT=esri needs STREAMZIP_UPSTREAM and STREAMZIP_OBJECT_SOURCES")
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Return where settings are looked for; the first that has one wins."""
        ours = (init_settings, env_settings, SecretFiles(settings_cls), SettingsFile(settings_cls))
        return (*ours, ZipstreamerVariables(settings_cls))

    def read_again(self) -> "Settings":
        """Return the settings as a start would read them now. Raises pydantic's ValidationError, SetupError."""
        again = Settings(**self._given)
        again._given = self._given
        return again

    @classmethod
    def given(cls, flags: Mapping[str, str]) -> "Settings":
        """Read the settings; `flags` win. Raises pydantic's ValidationError, SetupError."""
        settings = cls(**flags)  # type: ignore[arg-type]
        settings._given = dict(flags)
        return settings

    @property
    def exempt(self) -> frozenset[str | Network]:
        """Return what may have private addresses: `allow_hosts` and `allow_networks`."""
        return self.allow_hosts | frozenset(self.allow_networks)


def variable(name: str) -> str:
    """Return the environment variable of a setting."""
    return ENV_PREFIX + name.upper()


def variables() -> set[str]:
    """Return every environment variable that means something, to the gateway or to a command that asks one."""
    named = {variable(name) for name in Settings.model_fields} | CLIENT_VARIABLES
    return named | {variable(name) + FILE_SUFFIX for name in secret_names(Settings)}
