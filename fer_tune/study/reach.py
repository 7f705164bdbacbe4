"""Whether every machine of a cluster can keep what the study needs kept."""

import secrets
from typing import Any

from fer_tune.errors import UserError
from fer_tune.folder import Folder
from fer_tune.study.storage import unreachable

PATIENCE = 60.0  # seconds for all machines to answer


def require_reach(storage: str, study: Folder) -> None:
    """Have each machine of the cluster read what is written here, and write beside it.

    Ray must be connected. storage: as the user gave it. Raises UserError where one cannot.
    """
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    word, probe = secrets.token_hex(8), study / "probe"
    try:
        probe.write("driver", word.encode())
    except OSError as error:
        raise unreachable(storage, error) from error
    answer = ray.remote(num_cpus=0)(_answer)
    nodes = {each["NodeID"]: each["NodeManagerAddress"] for each in ray.nodes() if each["Alive"]}
    asked = {
        answer.options(scheduling_strategy=NodeAffinitySchedulingStrategy(node, soft=False)).remote(
            probe, node, word
        ): address
        for node, address in nodes.items()
    }
    try:
        for reference, address in asked.items():
            if problem := _result(reference):
                raise UserError(
                    f"--storage {storage}: machine {address} of the cluster {problem}; give a "
                    "folder that all of them share, or s3://bucket/..."
                )
    finally:
        probe.remove()


def _result(reference: Any) -> str | None:
    import ray

    try:
        problem: str | None = ray.get(reference, timeout=PATIENCE)
    except ray.exceptions.GetTimeoutError:
        return f"did not answer in {PATIENCE:.0f} s"
    except ray.exceptions.RayError as error:
        return f"cannot run fer_tune ({str(error).strip().splitlines()[-1]})"
    return problem


def _answer(probe: Folder, node: str, word: str) -> str | None:
    """Runs on the machine that is asked; what keeps it from reading or writing."""
    try:
        if probe.read("driver") != word.encode():
            return "has another folder of that name"
        probe.write(node, b"reached")
    except FileNotFoundError:
        return "does not see it"
    except OSError as error:
        return f"cannot write there ({error.strerror or error})"
    return None
