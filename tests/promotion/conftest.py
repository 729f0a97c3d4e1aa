"""Fixtures of `shop` for every test in this folder."""

from tests.promotion.shop import mlflow_template, shop, task_models  # noqa: F401  # fixtures, found by name
