"""The model as MLflow serves it; run by MLflow from a copy of this file (models from code)."""

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
    """A FerNet that takes faces as they are and names what it sees."""

    def load_context(self, context: Any) -> None:
        """Artifacts: `weights` (safetensors) and `description` (JSON: config, classes)."""
        self.load_network(
            Path(context.artifacts["weights"]), Path(context.artifacts["description"])
        )

    def load_network(self, weights: Path, description: Path) -> None:
        """Become the network of these two files."""
        described = json.loads(description.read_text())
        self._classes: list[str] = described["classes"]
        config = ModelConfig.model_validate(described["config"])
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        model = FerNet(config, len(self._classes))
        model.load_state_dict(load_file(weights))
        self._model = (
            model.to(memory_format=torch.channels_last).to(self._device).fuse_for_evaluation()
        )

    def predict(
        self,
        context: Any,
        # MLflow reads this annotation, and knows the bare array only.
        model_input: np.ndarray,  # (N, 48, 48) uint8
        params: dict[str, Any] | None = None,
    ) -> pd.DataFrame:  # (N, classes) probabilities by class name, rows summing to 1
        faces = torch.from_numpy(np.ascontiguousarray(model_input))
        with torch.inference_mode():
            parts = [
                self._model(scale_pixels(part.to(self._device))).double().softmax(dim=1).cpu()
                for part in torch.split(faces, _BATCH_SIZE)
            ]
        return pd.DataFrame(torch.cat(parts).numpy(), columns=self._classes)


set_model(ServedModel())
