"""Models in MLflow: logged, served and described."""
