"""The settings that a container of compose.yaml, or of Kubernetes' manifests, is given."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from streamzip.config import ENV_PREFIX, Settings, variables
from streamzip.settings_sources import FILE_SUFFIX, aws_variables

DEPLOY: Final = Path(__file__).parents[2] / "deploy"
_AWS: Final = "AWS_"


def settings(environment: Mapping[str, str | None]) -> Settings:
    """Return the settings that a container with these variables has; a secret's file is not there."""
    ours = {name: value for name, value in environment.items() if not name.startswith(_AWS)}
    assert ours.keys() <= variables()
    plain = {name: value for name, value in ours.items() if not name.endswith(FILE_SUFFIX)}
    given: dict[str, Any] = {
        name.removeprefix(ENV_PREFIX).lower(): value for name, value in plain.items() if value and "${" not in value
    }
    return Settings(**given)


def named_of_aws(environment: Mapping[str, str | None]) -> set[str]:
    """Return the names of AWS's own variables in it, those that name a file without their `_FILE`."""
    return {name.removesuffix(FILE_SUFFIX) for name in environment if name.startswith(_AWS)}


def read_of_aws(names: set[str]) -> set[str]:
    """Return those of AWS's variables that a gateway reads, where all of `names` are set in the environment."""
    return names & aws_variables().keys()
