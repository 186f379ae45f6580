"""deploy/compose.cluster.yaml and deploy/kubernetes/cluster: what they name exists, and what they grant is enough."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import kubernetes_validate
import pytest
import yaml

from streamzip.config import variable, variables
from tests.support.deployed import DEPLOY, named_of_aws, read_of_aws, settings

ROOT: Final = DEPLOY.parent
KUBERNETES: Final = DEPLOY / "kubernetes"
CLUSTER: Final = KUBERNETES / "cluster"
OLDEST, NEWEST = "1.31", "1.37"  # the releases of Kubernetes that the manifests are held to
STOPS_WITHIN: Final = 10  # seconds more than downloads get, for what comes after them
GATEWAYS: Final = ("gateway1", "gateway2", "gateway3")
NEEDED: Final = {
    variable(name) for name in ("store_url", "secret_keys", "webhook_secret", "public_url", "shared_url", "jobs")
}

Resource = dict[str, Any]


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in variables():
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="module")
def compose() -> Resource:
    return dict(yaml.safe_load((DEPLOY / "compose.cluster.yaml").read_text()))


def resources_in(folder: Path) -> list[Resource]:
    """Every resource of the manifests that the folder's kustomization names."""
    named = yaml.safe_load((folder / "kustomization.yaml").read_text())["resources"]
    return [each for name in named for each in yaml.safe_load_all((folder / name).read_text())]


@pytest.fixture(scope="module")
def cluster() -> dict[tuple[str, str], Resource]:
    """The cluster's resources, by kind and name."""
    return {(each["kind"], each["metadata"]["name"]): each for each in resources_in(CLUSTER)}


def pod_of(resource: Resource) -> Resource:
    return dict(resource["spec"]["template"]["spec"])


def container_of(resource: Resource) -> Resource:
    (container,) = pod_of(resource)["containers"]
    return dict(container)


def environment_of(container: Resource) -> dict[str, str | None]:
    return {each["name"]: each.get("value") for each in container["env"]}


def seconds(text: str) -> int:
    return int(text.removesuffix("s"))


def test_compose_gives_every_gateway_what_the_others_have(compose: Resource) -> None:
    """Only the name and the volume differ; all that a shared store needs is set; each name is a setting."""
    services = compose["services"]
    workers = [services[name] for name in (*GATEWAYS, "worker")]
    for service, name in zip(workers, (*GATEWAYS, "worker"), strict=True):
        assert service["environment"] == compose["x-settings"] | {variable("node"): name}
        assert service["environment"].keys() >= NEEDED
    assert len({volume for service in workers for volume in service["volumes"]}) == len(workers)
    assert services["worker"]["command"] == ["worker"]
    bucket = compose["x-settings"][variable("shared_url")].removeprefix("s3://").partition("/")[0]
    (made,) = services["bucket"]["command"]
    assert f"s3.bucket.create -name {bucket} " in made
    mounted = {each.partition(":")[0] for service in services.values() for each in service.get("volumes", ())}
    assert {each for each in mounted if "/" not in each} == compose["volumes"].keys()


def test_compose_gives_every_service_limits_and_rotates_its_log(compose: Resource) -> None:
    """Downloads end by themselves, behind nginx too; no service takes all memory, or fills the disk by logs."""
    services = compose["services"]
    for service in services.values():
        assert service["logging"]["options"].keys() == {"max-size", "max-file"}
        assert service["mem_limit"]
        assert service["restart"] in ("unless-stopped", "on-failure:10")
    for name in GATEWAYS:
        service = services[name]
        chosen = settings(service["environment"])
        assert seconds(service["stop_grace_period"]) >= chosen.stop_within + STOPS_WITHIN
        assert int(service["mem_limit"].removesuffix("m")) << 20 >= 1.5 * chosen.stream_memory_bytes
        assert seconds(services["nginx"]["stop_grace_period"]) > seconds(service["stop_grace_period"])
    assert services["nginx"]["stop_signal"] == "SIGQUIT"  # nginx(8): the others cut what is under way


def test_compose_has_nginx_ask_the_gateways_that_there_are(compose: Resource) -> None:
    """The names in the configuration that it mounts are those of the services, which answer before nginx starts."""
    nginx = compose["services"]["nginx"]
    source, _, _ = nginx["volumes"][0].partition(":")
    asked = re.findall(r"server (\w+):8000 ", (DEPLOY / source).read_text())
    assert tuple(asked) == GATEWAYS
    assert {name for name, how in nginx["depends_on"].items() if how["condition"] == "service_healthy"} == set(asked)


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
def test_kubernetes_takes_every_manifest(version: str) -> None:
    """Each is a resource of its kind by Kubernetes' own schemas, with no field that these do not know."""
    single = list(yaml.safe_load_all((KUBERNETES / "streamzip.yaml").read_text()))
    for resource in (*single, *resources_in(CLUSTER)):
        kubernetes_validate.validate(resource, version, strict=True)


