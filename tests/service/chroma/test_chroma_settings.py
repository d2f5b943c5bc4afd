"""What the environment says about Chroma and the OpenAI endpoint."""

import pytest

from service.settings import ChromaSettings, OpenAiSettings, Settings


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        pytest.param({}, ChromaSettings(None, 0, tls=False), id="not set"),
        pytest.param(
            {"CHROMA_HOST": "None", "CHROMA_PORT": "None", "CHROMA_SSL": "None"},
            ChromaSettings(None, 0, tls=False),
            id="None, as task definitions write it",
        ),
        pytest.param({"CHROMA_HOST": "chroma"}, ChromaSettings("chroma", 8000, tls=False), id="host alone"),
        pytest.param(
            {"CHROMA_HOST": "chroma", "CHROMA_PORT": "443", "CHROMA_SSL": "True", "CHROMA_TOKEN": "word"},
            ChromaSettings("chroma", 443, tls=True, token="word"),
            id="all",
        ),
    ],
)
def test_where_chroma_is(environ: dict[str, str], expected: ChromaSettings) -> None:
    assert Settings.from_env(environ).chroma == expected


def test_the_model_of_production_is_the_default() -> None:
    assert Settings.from_env({}).openai == OpenAiSettings(None, "text-embedding-ada-002", None)


def test_the_key_is_not_shown() -> None:
    settings = Settings.from_env(
        {"OPENAI_API_KEY": "some-key", "EMBEDDINGS_MODEL": "other", "CHROMA_HOST": "h", "CHROMA_TOKEN": "some-key"}
    )
    assert settings.openai.embeddings_model == "other"
    assert "some-key" not in repr(settings)
