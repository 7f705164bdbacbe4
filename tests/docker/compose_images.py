"""The images of compose.yaml, for an engine that cannot build or pull them.

Our own is built elsewhere and copied. Where no registry answers, two services get stand-ins:
Debian's PostgreSQL, and moto, which keeps S3 objects and checks no signatures.
"""

import json
import subprocess
from pathlib import Path

from tests.docker.container_engine import ContainerEngine
from tests.docker.debian_roots import make_root

_PACKAGES = ("postgresql", "python3-moto", "python3-flask-cors", "python3-yaml", "wget")
_PROGRAMS = "PATH=/usr/local/bin:/usr/lib/postgresql/17/bin:/usr/bin:/bin"
STAND_INS_BASE = "fer_tune-tests:services"
_HERE = Path(__file__).parent

# By the image's name without its tag: the program that reads the script, and the script.
_STAND_INS = {
    "postgres": (["sh", "-c"], "stand_in_database.sh"),
    "versity/versitygw": (["python3", "-c"], "stand_in_object_store.py"),
}


def copy_image(name: str, source: ContainerEngine, target: ContainerEngine, tag: str) -> None:
    """Give an image of one engine to another, under a further name."""
    if target.find_id(name) is None:
        with subprocess.Popen([*source.command, "save", name], stdout=subprocess.PIPE) as saved:
            load = [*target.command, "load", "--quiet"]
            loaded = subprocess.run(load, stdin=saved.stdout, capture_output=True, text=True)
        assert loaded.returncode == 0, loaded.stderr
        name = loaded.stdout.split()[-1]
    target.require("tag", name, tag)


def load_stand_in(engine: ContainerEngine, image: str) -> None:
    """Give the engine a stand-in for an image, under the image's own name."""
    if engine.find_id(STAND_INS_BASE) is None:
        load = [*engine.command, "import", "--change", f"ENV {_PROGRAMS}", "-", STAND_INS_BASE]
        with make_root("services", _PACKAGES, ".tar").open("rb") as archive:
            subprocess.run(load, stdin=archive, check=True, capture_output=True)
    program, script = _STAND_INS[image.partition(":")[0]]
    entrypoint = [*program, (_HERE / script).read_text(encoding="utf-8"), script]
    container = engine.require("create", STAND_INS_BASE, "true").strip()
    engine.require("commit", "--change", f"ENTRYPOINT {json.dumps(entrypoint)}", container, image)
    engine.require("rm", container)
