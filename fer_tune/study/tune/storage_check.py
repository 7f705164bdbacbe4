"""Whether every machine of a cluster can keep what the study needs kept."""

import secrets
from contextlib import suppress
from typing import Any

from fer_tune.common import atomic
from fer_tune.common.errors import UserError
from fer_tune.common.filesystem import Directory
from fer_tune.study.records.study_storage import explain_storage_errors

TIMEOUT_SECONDS = 60.0  # seconds for all machines to answer


def check_storage_access(storage: str, study_dir: Directory) -> None:
    """Have each machine of the cluster read what is written here, and write beside it.

    Ray must be connected. storage: as the user gave it. Raises UserError where one cannot.
    """
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    word, probe = secrets.token_hex(8), study_dir / atomic.make_partial_name("probe")
    with explain_storage_errors(storage):
        probe.write("driver", word.encode())
    answer = ray.remote(num_cpus=0)(_probe_storage)
    nodes = _list_nodes()
    asked = {
        node: answer.options(
            scheduling_strategy=NodeAffinitySchedulingStrategy(node, soft=False)
        ).remote(probe, node, word)
        for node in nodes
    }
    try:
        # For all of them: to leave Ray while it has something to do may end this process, unheard.
        ray.wait(list(asked.values()), num_returns=len(asked), timeout=TIMEOUT_SECONDS)
        for node, reference in asked.items():
            # Ray takes half a minute to see that a machine is gone, and lists it until then.
            if (problem := _read_probe_result(reference)) and node in _list_nodes():
                raise UserError(
                    f"--storage {storage}: machine {nodes[node]} of the cluster {problem}; give a "
                    "folder that all of them share, or s3://bucket/..."
                )
    finally:
        with suppress(OSError):  # what is left is deleted when the study runs
            for name in ("driver", *nodes):
                probe.delete(name)
            probe.delete_if_empty()


def _list_nodes() -> dict[str, str]:
    """The addresses of the cluster's machines by Ray's id, as far as Ray knows."""
    import ray

    return {each["NodeID"]: each["NodeManagerAddress"] for each in ray.nodes() if each["Alive"]}


def _read_probe_result(reference: Any) -> str | None:
    import ray

    try:
        problem: str | None = ray.get(reference, timeout=0)
    except ray.exceptions.GetTimeoutError:
        return f"did not answer in {TIMEOUT_SECONDS:.0f} s"
    except ray.exceptions.RayError as error:
        return f"cannot run fer_tune ({str(error).strip().splitlines()[-1]})"
    return problem


def _probe_storage(probe: Directory, node: str, token: str) -> str | None:
    """Runs on the machine that is asked; what keeps it from reading or writing."""
    try:
        if probe.read("driver") != token.encode():
            return "has another folder of that name"
        probe.write(node, b"reached")
    except FileNotFoundError:
        return "does not see it"
    except OSError as error:
        return f"cannot write there ({error.strerror or error})"
    return None
