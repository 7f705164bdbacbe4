"""Check that every machine of a cluster can use the storage."""

import secrets
from contextlib import suppress
from typing import Any

from fer_tune.common import atomic
from fer_tune.common.disk_or_bucket import Directory
from fer_tune.common.errors import UserError
from fer_tune.study.records.study_storage import explain_storage_errors

TIMEOUT_SECONDS = 60.0  # for all machines together


def check_storage_access(storage: str, study_dir: Directory) -> None:
    """Check that each machine of the cluster reads and writes in the study's folder.

    Ray must be connected.

    storage: the value of `--storage`, for errors.

    Raises UserError if a machine cannot.
    """
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    token, probe = secrets.token_hex(8), study_dir / atomic.make_partial_name("probe")
    with explain_storage_errors(storage):
        probe.write("driver", token.encode())
    task, nodes, results = ray.remote(num_cpus=0)(_probe_storage), _list_nodes(), {}
    for node in nodes:
        strategy = NodeAffinitySchedulingStrategy(node, soft=False)
        results[node] = task.options(scheduling_strategy=strategy).remote(probe, node, token)
    try:
        # All tasks must end first: leaving Ray during a task may end this process silently.
        ray.wait(list(results.values()), num_returns=len(results), timeout=TIMEOUT_SECONDS)
        for node, reference in results.items():
            # Ray lists a dead machine for another half a minute.
            if (problem := _read_probe_result(reference)) and node in _list_nodes():
                raise UserError(
                    f"--storage {storage}: machine {nodes[node]} of the cluster {problem}; give a "
                    "folder that all machines share, or s3://bucket/..."
                )
    finally:
        with suppress(OSError):  # the run of the study deletes the rest
            for name in ("driver", *nodes):
                probe.delete(name)
            probe.delete_if_empty()


def _list_nodes() -> dict[str, str]:
    """Return the addresses of the cluster's machines by Ray's id."""
    import ray

    return {node["NodeID"]: node["NodeManagerAddress"] for node in ray.nodes() if node["Alive"]}


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
    """Return why this machine cannot read or write the probe, if so. Runs on that machine."""
    try:
        if probe.read("driver") != token.encode():
            return "has another folder of this name"
        probe.write(node, b"reached")
    except FileNotFoundError:
        return "does not have this folder"
    except OSError as error:
        return f"cannot write into it ({error.strerror or error})"
    return None
