"""Speed of one trial on the GPU, beside a bare training loop of the same network."""

import time
from collections.abc import Callable, Iterator
from functools import partial
from importlib.util import find_spec
from statistics import median
from typing import NamedTuple
from unittest import mock

import torch
from torch.nn import functional

from benchmarks.gpu_check.demo_faces import make_trial_data
from benchmarks.matrix_product_speed import measure_matmul_flops
from fer_tune.data.trial_data import TrialData
from fer_tune.model import FerNet, scale_pixels
from fer_tune.study.search_space.load_space import find_space_file, load_space
from fer_tune.trial import cuda_graph, device
from fer_tune.trial.model_cost import count_network_multiply_adds
from fer_tune.trial.train_state import TrialSpec, init_state
from fer_tune.trial.training_loop import fit
from fer_tune.trial_config import BASELINE, TrialConfig

# Four times FER2013's 28,709 faces, rounded down to full batches of 128 and of 256. In so long an
# epoch, the evaluation of a few faces takes little time.
TRAINING_FACES, EVALUATED_FACES = 4 * 28_672, 8
SECONDS, REPEATS = 1.5, 3
MATRIX_SIDE = 8192


class NetworkSpeed(NamedTuple):
    """Median training faces a second of one configuration.

    ours: of a trial. ours_plain: without the CUDA graph.
    bare_float32, bare_bfloat16: of a bare loop: the network, cross-entropy and Adam, on faces that
        are on the GPU. It does not augment or mix faces, average weights or distil, which the best
        of `regularize` does. Its convolutions use TF32, as by torch's defaults.
    flop_per_face: floating-point operations of a face, forward and backward.
    remark: what the trial leaves out.
    """

    name: str
    ours: float
    ours_plain: float
    bare_float32: float
    bare_bfloat16: float
    flop_per_face: float
    remark: str = ""


def measure_product_flops() -> dict[str, float]:
    """Return the operations a second of a large matrix product, by precision."""
    return {name: measure_matmul_flops(name, MATRIX_SIDE) for name in ("float32", "bfloat16")}


def load_best_config() -> tuple[TrialConfig, str]:
    """Return the best configuration of `regularize`, and what it leaves out here."""
    config = TrialConfig.model_validate(load_space(find_space_file("regularize")).first_trials[0])
    config = config.model_copy(update={"data_plan": "original"})
    if find_spec("torchvision") is None:
        return config.model_copy(update={"mixup": 0.0}), "without mixup: no torchvision here"
    return config, ""


def measure_networks(report: Callable[[str], None]) -> list[NetworkSpeed]:
    """Measure the paper's network and the best of `regularize`; the loops take turns."""
    best, remark = load_best_config()
    report("one trial: the paper's network")
    paper = _measure_network("the paper's network", BASELINE, "")
    report("one trial: the best network of regularize")
    return [paper, _measure_network("the best of regularize", best, remark)]


def _measure_network(name: str, config: TrialConfig, remark: str) -> NetworkSpeed:
    gpu, data = device.pick_device(), make_trial_data(TRAINING_FACES, EVALUATED_FACES)
    loops = (
        _run_trial(config, data, gpu, cuda_graph.MIN_STEPS_TO_RECORD),
        _run_trial(config, data, gpu, 10**9),
        _run_bare_loop(config, data, gpu, bfloat16=False),
        _run_bare_loop(config, data, gpu, bfloat16=True),
    )
    for loop in loops:
        next(loop)  # the first epoch is slower
    rates = [[_measure_rate(loop) for loop in loops] for _ in range(REPEATS)]
    ours, plain, float32, bfloat16 = (median(samples) for samples in zip(*rates, strict=True))
    multiply_adds = count_network_multiply_adds(config, len(data.classes))
    flop = 6 * multiply_adds  # the backward pass has two products of each
    return NetworkSpeed(name, ours, plain, float32, bfloat16, flop, remark)


def _measure_rate(loop: Iterator[None]) -> float:
    torch.cuda.synchronize()
    began, epochs = time.perf_counter(), 0
    while not epochs or time.perf_counter() - began < SECONDS:
        next(loop)
        epochs += 1
    torch.cuda.synchronize()
    return epochs * TRAINING_FACES / (time.perf_counter() - began)


def _run_trial(
    config: TrialConfig, data: TrialData, gpu: torch.device, min_steps: int
) -> Iterator[None]:
    spec = TrialSpec(config, epochs=10**6, seed=0)
    state = init_state(spec, TRAINING_FACES, len(data.classes), gpu)
    with mock.patch.object(cuda_graph, "MIN_STEPS_TO_RECORD", min_steps):
        epochs = fit(spec, state, data, gpu)
        next(epochs)
    for _ in epochs:
        yield


def _run_bare_loop(
    config: TrialConfig, data: TrialData, gpu: torch.device, bfloat16: bool
) -> Iterator[None]:
    """Train as a tutorial of PyTorch does, but without a data loader."""
    model = FerNet(config, len(data.classes)).to(gpu).train()
    optimizer = torch.optim.Adam(model.parameters(), lr=config.learning_rate)
    faces = data.training.faces
    images = scale_pixels(torch.from_numpy(faces.images).to(gpu)).contiguous()
    labels = torch.from_numpy(faces.labels).to(gpu)
    autocast = partial(torch.autocast, gpu.type, torch.bfloat16, enabled=bfloat16)
    while True:
        for batch in torch.split(torch.randperm(len(labels), device=gpu), config.batch_size):
            with autocast():
                loss = functional.cross_entropy(model(images[batch]), labels[batch])
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        yield
