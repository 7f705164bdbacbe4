import socket

import pytest

from fer_tune.errors import UserError
from fer_tune.study.session import ray_session


@pytest.mark.parametrize("address", ["127.0.0.1:{port}", "ray://127.0.0.1:{port}", "nowhere"])
def test_an_address_where_no_cluster_answers_is_told_at_once(address: str) -> None:
    with socket.socket() as taken:
        # Bound but not listening: nothing else can take the port meanwhile.
        taken.bind(("127.0.0.1", 0))
        where = address.format(port=taken.getsockname()[1])
        with pytest.raises(UserError, match="no Ray cluster answers"), ray_session(where):
            pass
