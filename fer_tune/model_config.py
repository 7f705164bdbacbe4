"""The shape of a network, known without torch: that takes a second to import."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Head = Literal["hidden", "average"]


class ModelConfig(BaseModel):
    """The shape of a FerNet. The defaults are the paper's network (2.6 M parameters).

    depth: convolution blocks, each halving the face's side (48, 24, 12, 6, 3, 1).
    width: channels of the first block; every further block doubles them.
    convolutions: in a block; all but the first are behind its pooling. The fifth block has one,
        since a single pixel is left behind it.
    residual: whether a shortcut leads past those behind the pooling (He et al. 2016, section 3.2),
        whose channels do not grow; unused where there are none.
    head: what follows the blocks. `hidden` is two hidden layers over all that the last block
        gives; `average` is none, over its channels' means (Lin et al. 2014, section 3.2).
    hidden_1, hidden_2: units of the two hidden fully connected layers; unused without them.
    dropout: share of units dropped after each hidden layer, or of the channels' means.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    depth: Annotated[int, Field(ge=1, le=5)] = 3
    width: Annotated[int, Field(ge=4, le=256)] = 32
    convolutions: Annotated[int, Field(ge=1, le=3)] = 1
    residual: bool = False
    head: Head = "hidden"
    hidden_1: Annotated[int, Field(ge=8, le=4096)] = 512
    hidden_2: Annotated[int, Field(ge=8, le=4096)] = 256
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.25
