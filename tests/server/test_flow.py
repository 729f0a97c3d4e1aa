"""The flow as a form in the Prefect UI, which renders flat types well and unions not at all."""

from flows.corpus_to_model import corpus_to_model


def test_the_form_is_flat_and_documented() -> None:
    properties = corpus_to_model.parameters.model_dump()["properties"]
    assert set(properties) == {"config", "overrides", "start_from", "until", "only", "force"}
    for name, field in properties.items():
        assert field["type"] in ("string", "array"), name
        assert field["description"].endswith("."), name
    assert corpus_to_model.parameters.required == []
    assert properties["start_from"]["title"] == "Start from"
