"""What a study needs to run: the tracking store, Ray, and the resources of a trial."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress

from rich.console import Console

from fer_tune.common.console import show_step
from fer_tune.common.safe_text import pluralize
from fer_tune.search.search_plan import SearchPlan
from fer_tune.study.tune.measure_gpu_sharing import measure_gpu_share
from fer_tune.study.tune.ray_session import open_ray_session
from fer_tune.study.tune.resources import Machine, RunResources, allocate_resources
from fer_tune.study.tune.shared_data import StudyData
from fer_tune.study.tune.storage_check import check_storage_access
from fer_tune.tracking.store import Store, open_store


@contextmanager
def open_store_and_ray(
    console: Console, plan: SearchPlan, *, with_ray: bool
) -> Iterator[tuple[Store, Sequence[Machine]]]:
    """Open the tracking store and connect to Ray at the same time, as each takes seconds.

    Yields the store and Ray's machines; no machines without Ray.
    Raises UserError if one of them cannot be opened, after closing the other.
    """
    with ThreadPoolExecutor(1) as executor, ExitStack() as stack:
        opening = executor.submit(open_store, plan.tracking_uri)
        with show_step(console, f"connecting to MLflow{' and Ray' if with_ray else ''}"):
            with suppress(TimeoutError):  # report a wrong address before Ray starts
                opening.result(timeout=0.2)
            machines: Sequence[Machine] = []
            if with_ray:
                machines = stack.enter_context(open_ray_session(plan.ray_address))
            store = opening.result()
        yield store, machines


def make_run_resources(
    console: Console, plan: SearchPlan, machines: Sequence[Machine], faces: StudyData
) -> RunResources:
    """Return where the study runs and the resources of each trial, measured if the user asks.

    faces: training faces, to measure how many trials share a GPU best.
    Raises UserError if a machine cannot reach the storage, or no machine has the resources.
    """
    settings, storage = plan.settings, plan.storage
    shared_dir = storage.open_study_directory(settings.name)
    if plan.ray_address is not None:
        with show_step(console, "checking that every machine reaches the storage"):
            check_storage_access(str(storage), shared_dir)
    with show_step(console, "choosing the resources of a trial"):
        request, speeds = measure_gpu_share(plan.request, machines, faces)
    for count, speed in speeds.items():
        together = f"{speed.faces_per_second:,.0f} faces a second together"
        console.print(f"Trials at once on a GPU: {count}, {together}.")
    resources = allocate_resources(machines, settings.trials, request)
    console.print(f"Study {settings.name}: {pluralize(settings.trials, 'trial')}, {resources}.")
    # A cluster may grow while the study runs.
    at_once = resources.concurrent if plan.ray_address is None else request.concurrent
    return RunResources(plan.folder, shared_dir, resources, at_once, plan.time_budget)
