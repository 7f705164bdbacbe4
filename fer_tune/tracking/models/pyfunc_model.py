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

from fer_tune.model import FerNet, scale_pixels
from fer_tune.model_config import ModelConfig

_BATCH_SIZE = 512  # faces on the device at once


class ServedModel(PythonModel):
    """A FerNet that takes raw pixels and returns probabilities by class name."""

    def load_context(self, context: Any) -> None:
        """Load the artifacts `weights` (safetensors) and `description` (JSON: config, classes)."""
        weights, description = context.artifacts["weights"], context.artifacts["description"]
        self.load_network(Path(weights), Path(description))

    def load_network(self, weights: Path, description: Path) -> None:
        """Load the network of these two files."""
        about = json.loads(description.read_text())
        self._classes: list[str] = about["classes"]
        config = ModelConfig.model_validate(about["config"])
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        model = FerNet(config, len(self._classes))
        model.load_state_dict(load_file(weights))
        model = model.to(memory_format=torch.channels_last).to(self._device)
        self._model = model.fuse_for_evaluation()

    def predict(
        self,
        context: Any,
        # MLflow reads this annotation, and knows only the bare array.
        model_input: np.ndarray,  # (N, 48, 48) uint8
        params: dict[str, Any] | None = None,
    ) -> pd.DataFrame:  # (N, classes) probabilities by class name, rows summing to 1
        faces = torch.from_numpy(np.ascontiguousarray(model_input))
        with torch.inference_mode():
            probabilities = [
                self._model(scale_pixels(batch.to(self._device))).double().softmax(dim=1).cpu()
                for batch in torch.split(faces, _BATCH_SIZE)
            ]
        return pd.DataFrame(torch.cat(probabilities).numpy(), columns=self._classes)


set_model(ServedModel())
