import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import numpy as np
import pytest

from benchmarks.gpu_check import demo_faces, make_bundle
from benchmarks.gpu_check.make_bundle import PACKAGES, ROOT, select_locked
from fer_tune.common.errors import UserError

RUNNING = f"{sys.version_info[0]}.{sys.version_info[1]}"
# What a machine with a GPU has: torch and what it needs, nothing else.
OF_TORCH = (
    *("torch", "torchgen", "functorch", "filelock", "sympy", "mpmath", "networkx"),
    *("jinja2", "markupsafe", "fsspec"),
)


@pytest.mark.parametrize("python", ["3.11", "3.12", "3.13"])
def test_each_package_is_taken_once_from_the_lock_file_with_its_hashes(python: str) -> None:
    lines = list(select_locked((ROOT / "requirements.lock").read_text(), python))
    assert sorted(line.partition("==")[0] for line in lines) == sorted(PACKAGES)
    assert all("--hash=sha256:" in line and ";" not in line for line in lines)


def test_an_existing_folder_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine")
    with pytest.raises(UserError, match="exists; delete it, or name another"):
        make_bundle.make_bundle(tmp_path, "3.12")
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_nothing_is_left_if_the_packages_cannot_be_downloaded(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    with pytest.raises(UserError, match=r"cannot download the packages for Python 3\.12: .+"):
        make_bundle.make_bundle(tmp_path / "bundle", "3.12")
    assert not list(tmp_path.iterdir())


def test_the_bundle_has_the_faces_that_a_checkout_draws(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    drawn = demo_faces.load_demo_faces()
    demo_faces.save_demo_faces(tmp_path / "faces.npz")
    monkeypatch.setattr(demo_faces, "BUNDLED_FACES", tmp_path / "faces.npz")
    loaded = demo_faces.load_demo_faces()
    assert len(loaded) == 600
    assert np.array_equal(loaded.images, drawn.images)
    assert np.array_equal(loaded.labels, drawn.labels)


@pytest.mark.slow
def test_a_bundle_runs_without_a_network_up_to_the_first_cuda_call(tmp_path: Path) -> None:
    bundle = tmp_path / "bundle"
    make_bundle.make_bundle(bundle, RUNNING)
    assert sum(path.stat().st_size for path in bundle.rglob("*")) < 60e6
    python = make_environment_with_torch(tmp_path)
    environment = {"PATH": os.defpath, "PYTHON": str(python), "CUDA_VISIBLE_DEVICES": ""}
    script = ["sh", str(bundle / "run.sh")]
    done = subprocess.run(script, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.startswith("error: no NVIDIA GPU can be used: ")
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "gpu-check.json").exists()

    # The tests import neither Ray nor MLflow; here they are only skipped.
    text = (bundle / "run.sh").read_text()
    (bundle / "run.sh").write_text(
        text.replace('-P -m benchmarks.gpu_check "$@"', '-m pytest "$@"')
    )
    tests = ["-q", "-p", "no:cacheprovider", "--confcutdir=tests/gpu", "tests/gpu"]
    done = subprocess.run(
        [*script, *tests], cwd=bundle, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "no NVIDIA GPU" in done.stdout
    assert "passed" not in done.stdout


def make_environment_with_torch(folder: Path) -> Path:
    """Make a virtual environment that has torch and no index, and return its Python."""
    venv.create(folder / "venv", with_pip=True)
    packages, torch = Path(sysconfig.get_paths()["purelib"]), folder / "torch"
    torch.mkdir()
    for name in OF_TORCH:
        (torch / name).symlink_to(packages / name)
    (own,) = (folder / "venv" / "lib").glob("python*/site-packages")
    (own / "torch.pth").write_text(f"{torch}\n")
    return folder / "venv" / "bin" / "python"
