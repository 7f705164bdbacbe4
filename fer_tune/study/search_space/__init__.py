"""Search spaces: loaded from YAML, validated, sampled."""
