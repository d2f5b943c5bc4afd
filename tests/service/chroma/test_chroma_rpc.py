"""CHROMA_VECTOR by RPC, against a real Chroma: the contract's answers."""

import uuid
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from service.settings import Settings
from tests.openai_server.faults import Fault
from tests.openai_server.server import OpenAiServer
from tests.openai_server.vectors import DIMENSION
from tests.service.application import Api, in_process

INVOICES = ["invoice of the electricity works", "invoice of the water works", "minutes of the board meeting"]


async def add(api: Api, collection: str, texts: list[str], **more: Any) -> dict[str, Any]:
    metadatas = more.pop("metadatas", [{"n": position} for position in range(len(texts))])
    answer: dict[str, Any] = await api.data("CHROMA_VECTOR.add_documents", collection, texts, metadatas, **more)
    return answer


async def test_documents_are_added_found_counted_and_deleted(chroma_api: Api, collection: str) -> None:
    added = await add(chroma_api, collection, INVOICES, kwargs={"ids": ["e", "w", "m"]})
    assert added == {"success": True, "collection_name": collection, "documents_added": 3, "ids": ["e", "w", "m"]}

    found = await chroma_api.data("CHROMA_VECTOR.query_documents", collection, ["water invoice", "board"], 2)
    assert found["success"] is True
    assert found["collection_name"] == collection
    results = found["results"]
    assert [ids[0] for ids in results["ids"]] == ["w", "m"]
    assert [len(ids) for ids in results["ids"]] == [2, 2]
    assert results["documents"][0][0] == INVOICES[1]
    assert results["metadatas"][0][0] == {"n": 1}
    assert results["distances"][0] == sorted(results["distances"][0])

    deleted = await chroma_api.data("CHROMA_VECTOR.delete_documents", collection, kwargs={"ids": ["w"]})
    assert deleted == {"success": True, "collection_name": collection, "deleted": True}
    info = await chroma_api.data("CHROMA_VECTOR.get_collection_info", collection)
    assert info == {"success": True, "collection_name": collection, "document_count": 2}


@pytest.mark.parametrize("method", ["add_documents", "query_documents"])
async def test_the_callers_texts_stay_out_of_the_log(
    chroma_api: Api, collection: str, openai: OpenAiServer, caplog: pytest.LogCaptureFixture, method: str
) -> None:
    await add(chroma_api, collection, INVOICES)
    # Embeddings that are known already would not be asked for again.
    text = f"{INVOICES[0]} for {method}"
    openai.faults.append(Fault(status=400, message=f"cannot embed: {text}"))
    more = [[{"n": 1}]] if method == "add_documents" else []
    answer = await chroma_api.data(f"CHROMA_VECTOR.{method}", collection, [text], *more)
    assert answer["success"] is False
    assert text in answer["error"]
    assert "chroma_vector_failed" in caplog.text
    assert text not in caplog.text


async def test_ids_are_made_where_none_are_given(chroma_api: Api, collection: str) -> None:
    added = await add(chroma_api, collection, INVOICES)
    assert len({str(uuid.UUID(name)) for name in added["ids"]}) == 3


async def test_an_id_that_is_there_keeps_its_document(chroma_api: Api, collection: str) -> None:
    await add(chroma_api, collection, ["the first text"], kwargs={"ids": ["1"]})
    again = await add(chroma_api, collection, ["another text"], kwargs={"ids": ["1"]})
    assert again["documents_added"] == 1
    found = await chroma_api.data("CHROMA_VECTOR.query_documents", collection, "text")
    assert found["results"]["documents"] == [["the first text"]]


async def test_filters_of_one_and_of_several_fields(chroma_api: Api, collection: str) -> None:
    metadatas = [{"source": "a", "year": 1}, {"source": "a", "year": 2}, {"source": "b", "year": 1}]
    await add(chroma_api, collection, INVOICES, metadatas=metadatas, kwargs={"ids": ["1", "2", "3"]})
    where = {"source": "a", "year": 1}
    found = await chroma_api.data("CHROMA_VECTOR.query_documents", collection, ["invoice"], kwargs={"where": where})
    assert found["results"]["ids"] == [["1"]]
    await chroma_api.data("CHROMA_VECTOR.delete_documents", collection, where)
    await chroma_api.data("CHROMA_VECTOR.delete_documents", collection, {"year": {"$gt": 1}})
    found = await chroma_api.data("CHROMA_VECTOR.query_documents", collection, ["invoice"])
    assert found["results"]["ids"] == [["3"]]


