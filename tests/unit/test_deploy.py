"""compose.yaml and deploy/kubernetes/streamzip.yaml: what they set are settings, and what they grant is enough."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from streamzip.config import variable, variables
from tests.support.deployed import settings

ROOT = Path(__file__).parents[2]
STOPS_WITHIN = 10  # seconds more than downloads get, for what comes after them


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in variables():
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    return dict(yaml.safe_load((ROOT / "compose.yaml").read_text())["services"])


@pytest.fixture(scope="module")
def resources() -> dict[str, Any]:
    """Kubernetes' resources, by their kind."""
    documents = yaml.safe_load_all((ROOT / "deploy" / "kubernetes" / "streamzip.yaml").read_text())
    return {document["kind"]: document for document in documents}


def seconds(text: str) -> int:
    return int(text.removesuffix("s"))


def test_compose_gives_the_gateway_time_and_memory_for_its_settings(compose: dict[str, Any]) -> None:
    """Downloads end by themselves, behind nginx too; and what they may hold is within the limit."""
    gateway, nginx = compose["gateway"], compose["nginx"]
    chosen = settings(gateway["environment"])
    assert seconds(gateway["stop_grace_period"]) >= chosen.stop_within + STOPS_WITHIN
    assert seconds(nginx["stop_grace_period"]) > seconds(gateway["stop_grace_period"])
    assert nginx["stop_signal"] == "SIGQUIT"  # nginx(8): the others cut what is under way
    assert int(gateway["mem_limit"].removesuffix("g")) << 30 >= 1.5 * chosen.stream_memory_bytes
    for service in (gateway, nginx):
        assert service["logging"]["options"].keys() == {"max-size", "max-file"}


@pytest.mark.parametrize("name", ["nginx.conf", "nginx-cluster.conf", "kubernetes/cluster/nginx.conf"])
def test_nginx_compresses_nothing(name: str) -> None:
    """nginx takes ETag's strength and the length from what it compresses (ngx_http_gzip_module): whatever a
    distribution's defaults say, an archive passes as it is.
    """
    conf = (ROOT / "deploy" / name).read_text()
    assert re.search(r"^ {4}gzip off;", conf, re.MULTILINE)
    assert not re.search(r"^\s*(gzip on|gunzip on)", conf, re.MULTILINE)


def test_kubernetes_gives_the_gateway_time_and_memory_for_its_settings(resources: dict[str, Any]) -> None:
    """The same, and what of Kubernetes' own variables would be taken for settings is left out."""
    pod = resources["Deployment"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    chosen = settings({variable["name"]: variable["value"] for variable in container["env"]})
    (waits,) = re.findall(r"time\.sleep\((\d+)\)", container["lifecycle"]["preStop"]["exec"]["command"][-1])
    assert pod["terminationGracePeriodSeconds"] >= int(waits) + chosen.stop_within + STOPS_WITHIN
    assert int(container["resources"]["limits"]["memory"].removesuffix("Gi")) << 30 >= 1.5 * chosen.stream_memory_bytes
    assert pod["enableServiceLinks"] is False
    storage = resources["PersistentVolumeClaim"]["spec"]["resources"]["requests"]["storage"]
    assert int(storage.removesuffix("Gi")) << 30 > chosen.cache_max_bytes


def test_kubernetes_names_what_the_image_has(resources: dict[str, Any]) -> None:
    """The user, the port, the folder; each volume that is mounted; the file that a secret is read from."""
    image = (ROOT / "Dockerfile").read_text()
    pod = resources["Deployment"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    user = pod["securityContext"]
    assert f"USER {user['runAsUser']}:{user['runAsGroup']}\n" in image
    assert user["fsGroup"] == user["runAsGroup"]
    assert f"EXPOSE {container['ports'][0]['containerPort']}\n" in image
    mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    assert f"{variable('data_dir')}={mounts['data']}\n" in image
    assert mounts.keys() == {volume["name"] for volume in pod["volumes"]}
    files = [named["value"] for named in container["env"] if named["name"].endswith("_FILE")]
    assert all(Path(file).parent == Path(mounts["secrets"]) for file in files)


def test_kubernetes_asks_whether_it_lives_apart_from_whether_it_is_ready(resources: dict[str, Any]) -> None:
    """A full disk takes the clients away, and kills nobody; a probe's Host is one that a keyless gateway answers."""
    (container,) = resources["Deployment"]["spec"]["template"]["spec"]["containers"]
    paths = {kind: container[f"{kind}Probe"]["httpGet"]["path"] for kind in ("startup", "liveness", "readiness")}
    assert paths == {"startup": "/healthz", "liveness": "/healthz", "readiness": "/readyz"}
    for kind in paths:
        assert container[f"{kind}Probe"]["httpGet"]["httpHeaders"] == [{"name": "Host", "value": "localhost"}]
    assert resources["Service"]["spec"]["selector"] == resources["Deployment"]["spec"]["selector"]["matchLabels"]


def test_image_says_what_the_package_says() -> None:
    """Its labels (OCI image-spec, annotations) are the project's own name, description, version and licence."""
    labels = dict(re.findall(r'org\.opencontainers\.image\.(\w+)="([^"]*)"', (ROOT / "Dockerfile").read_text()))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    said = {name: project[key] for name, key in (("title", "name"), ("description", "description"))}
    assert labels == said | {"version": project["version"], "licenses": project["license"]}


def test_changelog_has_the_release_that_the_package_says() -> None:
    """Its version stands below what is not released yet, with its day: whoever upgrades reads on from there."""
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    first, second = re.findall(r"^## (.+)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)[:2]
    assert first == "Unreleased"
    assert re.fullmatch(rf"{re.escape(version)} - \d{{4}}-\d\d-\d\d", second)
