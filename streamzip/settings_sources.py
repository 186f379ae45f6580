"""Where settings come from beside flags and variables: a TOML file, files that hold a secret each, and another
program's variables.
"""

import difflib
import os
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

from pydantic import SecretStr
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

from streamzip.setup_error import SetupError

FILE_SUFFIX = "_FILE"
_ZIPSTREAMERS = {"PORT": "port", "ZS_URL_PREFIX": "compat_url_prefix", "ZS_LISTFILE_URL_PREFIX": "compat_list_prefix"}
_AWS = ("AWS_ENDPOINT_URL", "AWS_REGION", "AWS_UNSIGNED_PAYLOAD", "AWS_VIRTUAL_HOSTED_STYLE_REQUEST")
_AWS_SECRETS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
_LONGEST = 1 << 20  # bytes of a file


class SettingsFile(PydanticBaseSettingsSource):
    """The settings of the TOML file that the setting `config` names. Raises SetupError where it is none."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """Return what the file says of one setting: the port asks for it; all are read at once here."""
        return self().get(field_name), field_name, False

    def __call__(self) -> dict[str, Any]:
        """Return what the file says."""
        path = self.current_state.get("config")
        if not path:
            return {}
        try:
            found = tomllib.loads(read_text(Path(path)))
        except tomllib.TOMLDecodeError as error:
            raise SetupError(f"{path} is no TOML: {error}") from error
        known = self.settings_cls.model_fields.keys() - {"config"}
        for name in found.keys() - known:
            meant = difflib.get_close_matches(name.lower().replace("-", "_"), known, n=1)
            raise SetupError(f"{path}: {name!r} is no setting{f'; is {meant[0]!r} meant?' if meant else ''}")
        return found


class SecretFiles(PydanticBaseSettingsSource):
    """The secrets whose variable, with `_FILE` behind its name, names a file: as containers and systemd hand them over.

    Raises SetupError where the file cannot be read, or the variable without `_FILE` is set too.
    """

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """Return one secret, where a file is named for it: the port asks for it; all are read at once here."""
        return self().get(field_name), field_name, False

    def __call__(self) -> dict[str, Any]:
        """Return the secrets."""
        found = {}
        for name in secret_names(self.settings_cls):
            plain = f"{self.config['env_prefix']}{name}".upper()
            path = os.environ.get(plain + FILE_SUFFIX)
            if not path:
                continue
            if os.environ.get(plain):
                raise SetupError(f"{plain} and {plain}{FILE_SUFFIX} are both set: unset one of them")
            found[name] = read_text(Path(path)).strip()
        return found


class ZipstreamerVariables(PydanticBaseSettingsSource):
    """The variables of scosman/zipstreamer, where `compat` names it: they stand for settings that nothing else sets."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """Return one setting: the port asks for it; all are read at once here."""
        return self().get(field_name), field_name, False

    def __call__(self) -> dict[str, Any]:
        """Return what they say."""
        if "zipstreamer" not in str(self.current_state.get("compat", "")).lower():
            return {}
        said = {setting: os.environ[name] for name, setting in _ZIPSTREAMERS.items() if os.environ.get(name)}
        if os.environ.get("ZS_COMPRESSION") == "DEFLATE":
            said["compat_compression"] = "deflate"
        return said


def aws_variables() -> dict[str, str]:
    """Return AWS's own variables of a bucket, as far as they are set; a secret may be in a file that its variable with
    `_FILE` behind it names. Raises SetupError.
    """
    found = {name: os.environ[name] for name in (*_AWS, *_AWS_SECRETS) if os.environ.get(name)}
    for name in _AWS_SECRETS:
        path = os.environ.get(name + FILE_SUFFIX)
        if path and name in found:
            raise SetupError(f"{name} and {name}{FILE_SUFFIX} are both set: unset one of them")
        if path:
            found[name] = read_text(Path(path)).strip()
    return found


def secret_names(settings: type[BaseSettings]) -> Iterator[str]:
    """Yield the settings that are secrets."""
    return (name for name, field in settings.model_fields.items() if _is_secret(field.annotation))


def read_text(path: Path) -> str:
    """Return the text of a file that an operator named. Raises SetupError."""
    try:
        with path.open("rb") as file:
            text = file.read(_LONGEST + 1)
        if len(text) > _LONGEST:
            raise SetupError(f"{path} is too long for what it should hold")
        return text.decode()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no UTF-8 text"
        raise SetupError(f"cannot read {path} as uid {os.getuid()}: {reason}") from error


def _is_secret(annotation: Any) -> bool:
    return annotation is SecretStr or any(map(_is_secret, get_args(annotation)))
