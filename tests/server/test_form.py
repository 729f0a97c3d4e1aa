"""The form of a deployment in the Prefect UI: which fields it has, which names it offers, what it refuses."""

from __future__ import annotations

import pytest
from prefect.utilities.schema_tools.validation import ValidationError, validate

from flows.operation.deployments import form

STAGES = ["ingest", "pretrain"]
NODES = ["ingest.corpus", "ingest.labels", "pretrain"]
NAMES = ["ingest", "pretrain", "ingest.corpus", "ingest.labels"]


def test_the_form_of_the_road_offers_stages_and_nodes() -> None:
    fields = form(STAGES, NODES)["properties"]
    assert list(fields) == ["config", "overrides", "start_from", "until", "force"]
    assert fields["start_from"]["enum"] == fields["until"]["enum"] == ["", *NAMES]
    assert fields["force"]["items"] == {"type": "string", "enum": NAMES}
    assert fields["config"]["default"] == "textmill.yaml"
    assert all(field["description"] and field["title"] for field in fields.values())


def test_the_form_of_a_stage_offers_its_own_nodes_alone() -> None:
    fields = form(STAGES, NODES, only="ingest")["properties"]
    assert list(fields) == ["config", "overrides", "force"]
    assert fields["force"]["items"]["enum"] == ["ingest", "ingest.corpus", "ingest.labels"]


def test_without_a_valid_config_any_name_may_be_written() -> None:
    fields = form([], [])["properties"]
    assert "enum" not in fields["until"]
    validate({"until": "anything"}, form([], []), raise_on_error=True)


@pytest.mark.parametrize("wrong", [{"until": "nonsense"}, {"force": ["nonsense"]}, {"overrides": "a=b"}])
def test_what_the_form_does_not_offer_is_refused(wrong: dict[str, object]) -> None:
    schema = form(STAGES, NODES)
    validate({"until": "ingest.corpus", "force": ["pretrain"], "overrides": ["a=b"]}, schema, raise_on_error=True)
    with pytest.raises(ValidationError, match=next(iter(wrong))):
        validate(wrong, schema, raise_on_error=True)