async def test_reading_a_collection_that_nobody_made_finds_it_empty_and_makes_none(
    chroma_api: Api, collection: str, openai: OpenAiServer
) -> None:
    found = await chroma_api.data("CHROMA_VECTOR.query_documents", collection, ["a", "b"])
    assert found["success"] is True
    assert found["results"]["ids"] == found["results"]["documents"] == [[], []]
    assert openai.requests == []
    info = await chroma_api.data("CHROMA_VECTOR.get_collection_info", collection)
    assert info["document_count"] == 0
    deleted = await chroma_api.data("CHROMA_VECTOR.delete_documents", collection, {"a": 1})
    assert deleted["deleted"] is True
    analysis = await chroma_api.data("CHROMA_VECTOR.analyze_collection", collection)
    assert set(analysis["analysis"].values()) == {0}
    assert await chroma_api.app.state.services.gateways.chroma.find(collection) is None  # type: ignore[attr-defined]


async def test_a_made_collection_answers_as_an_empty_one(chroma_api: Api, collection: str) -> None:
    made = await chroma_api.data("CHROMA_VECTOR.create_chroma_instance", collection)
    assert made.keys() == {"success", "collection_name", "message", "collection_id"}
    again = await chroma_api.data("CHROMA_VECTOR.create_chroma_instance", collection)
    assert uuid.UUID(again["collection_id"]) == uuid.UUID(made["collection_id"])
    found = await chroma_api.data("CHROMA_VECTOR.query_documents", collection, ["a"])
    assert found["results"]["ids"] == [[]]


async def test_the_analysis_counts_every_byte(chroma_api: Api, collection: str) -> None:
    texts = ["déjà vu", "x" * 2048]
    metadatas: list[dict[str, Any]] = [{"société": "Müller & Fils", "n": 1}, {}]
    await add(chroma_api, collection, texts, metadatas=metadatas)
    expected = {
        "embeddings_size": 2 * DIMENSION * 4,
        "documents_size": len(texts[0].encode()) + 2048,
        "metadata_size": len(msgspec.json.encode(metadatas[0])),
        "document_count": 2,
    }
    expected["total_size"] = expected["embeddings_size"] + expected["documents_size"] + expected["metadata_size"]
    analysis = await chroma_api.data("CHROMA_VECTOR.analyze_collection", collection)
    assert analysis == {"success": True, "collection_name": collection, "analysis": expected}
    report = await chroma_api.data("CHROMA_VECTOR.generate_report", collection)
    assert report["report"] == expected
    assert report.keys() == {"success", "collection_name", "report", "message"}
    ready = await chroma_api.data("CHROMA_VECTOR.create_analyzer_instance", collection)
    assert ready.pop("message")
    assert ready == {"success": True, "collection_name": collection, "analyzer_ready": True}


async def test_the_storage_in_reflexs_words(chroma_api: Api, collection: str) -> None:
    await add(chroma_api, collection, ["x" * 2048], metadatas=[{"n": 12345}])
    answer = await chroma_api.data("CHROMA_VECTOR.analyze_storage_full", collection, 0.00001)
    assert answer == {
        "success": True,
        "data": {
            "storage_size_gb": 0.000008,
            "storage_percentage": 76,
            "storage_details": (
                "Total amount of documents: 1\n"
                "embeddings: 6.00 KB (74.9%)\ndocuments: 2.00 KB (25.0%)\nmetadata: 11 B (0.1%)"
            ),
        },
    }
    # A whole number of GB is a number too.
    assert (await chroma_api.data("CHROMA_VECTOR.analyze_storage_full", collection, 10))["success"] is True


