"""The part of KubeRay's schema of a RayJob that docker/rayjob.yaml uses.

It is in rayjob_schema.yaml. To write that file again, for other versions or for a new field:

    helm repo add kuberay https://ray-project.github.io/kuberay-helm/
    helm show crds kuberay/kuberay-operator --version 1.7.0 > 1.7.0.yaml     (once a version)
    python -m tests.docker.kuberay 1.5.1.yaml 1.6.2.yaml 1.7.0.yaml
"""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from tests.docker.files import manifest

FILE = Path(__file__).with_name("rayjob_schema.yaml")

_HEADER = """\
# From KubeRay's Helm chart (crds/ray.io_rayjobs.yaml, https://github.com/ray-project/kuberay),
# licence Apache-2.0. Changed by kuberay.py: it has only the fields of docker/rayjob.yaml, no
# descriptions, and refuses all other fields.
"""

# What JSON Schema also has, of the keywords of a custom resource's schema.
_KEPT = ("type", "enum", "anyOf", "pattern", "minimum", "maximum", "minLength", "required")

Schema = dict[str, Any]


def reduce_schema(schema: Mapping[str, Any], used: Sequence[Any]) -> Schema:
    """Return a schema with the fields in use only, which refuses all others.

    used: every value that stands at the schema's place.
    """
    reduced: Schema = {key: schema[key] for key in _KEPT if key in schema}
    if "properties" in schema:
        reduced["properties"] = {
            key: reduce_schema(field, values)
            for key, field in schema["properties"].items()
            if (values := [value[key] for value in used if key in value])
        }
        reduced["additionalProperties"] = False
    elif "additionalProperties" in schema:
        values = [field for value in used for field in value.values()]
        reduced["additionalProperties"] = reduce_schema(schema["additionalProperties"], values)
    if "items" in schema:
        items = [item for value in used for item in value]
        reduced["items"] = reduce_schema(schema["items"], items)
    return reduced


def load_schemas() -> dict[str, Schema]:
    """Return the reduced schemas by KubeRay's version."""
    groups = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    return {version: group["schema"] for group in groups for version in group["versions"]}


def write_schemas(files: Sequence[Path]) -> None:
    """Reduce the schemas in files named after KubeRay's versions; equal ones are written once."""
    groups: list[dict[str, Any]] = []
    for file in files:
        schema = reduce_schema(read_schema(file), [manifest()])
        same = [group for group in groups if group["schema"] == schema]
        if same:
            same[0]["versions"].append(file.stem)
        else:
            groups.append({"versions": [file.stem], "schema": schema})
    text = yaml.safe_dump(groups, sort_keys=False, default_flow_style=None, width=100)
    FILE.write_text(_HEADER + text, encoding="utf-8")


def read_schema(file: Path) -> Schema:
    """Return the schema of a RayJob from a file of custom resource definitions."""
    documents = yaml.safe_load_all(file.read_text(encoding="utf-8"))
    (job,) = (each for each in documents if each["spec"]["names"]["kind"] == "RayJob")
    (version,) = (each for each in job["spec"]["versions"] if each["name"] == "v1")
    return dict(version["schema"]["openAPIV3Schema"])


if __name__ == "__main__":
    write_schemas([Path(name) for name in sys.argv[1:]])
