"""The search space: loaded from YAML, validated, sampled."""