def test_kubernetes_gives_gateways_settings_time_and_memory(cluster: dict[tuple[str, str], Resource]) -> None:
    """Each variable is a setting, all that a shared store needs is there, and their secrets come from the secret."""
    gateways = cluster["StatefulSet", "streamzip"]
    pod, container = pod_of(gateways), container_of(gateways)
    environment = environment_of(container)
    chosen = settings(environment)
    assert {name.removesuffix("_FILE") for name in environment} >= NEEDED
    secrets = next(mount["mountPath"] for mount in container["volumeMounts"] if mount["name"] == "secrets")
    told = (CLUSTER / "kustomization.yaml").read_text()
    for name, value in environment.items():
        if name.endswith("_FILE"):
            path = Path(value or "")
            assert str(path.parent) == secrets
            assert f"--from-literal={path.name}=" in told
    (waits,) = re.findall(r"time\.sleep\((\d+)\)", container["lifecycle"]["preStop"]["exec"]["command"][-1])
    assert pod["terminationGracePeriodSeconds"] >= int(waits) + chosen.stop_within + STOPS_WITHIN
    assert pod["enableServiceLinks"] is False
    assert int(container["resources"]["limits"]["memory"].removesuffix("Mi")) << 20 >= 1.5 * chosen.stream_memory_bytes
    (claim,) = gateways["spec"]["volumeClaimTemplates"]
    assert int(claim["spec"]["resources"]["requests"]["storage"].removesuffix("Gi")) << 30 > chosen.cache_max_bytes
    nginx = pod_of(cluster["Deployment", "streamzip-nginx"])
    assert nginx["terminationGracePeriodSeconds"] > pod["terminationGracePeriodSeconds"]
    assert environment_of(container_of(cluster["Job", "streamzip-migrate"])).keys() <= variables()


@pytest.mark.parametrize("which", ["compose", "kubernetes"])
def test_variables_of_aws_are_those_that_are_read(
    which: str, compose: Resource, cluster: dict[tuple[str, str], Resource], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name that is spelled wrong would leave a gateway without its bucket."""
    given = (
        compose["x-settings"]
        if which == "compose"
        else environment_of(container_of(cluster["StatefulSet", "streamzip"]))
    )
    names = named_of_aws(given)
    assert len(names) >= 3
    for name in names:
        monkeypatch.setenv(name, "x")
    assert read_of_aws(names) == names


def test_kubernetes_probes_life_apart_from_readiness(cluster: dict[tuple[str, str], Resource]) -> None:
    """Life never asks the store, and an outage of it under 30 seconds takes no gateway out."""
    container = container_of(cluster["StatefulSet", "streamzip"])
    paths = {kind: container[f"{kind}Probe"]["httpGet"]["path"] for kind in ("startup", "liveness", "readiness")}
    assert paths == {"startup": "/healthz", "liveness": "/healthz", "readiness": "/readyz"}
    for kind in paths:
        assert container[f"{kind}Probe"]["httpGet"]["httpHeaders"] == [{"name": "Host", "value": "localhost"}]
    readiness = container["readinessProbe"]
    assert readiness["periodSeconds"] * (readiness["failureThreshold"] - 1) >= 30


def test_kubernetes_loses_one_pod_at_a_time(cluster: dict[tuple[str, str], Resource]) -> None:
    """A drained machine takes one gateway, and one nginx; gateways lie on machines apart."""
    for owner in (("StatefulSet", "streamzip"), ("Deployment", "streamzip-nginx")):
        budget, selector = cluster["PodDisruptionBudget", owner[1]]["spec"], cluster[owner]["spec"]["selector"]
        assert budget == {"maxUnavailable": 1, "selector": selector}
        spread = pod_of(cluster[owner])["topologySpreadConstraints"]
        assert "kubernetes.io/hostname" in {each["topologyKey"] for each in spread}
        assert all(each["labelSelector"] == selector for each in spread)


def test_kubernetes_has_nginx_reach_each_gateway_that_there_may_be(cluster: dict[tuple[str, str], Resource]) -> None:
    """Its configuration is the shipped one, and names a Service for each pod that the autoscaler may ask for."""
    scaler = cluster["HorizontalPodAutoscaler", "streamzip"]["spec"]
    assert scaler["minReplicas"] == cluster["StatefulSet", "streamzip"]["spec"]["replicas"]
    names = [f"streamzip-{number}" for number in range(scaler["maxReplicas"])]
    for name in names:
        spec = cluster["Service", name]["spec"]
        assert spec["selector"] == {"statefulset.kubernetes.io/pod-name": name}
        assert spec["ports"][0]["port"] == 8000
    gateways = ",".join(f"{name}:8000" for name in names)
    command = [sys.executable, str(ROOT / "scripts" / "nginx-conf"), "--gateways", gateways]
    made = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert (CLUSTER / "nginx.conf").read_text() == made
    generated = yaml.safe_load((CLUSTER / "kustomization.yaml").read_text())["configMapGenerator"]
    assert generated == [{"name": "streamzip-nginx", "files": ["nginx.conf"]}]


def test_kubernetes_scales_by_metrics_that_there_are(cluster: dict[tuple[str, str], Resource]) -> None:
    """The autoscaler's metric is made by the adapter's rule, and the rule reads metrics that the gateway has."""
    (rule,) = yaml.safe_load((CLUSTER / "prometheus-adapter.yaml").read_text())["rules"]["custom"]
    scaler = cluster["HorizontalPodAutoscaler", "streamzip"]["spec"]["metrics"]
    assert [each["pods"]["metric"]["name"] for each in scaler if each["type"] == "Pods"] == [rule["name"]["as"]]
    read = set(re.findall(r"streamzip_\w+", rule["seriesQuery"] + rule["metricsQuery"]))
    declared = set(re.findall(r'"(streamzip_\w+)"', (ROOT / "streamzip" / "metrics.py").read_text()))
    assert read
    assert read <= declared
    container = container_of(cluster["StatefulSet", "streamzip"])
    port = next(each["containerPort"] for each in container["ports"] if each["name"] == "metrics")
    assert (environment_of(container)[variable("metrics")] or "").endswith(f":{port}")
