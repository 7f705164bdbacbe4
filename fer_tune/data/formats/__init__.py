"""Every format that people hold faces in, read into one shape: `Decoded`."""

from fer_tune.data.formats.decoded_faces import Decoded
from fer_tune.data.formats.detect_format import read

__all__ = ["Decoded", "read"]
