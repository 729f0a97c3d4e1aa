"""The shop of the promotion tests, with a run behind it."""

from tests.promotion.shop import mlflow_template, shop, task_models  # noqa: F401
