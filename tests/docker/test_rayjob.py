import shlex
from importlib.metadata import version

import kubernetes_validate
import pytest

from fer_tune.search.options import parse_options
from tests.docker.files import DOCKER, locked, manifest, pods


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
    parsed = parse_options(options)
    assert (parsed.address, parsed.study, parsed.trials) == ("auto", "first", 12)
