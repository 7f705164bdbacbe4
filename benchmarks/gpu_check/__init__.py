"""One command that checks and measures fer_tune on an NVIDIA GPU, without Ray and MLflow."""
