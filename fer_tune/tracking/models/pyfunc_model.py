"""The model that MLflow serves. MLflow runs a copy of this file ("models from code")."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from mlflow.models import set_model
from mlflow.pyfunc.model import PythonModel
from safetensors.torch import load_file

from fer_tune.model import FaceClassifier, FerNet
from fer_tune.model_config import VIEWS, ModelConfig


def read_classifier(folder: Path) -> tuple[FaceClassifier, list[str]]:
    """Return the classifier in a folder, and the names of its classes.

    description.json has `config` and `classes`. Models of earlier versions have no more: they
    are single networks. Others have `networks`, their number, `tta` and `temperature`.
    """
    about = json.loads((folder / "description.json").read_text())
    config, classes = ModelConfig.model_validate(about["config"]), list(about["classes"])
    networks = [FerNet(config, len(classes)) for _ in range(about.get("networks", 1))]
    tta, temperature = about.get("tta", "none"), about.get("temperature", 1.0)
    if tta not in VIEWS:
        raise ValueError(f"unknown views: {tta}")
    classifier = FaceClassifier(networks, tta, temperature)
    classifier.load_weights(load_file(folder / "weights.safetensors"))
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return classifier.to(memory_format=torch.channels_last).to(device), classes


class ServedModel(PythonModel):
    """A classifier that takes raw pixels and returns probabilities by class name."""

    def load_context(self, context: Any) -> None:
        """Load the artifacts `weights` (safetensors) and `description` (JSON)."""
        self.load_networks(Path(context.artifacts["weights"]).parent)

    def load_networks(self, folder: Path) -> None:
        """Load the networks in a folder."""
        classifier, self._classes = read_classifier(folder)
        self._classifier = classifier.fuse_for_evaluation()

    def predict(
        self,
        context: Any,
        # MLflow reads this annotation, and knows only the bare array.
        model_input: np.ndarray,  # (N, 48, 48) uint8
        params: dict[str, Any] | None = None,
    ) -> pd.DataFrame:  # (N, classes) probabilities by class name, rows summing to 1
        probabilities = self._classifier.predict_probabilities(model_input)
        return pd.DataFrame(probabilities, columns=self._classes)


set_model(ServedModel())
