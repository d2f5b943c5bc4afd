"""Our messages are what the installed Celery and kombu would have sent."""

import base64
import json
from typing import Any

from celery import Celery

from contract.queues import celery_name
from service.settings import Settings
from service.store.broker import broker_configuration
from service.store.celery_message import SENT_AT, build_message
from service.store.client import Valkey

# Of each sender and of each message.
OWN = {"origin", "argsrepr", "kwargsrepr", "reply_to", "delivery_tag", "sent_at"}
ARGUMENTS = {"task_id": "doc_analysis_é", "run": 1_700_000_000_000_000}


async def test_it_is_what_celery_sends(settings: Settings, valkey: Valkey) -> None:
    with Celery("theirs", set_as_current=False) as theirs:
        theirs.conf.update(broker_configuration(settings), task_ignore_result=True)
        theirs.send_task(
            celery_name("document_analysis"),
            kwargs=ARGUMENTS,
            task_id="celery-1",
            queue="computation",
            headers={"trace_id": "trace-7", SENT_AT: 1_700_000_000.0},
        )
    messages: Any = await valkey.lrange(f"{settings.celery_key_prefix}computation", 0, -1)
    (sent,) = messages
    ours = build_message(celery_name("document_analysis"), "computation", "celery-1", ARGUMENTS, "trace-7")
    assert _read(ours) == _read(sent)
    assert _keys(ours) == _keys(sent)


def _read(message: bytes) -> dict[str, Any]:
    """All that is not each sender's own, the body decoded."""
    decoded: dict[str, Any] = json.loads(message)
    body = json.loads(base64.b64decode(decoded.pop("body")))
    parts = {
        part: {name: value for name, value in decoded.pop(part).items() if name not in OWN}
        for part in ("headers", "properties")
    }
    return {"body": body, **parts, **decoded}


def _keys(message: bytes) -> set[str]:
    decoded = json.loads(message)
    return {*decoded, *decoded["headers"], *decoded["properties"]}
