"""A model as an ONNX file, and the check that it predicts the same."""

import json
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnxruntime
import torch

from fer_tune.common.errors import UserError
from fer_tune.common.version import read_code_version
from fer_tune.data.demo.portraits import draw_portraits
from fer_tune.data.faces import EMOTIONS, SIDE
from fer_tune.model import FaceClassifier

INPUT, OUTPUT = "faces", "probabilities"
CHECKED_FACES = 256
TOLERANCE = 1e-4  # of a probability


def write_onnx_file(model: FaceClassifier, classes: Sequence[str], path: Path) -> None:
    """Write the whole model: scaling of pixels, views, mean, temperature and softmax.

    Its input `faces` is (N, 48, 48) uint8 for any N, its output `probabilities` (N, classes)
    float32. The metadata `classes` names the columns, as a JSON list.
    """
    example = torch.zeros(2, SIDE, SIDE, dtype=torch.uint8)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about PyTorch's own code
        program = torch.onnx.export(
            model.cpu().fuse_for_evaluation(),
            (example,),
            input_names=[INPUT],
            output_names=[OUTPUT],
            dynamic_shapes=({0: torch.export.Dim("N")},),
            verbose=False,
        )
    assert program is not None
    program.model.metadata_props["classes"] = json.dumps(list(classes))
    program.save(path, external_data=False)


def check_onnx_file(model: FaceClassifier, path: Path) -> float:
    """Return the largest difference between probabilities of the file and of the model.

    Raises UserError if it is not below TOLERANCE.
    """
    rng = np.random.default_rng(0)
    names = [str(name) for name in rng.choice(EMOTIONS, CHECKED_FACES)]
    faces = draw_portraits(names, rng)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (exported,) = session.run([OUTPUT], {INPUT: faces})
    difference = float(np.abs(exported - model.cpu().predict_probabilities(faces)).max())
    if not difference < TOLERANCE:
        raise UserError(
            f"the ONNX file predicts other probabilities than the model (by up to {difference:.1g})"
            "; nothing was written. Update onnxscript and onnxruntime, and try again"
        )
    return difference


def describe_model(uri: str, classes: Sequence[str]) -> str:
    """Return the JSON file beside the ONNX file: which model it is, its input and its output."""
    description = {
        "model": uri,
        "version": read_code_version(),
        "classes": list(classes),
        "input": {
            "name": INPUT,
            "shape": ["N", SIDE, SIDE],
            "type": "uint8",
            "values": "grey, 0 is black and 255 is white",
        },
        "output": {"name": OUTPUT, "shape": ["N", len(classes)], "type": "float32"},
    }
    return json.dumps(description, indent=2) + "\n"
