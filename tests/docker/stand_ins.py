"""Stand-ins for what docker/Dockerfile downloads, for machines that reach no image registry.

They have the names of the real images, so the Dockerfile stays as it is, but live in a storage of
their own. They are no releases: Python is Debian's, uv is the development environment's, and
PyTorch is whatever CPU build pip finds on this machine's disk.
"""

import functools
import hashlib
import re
import shutil
import subprocess
import sys
import tarfile
import threading
import urllib.request
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from platformdirs import user_cache_path

from tests.docker.container_engine import ContainerEngine
from tests.docker.files import dockerfile

_INDEX_PORT = 38931
_CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"

# Without its libraries, which need CUDA, torchvision imports only if these operators exist.
_TORCHVISION_OPERATORS = b"""import torch as _torch
_operators = _torch.library.Library("torchvision", "FRAGMENT")
_operators.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
_operators.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
"""


def find_stand_ins_folder() -> Path:
    """Return this version's folder in the user's cache; remove those of other versions."""
    version = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:12]
    folder = user_cache_path("fer_tune-tests") / "stand-ins" / version
    for former in folder.parent.glob("*"):
        if former != folder:
            shutil.rmtree(former, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def find_base_images() -> list[str]:
    """Return the names of the images that the Dockerfile begins with."""
    return re.findall(r"^FROM ([\w./-]+:\S+)", dockerfile(), re.MULTILINE)


def make_base_images(engine: ContainerEngine, folder: Path) -> None:
    """Make stand-ins for the base images, under their names.

    folder: for intermediate files.
    """
    makers = {"uv": _make_uv_root, "python": _make_python_root}
    for name in find_base_images():
        root = folder / "root.tar"
        makers[name.partition(":")[0].rpartition("/")[2]](root)
        variable = f"ENV SSL_CERT_FILE={_CERTIFICATES}"
        full_name = name if "/" in name else f"docker.io/library/{name}"
        engine.require("import", "--change", variable, str(root), full_name, seconds=240)
        root.unlink()


def _make_uv_root(archive: Path) -> None:
    program = Path(sys.executable).with_name("uv")
    with tarfile.open(archive, "w") as root:
        root.add(program, "uv")


def _make_python_root(archive: Path) -> None:
    """Write the files of a small Debian with Python 3.11 and this machine's certificates."""
    packages = "--include=python3,python-is-python3,ca-certificates"
    certificates = f"--customize-hook=upload {_CERTIFICATES} {_CERTIFICATES}"
    command = ["mmdebstrap", "--variant=minbase", packages, certificates, "bookworm", str(archive)]
    subprocess.run(command, check=True, timeout=900, capture_output=True)


@contextmanager
def find_torch(folder: Path) -> Iterator[dict[str, str]]:
    """Yield the build arguments for PyTorch's CPU build.

    They are empty if its own index has the version in the Dockerfile. Otherwise they name a CPU
    build that pip finds on this machine, and an index that exists inside the context.
    Raises CalledProcessError if there is none.
    """
    declared = dict(re.findall(r"^ARG (TORCH\w*)=(\S+)$", dockerfile(), re.MULTILINE))
    wheel = f"torch-{declared['TORCH_VERSION']}-".replace("+", "%2B")
    with suppress(OSError), urllib.request.urlopen(f"{declared['TORCH_INDEX']}/torch/") as page:
        if wheel in page.read().decode():
            yield {}
            return
    index = folder / "index"
    if not index.exists():
        _make_index(folder / "index.part")
        (folder / "index.part").rename(index)
    versions = {path.name: next(path.iterdir()).name.split("-")[1] for path in index.iterdir()}
    with _serve(functools.partial(_QuietHandler, directory=str(index))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield {
            "TORCH_VERSION": versions["torch"],
            "TORCHVISION_VERSION": versions["torchvision"],
            "TORCH_INDEX": f"http://127.0.0.1:{server.server_port}",
        }
        server.shutdown()


def _serve(handler: Callable[..., SimpleHTTPRequestHandler]) -> ThreadingHTTPServer:
    """Return a server at the port of earlier builds, whose layers depend on it, if that is free."""
    try:
        return ThreadingHTTPServer(("127.0.0.1", _INDEX_PORT), handler)
    except OSError:
        return ThreadingHTTPServer(("127.0.0.1", 0), handler)


class _QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Print nothing."""


def _make_index(index: Path) -> None:
    """Write a package index with a torch for CPUs and the torchvision that belongs to it."""
    shutil.rmtree(index, ignore_errors=True)
    torch = _download(index / "torch", "--no-index", "torch")
    minor = int(torch.name.split("-")[1].split(".")[1])
    torchvision = _download(index / "all", f"torchvision==0.{minor + 15}.*")
    (index / "torchvision").mkdir()
    _copy_without_libraries(torchvision, index / "torchvision" / torchvision.name)
    shutil.rmtree(index / "all")


def _download(folder: Path, *requirement: str) -> Path:
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder)]
    subprocess.run([*pip, *requirement], check=True, timeout=900)
    return next(folder.iterdir())


def _copy_without_libraries(wheel: Path, to: Path) -> None:
    """Copy a torchvision for CUDA so that it can be imported beside a torch for CPUs."""
    with zipfile.ZipFile(wheel) as source, zipfile.ZipFile(to, "w", zipfile.ZIP_DEFLATED) as copy:
        for name in source.namelist():
            if not name.endswith(".so") and not name.startswith("torchvision.libs/"):
                own = _TORCHVISION_OPERATORS if name == "torchvision/__init__.py" else b""
                copy.writestr(name, own + source.read(name))
