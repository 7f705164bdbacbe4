"""The shape of a network, known without torch: that takes a second to import."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field


class ModelConfig(BaseModel):
    """The shape of a FerNet. The defaults are the paper's network (2.6 M parameters).

    depth: convolution blocks, each halving the face's side (48, 24, 12, 6, 3, 1).
    width: channels of the first block; every further block doubles them.
    hidden_1, hidden_2: units of the two hidden fully connected layers.
    dropout: share of units dropped after each hidden layer.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    depth: Annotated[int, Field(ge=1, le=5)] = 3
    width: Annotated[int, Field(ge=4, le=256)] = 32
    hidden_1: Annotated[int, Field(ge=8, le=4096)] = 512
    hidden_2: Annotated[int, Field(ge=8, le=4096)] = 256
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.25
