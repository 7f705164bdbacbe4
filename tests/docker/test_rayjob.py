import shlex
from collections.abc import Callable
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from jsonschema import Draft202012Validator, ValidationError
from packaging.version import Version

from fer_tune.search.options import build_parser
from tests.docker.files import DOCKER, locked, manifest, pods
from tests.docker.kuberay import load_schemas, read_schema, reduce_schema

SCHEMAS = load_schemas()


def _validate(job: dict[str, Any], kuberay: str) -> None:
    Draft202012Validator(SCHEMAS[kuberay]).validate(job)


@pytest.mark.parametrize("kuberay", sorted(SCHEMAS))
def test_the_manifest_is_valid_for_the_versions_of_kuberay(kuberay: str) -> None:
    _validate(manifest(), kuberay)


def test_the_documents_name_the_oldest_version_of_kuberay_that_is_checked() -> None:
    oldest = min(SCHEMAS, key=Version)
    for name in ("README.md", "rayjob.yaml"):
        assert f"{oldest} or newer" in (DOCKER / name).read_text(encoding="utf-8")


_FAULTS: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "an unknown field": (lambda spec: spec.update(authOption={}), "'authOption' was unexpected"),
    "a wrong type": (
        lambda spec: spec["headGroupSpec"]["rayStartParams"].update({"num-cpus": 0}),
        "0 is not of type 'string'",
    ),
    "another value": (
        lambda spec: spec["authOptions"].update(mode="password"),
        "'password' is not one of",
    ),
    "a missing field": (
        lambda spec: spec["workerGroupSpecs"][0].pop("groupName"),
        "'groupName' is a required property",
    ),
    "an unknown field of a pod": (
        lambda spec: spec["headGroupSpec"]["template"]["spec"].update(hostNetwork=True),
        "'hostNetwork' was unexpected",
    ),
}


@pytest.mark.parametrize("name", sorted(_FAULTS))
@pytest.mark.parametrize("kuberay", sorted(SCHEMAS))
def test_the_check_finds(name: str, kuberay: str) -> None:
    spoil, fault = _FAULTS[name]
    job = manifest()
    spoil(job["spec"]["rayClusterSpec"])
    with pytest.raises(ValidationError, match=fault):
        _validate(job, kuberay)


def test_the_schema_has_every_field_of_the_manifest_and_no_other() -> None:
    for kuberay, schema in SCHEMAS.items():
        assert reduce_schema(schema, [manifest()]) == schema, kuberay


def test_a_schema_is_reduced_to_the_fields_in_use(tmp_path: Path) -> None:
    text = {"type": "string", "description": "...", "x-kubernetes-list-type": "set"}
    item = {"required": ["port"], "properties": {"port": {"type": "integer"}, "name": text}}
    full = {
        "properties": {
            "list": {"type": "array", "items": item},
            "map": {"additionalProperties": text},
            "spare": text,
        }
    }
    names, versions = {"kind": "RayJob"}, {"name": "v1", "schema": {"openAPIV3Schema": full}}
    resource = {"spec": {"names": names, "versions": [versions]}}
    file = tmp_path / "1.0.0.yaml"
    file.write_text(yaml.safe_dump_all([{"spec": {"names": {"kind": "RayCluster"}}}, resource]))
    used = {"list": [{"port": 1}, {"port": 2}], "map": {"any": "thing"}}
    assert reduce_schema(read_schema(file), [used]) == {
        "properties": {
            "list": {
                "type": "array",
                "items": {
                    "required": ["port"],
                    "properties": {"port": {"type": "integer"}},
                    "additionalProperties": False,
                },
            },
            "map": {"additionalProperties": {"type": "string"}},
        },
        "additionalProperties": False,
    }


def test_only_the_readiness_of_the_head_asks_for_more_than_the_nodes_own_raylet() -> None:
    asked = {
        (name, probe): container[probe]["httpGet"]
        for name, spec in pods().items()
        for container in spec["containers"]
        for probe in ("readinessProbe", "livenessProbe")
        if name != "submitter"
    }
    raylet = {"path": "/api/local_raylet_healthz", "port": 52365}
    assert asked == {
        ("head", "readinessProbe"): {"path": "/api/healthz", "port": 52365},  # and for the GCS
        ("head", "livenessProbe"): raylet,
        ("workers", "readinessProbe"): raylet,
        ("workers", "livenessProbe"): raylet,
    }


def test_ray_serves_what_the_probes_ask_for() -> None:
    ray = find_spec("ray")
    assert ray is not None
    assert ray.origin is not None
    routes = Path(ray.origin).parent / "dashboard/modules/reporter/healthz_agent.py"
    for path in ("/api/healthz", "/api/local_raylet_healthz"):
        assert f'"{path}"' in routes.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", sorted(pods()))
def test_a_pod_is_valid_and_holds_no_privileges(name: str) -> None:
    spec = pods()[name]
    containers = [{"name": "any", **container} for container in spec["containers"]]
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}}
    pod["spec"] = {**spec, "containers": containers}
    for kubernetes in ("1.34", "1.37"):
        kubernetes_validate.validate(pod, kubernetes, strict=True)
    assert spec["automountServiceAccountToken"] is False
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["runAsUser"] == 10001
    for container in spec["containers"]:
        assert container["securityContext"]["allowPrivilegeEscalation"] is False
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        assert container["resources"].keys() == {"requests", "limits"}


def test_secrets_are_named_and_never_written() -> None:
    for name, spec in pods().items():
        for container in spec["containers"]:
            assert "env" not in container
            expected = [] if name == "submitter" else [{"secretRef": {"name": "fer-tune-s3"}}]
            assert container.get("envFrom", []) == expected


def test_ray_asks_for_a_token() -> None:
    assert manifest()["spec"]["rayClusterSpec"]["authOptions"] == {"mode": "token"}


def test_versions_are_the_locked_ones() -> None:
    lock = locked(DOCKER / "requirements.lock")
    assert manifest()["spec"]["rayClusterSpec"]["rayVersion"] == lock["ray"]
    images = {container["image"] for spec in pods().values() for container in spec["containers"]}
    (image,) = images
    assert image.endswith(f"/fer_tune:{version('fer_tune')}-cpu")


def test_the_search_reads_the_entrypoint() -> None:
    program, flag, module, *options = shlex.split(manifest()["spec"]["entrypoint"])
    assert (program, flag, module) == ("python", "-m", "fer_tune.search")
    parsed = build_parser().parse_args(options)
    assert (parsed.address, parsed.study, parsed.trials) == ("auto", "first", 12)
