"""`promotion:` which variant is the candidate for use, and what it must reach to become champion."""

from typing import Literal

from pydantic import Field

from pipeline_config.base import Section

Variant = Literal["teacher", "student", "int8", "fp32"]
"""What a road registers of a model: the fine-tuned base, the student, and the forms that a compression backend gives
it, called as the backend without `onnx_`."""


class PromotionConfig(Section):
    """Section `promotion`."""

    variant: Variant = "int8"
    """The candidate, which gets the alias `challenger` and, through the gates, `champion`: the fine-tuned base
    (`teacher`), the student, or its compressed form (`int8` or `fp32`, as `compress.backend` makes it)."""
    auto: bool = True
    """Whether `run` promotes a candidate that passes every gate; if not, `promote` does on request."""
    manual: bool = False
    """Whether a person decides on a candidate that passes every gate: a scheduled run asks with a form in the Prefect
    UI and is suspended until it is answered; `run` leaves it challenger, and `promote` promotes it."""
    metric: Literal["macro_f1", "accuracy"] = "macro_f1"
    """The score that the gates compare, between 0 and 1, on the test set."""
    min_agreement: float = Field(default=0.98, ge=0, le=1)
    """Share of test documents on which a compressed candidate and its parent must give the same label."""
    parent_margin: float = Field(default=0.02, ge=0, le=1)
    """How much of the score a candidate may lose against the model it was made from."""
    champion_margin: float = Field(default=0.02, ge=0, le=1)
    """How much of the score a candidate may lose against the champion, on the same test documents."""
    intended_use: str = ""
    """For the model card: what the model is for, and what it is not for."""
    data_licence: str = ""
    """For the model card: the licences of the texts, the labels and the base model."""