@pytest.mark.parametrize(
    ("method", "args", "error"),
    [
        ("add_documents", [["a", "b"], [{"n": 1}]], "2 documents, but 1 metadatas"),
        ("add_documents", [["a"], [{"n": 1}], ["1", "2"]], "1 documents, but 2 ids"),
        ("add_documents", [["a", "b"], None, ["1", "1"]], "twice"),
        ("add_documents", [["a", ""], None], "a document is empty"),
        ("add_documents", [["a"], None, [""]], "an id is empty"),
        ("add_documents", [[], []], "documents is empty"),
        ("add_documents", [["a"], [{"nested": {"x": 1}}]], "metadatas"),
        ("query_documents", [[]], "query_texts is empty"),
        ("query_documents", [["a"] * 1001], "more than 1000 texts"),
        ("query_documents", [["a"], 0], "n_results"),
        ("query_documents", [["a"], 10**12], "n_results"),
        ("query_documents", [["a"], 1, {"x": {"$no": 1}}], "where"),
        ("delete_documents", [], "ids or where"),
        ("delete_documents", [{}, []], "ids or where"),
    ],
)
async def test_what_cannot_be_done_is_said(
    chroma_api: Api, collection: str, method: str, args: list[Any], error: str
) -> None:
    await add(chroma_api, collection, ["one document"])
    answer = await chroma_api.data(f"CHROMA_VECTOR.{method}", collection, *args)
    assert answer.keys() == {"success", "error", "collection_name"}
    assert (answer["success"], answer["collection_name"]) == (False, collection)
    assert error in answer["error"]
    info = await chroma_api.data("CHROMA_VECTOR.get_collection_info", collection)
    assert info["document_count"] == 1


@pytest.mark.parametrize("name", ["ab", "a b", "../../etc", "..", "a/b?c#d", "*", "été"])
async def test_a_name_that_chroma_does_not_take_is_said(chroma_api: Api, name: str) -> None:
    for method, args in (("add_documents", [["a"], None]), ("get_collection_info", []), ("analyze_storage_full", [])):
        answer = await chroma_api.data(f"CHROMA_VECTOR.{method}", name, *args)
        assert answer["success"] is False
        assert "3 to 512 characters" in answer["error"]


@pytest.mark.parametrize(
    ("method", "args"),
    [
        ("get_collection_info", ["a:b"]),
        ("get_collection_info", ["a\nb"]),
        ("get_collection_info", [""]),
        ("get_collection_info", [5]),
        ("get_collection_info", []),
        ("add_documents", ["abc", "one text", []]),
        ("add_documents", ["abc", [1], [{}]]),
        ("add_documents", ["abc", ["a"]]),
        ("query_documents", ["abc", ["a"], "10"]),
        ("query_documents", ["abc", ["a"], 1, "where"]),
        ("analyze_storage_full", ["abc", "10"]),
    ],
)
async def test_arguments_that_do_not_fit_are_refused(chroma_api: Api, method: str, args: list[Any]) -> None:
    answer = await chroma_api.call(f"CHROMA_VECTOR.{method}", *args)
    assert answer["error"]["code"] == "INVALID_ARGS"


async def test_the_registry_of_collections_is_in_the_same_namespace(chroma_api: Api, collection: str) -> None:
    entry = await chroma_api.data("CHROMA_VECTOR.register_collection_user", "u1", collection, "s1")
    assert entry["collection_name"] == collection
    beat = await chroma_api.data("CHROMA_VECTOR.heartbeat_collection", "u1", collection)
    assert beat["heartbeat_updated"] is True


async def test_without_chroma_every_method_says_so(make_settings: Callable[..., Settings]) -> None:
    calls: list[tuple[str, list[Any]]] = [
        ("add_documents", [["a"], [{"n": 1}]]),
        ("query_documents", [["a"]]),
        ("delete_documents", [{"n": 1}]),
        ("get_collection_info", []),
        ("analyze_collection", []),
        ("create_chroma_instance", []),
        ("create_analyzer_instance", []),
        ("generate_report", []),
        ("analyze_storage_full", []),
    ]
    async with in_process(make_settings()) as api:
        for method, args in calls:
            answer = await api.data(f"CHROMA_VECTOR.{method}", "abc", *args)
            assert answer == {
                "success": False,
                "error": "Chroma is not configured (CHROMA_HOST is not set)",
                "collection_name": "abc",
            }


async def test_without_openai_what_needs_no_vectors_works(
    chroma_settings: Callable[..., Settings], collection: str
) -> None:
    async with in_process(chroma_settings(OPENAI_API_KEY="", OPENAI_BASE_URL="")) as api:
        answer = await add(api, collection, ["a"])
        assert answer["success"] is False
        assert "OPENAI_API_KEY" in answer["error"]
        assert (await api.data("CHROMA_VECTOR.get_collection_info", collection))["success"] is True
