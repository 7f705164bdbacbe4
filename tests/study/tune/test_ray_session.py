import os
import socket
import subprocess
import sys
from unittest.mock import patch

import pytest

from fer_tune.common.errors import UserError
from fer_tune.study.tune.ray_session import open_ray_session, set_ray_environment


@pytest.mark.parametrize("address", ["127.0.0.1:{port}", "no.such.host:{port}"])
def test_an_address_without_a_cluster_is_refused_at_once(address: str) -> None:
    with socket.socket() as taken:
        # Bound but not listening, so that no other process takes the port.
        taken.bind(("127.0.0.1", 0))
        where = address.format(port=taken.getsockname()[1])
        with pytest.raises(UserError, match="no Ray cluster answers"), open_ray_session(where):
            pass


def test_variables_of_ray_tune_do_not_change_a_study() -> None:
    # Ray Tune raises for the first two.
    old = {
        "TUNE_RESULT_DIR": "a",
        "RAY_AIR_LOCAL_CACHE_DIR": "b",
        "TUNE_DISABLE_SIGINT_HANDLER": "1",
    }
    with patch.dict(os.environ, old | {"TUNE_GLOBAL_CHECKPOINT_S": "1"}):
        set_ray_environment()
        assert not old.keys() & os.environ.keys()
        assert os.environ["TUNE_GLOBAL_CHECKPOINT_S"] == "inf"


# In its own process, as Ray reads its address at import.
LISTENS = """
import socket
from fer_tune.study.tune.ray_session import open_ray_session
with open_ray_session(None):
    import ray
    (node,) = ray.nodes()
    ports = [node["NodeManagerPort"], node["ObjectManagerPort"]]
    ports.append(int(ray.get_runtime_context().gcs_address.rpartition(":")[2]))
    for host in ["127.0.0.1", "127.0.0.2"]:
        print(host, *[not socket.socket().connect_ex((host, port)) for port in ports])
"""


def test_a_local_ray_listens_on_loopback_only() -> None:
    # A server that listens on all addresses also listens on 127.0.0.2.
    done = subprocess.run([sys.executable, "-c", LISTENS], capture_output=True, text=True)
    shown = done.stdout.splitlines()
    assert shown == ["127.0.0.1 True True True", "127.0.0.2 False False False"], done.stderr
