"""The MLflow side of a served classifier (model from code). It is copied into each version and needs no Textmill.

Column `text: string` in; `label: string, score: double` out. What computes is `artifacts/serve.py` of the version.
"""

import importlib.util
from pathlib import Path

import pandas as pd  # type: ignore[import-untyped]  # has no types
from mlflow.models import set_model
from mlflow.pyfunc import PythonModel


class Served(PythonModel):  # type: ignore[misc]  # mlflow has no types here
    def load_context(self, context):  # type: ignore[no-untyped-def]  # the signature is MLflow's
        serve = Path(context.artifacts["serve"])
        spec = importlib.util.spec_from_file_location("textmill_serve", serve)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        self.classifier = module.Classifier(serve.parent.parent)

    def predict(self, context, model_input: pd.DataFrame, params=None) -> pd.DataFrame:  # type: ignore[no-untyped-def]  # noqa: ARG002
        rows = self.classifier.predict([str(text) for text in model_input["text"]])
        return pd.DataFrame(rows, columns=["label", "score"]).astype({"score": "float64"})


set_model(Served())
