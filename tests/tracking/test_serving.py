"""The model as MLflow's server serves it, started and asked by the lines of the guide."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from fer_tune.data.faces import EMOTIONS
from fer_tune.model import FaceClassifier, FerNet
from fer_tune.model_config import ModelConfig
from fer_tune.tracking.models.log_model import load_model, log_model
from fer_tune.tracking.store import open_store
from tests.machine import bring, free_port, lacks
from tests.waiting import answers, wait_until

pytestmark = pytest.mark.slow

GUIDE = Path(__file__).parents[2] / "fer_tune" / "README.md"
CONFIG = ModelConfig(depth=2, width=4, hidden_1=16, hidden_2=8)
FACE = np.random.default_rng(0).integers(0, 256, (48, 48), dtype=np.uint8)


def documented(mark: str, port: int) -> str:
    """Return the lines of the guide that hold `mark`, for another port."""
    (lines,) = [x for x in re.findall(r"```sh\n(.*?)```", GUIDE.read_text(), re.S) if mark in x]
    assert "5001" in lines
    return str(lines).replace("5001", str(port))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a working folder whose store has a champion."""
    place = tmp_path_factory.mktemp("serving")
    store = open_store(str(place / "mlruns"))
    client = store.client
    run_id = client.create_run(store.experiment_id).info.run_id
    torch.manual_seed(0)
    address = log_model(store, run_id, FaceClassifier([FerNet(CONFIG, len(EMOTIONS))]), EMOTIONS)
    kept = client.get_logged_model(address.removeprefix("models:/")).artifact_location
    client.create_registered_model("fer_tune")
    client.create_model_version("fer_tune", kept)
    client.set_registered_model_alias("fer_tune", "champion", "1")
    return place


@pytest.fixture(scope="module")
def port(place: Path) -> Iterator[int]:
    """Yield the port of a server on loopback that answers."""
    port = free_port()
    with (place / "server.txt").open("w") as shown:
        server = subprocess.Popen(
            ["bash", "-c", documented("mlflow models serve", port)],
            cwd=place,
            env=environment(),
            stdout=shown,
            stderr=shown,
            start_new_session=True,
        )

    def is_healthy() -> bool:
        assert server.poll() is None, (place / "server.txt").read_text()
        return answers(f"http://127.0.0.1:{port}/ping")

    try:
        wait_until(is_healthy, "the model's server answers")
        yield port
    finally:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()


def environment() -> dict[str, str]:
    """Return the environment of this process, with the programs beside its Python first."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "MLFLOW_DISABLE_TELEMETRY": "true"}


def asked(port: int, body: object) -> tuple[int, dict[str, list[dict[str, float]]]]:
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/invocations",
        json.dumps(body).encode(),
        {"Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def test_one_face_is_answered_with_its_probabilities(port: int, place: Path) -> None:
    _, answer = asked(port, {"inputs": [FACE.tolist()]})
    model = load_model(open_store(str(place / "mlruns")), "models:/fer_tune@champion")
    expected = model.predict(FACE[None])
    assert isinstance(expected, pd.DataFrame)
    assert list(answer["predictions"][0]) == list(EMOTIONS)
    assert answer["predictions"][0] == pytest.approx(expected.loc[0].to_dict(), abs=1e-6)


def test_the_request_of_the_readme_is_answered(port: int, place: Path) -> None:
    if not shutil.which("curl") and (reason := bring("curl")):
        lacks(reason)
    Image.fromarray(FACE).save(place / "face.png")
    done = subprocess.run(
        ["bash", "-c", documented("/invocations", port)],
        cwd=place,
        env=environment(),
        capture_output=True,
        check=True,
        timeout=60,
    )
    _, expected = asked(port, {"inputs": [FACE.tolist()]})
    assert json.loads(done.stdout) == expected


def test_several_faces_are_answered_in_order(port: int) -> None:
    faces = [FACE, FACE[::-1], FACE[:, ::-1]]
    _, together = asked(port, {"inputs": [face.tolist() for face in faces]})
    alone = [asked(port, {"inputs": [face.tolist()]})[1]["predictions"][0] for face in faces]
    assert [list(each.values()) for each in together["predictions"]] == [
        pytest.approx(list(each.values()), abs=1e-6) for each in alone
    ]


@pytest.mark.parametrize(
    "inputs",
    [[[1, 2]], [[[0] * 64] * 64], [], "face"],
    ids=["one row", "another size", "nothing", "a word"],
)
def test_what_is_no_face_is_refused_and_the_next_face_answered(port: int, inputs: object) -> None:
    status, _ = asked(port, {"inputs": inputs})
    assert status == 400
    assert asked(port, {"inputs": [FACE.tolist()]})[0] == 200
