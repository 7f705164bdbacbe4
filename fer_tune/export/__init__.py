"""The command `export`: a model as an ONNX file, for programs without PyTorch."""
