"""A task's message as Celery 5 and kombu's Redis transport write it (protocol 2), without either.

kombu sends synchronously, through threads, in a millisecond a message; this is made in twenty microseconds and leaves
on the lane. A test holds it to what the installed Celery sends.
"""

import base64
import os
import socket
import time
import uuid
from typing import Any, Final

import msgspec

# Header of ours: when the message was sent (seconds since 1970).
SENT_AT: Final = "sent_at"
_ORIGIN: Final = f"gen{os.getpid()}@{socket.gethostname()}"
_REPLY_TO: Final = str(uuid.uuid4())
_EMBEDDED: Final = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}


def build_message(
    task_name: str, queue: str, celery_task_id: str, arguments: dict[str, Any], trace_id: str | None = None
) -> bytes:
    """A message for the list of `queue`; `task_name` is Celery's, `arguments` are the task's keywords."""
    body = base64.b64encode(msgspec.json.encode([[], arguments, _EMBEDDED])).decode()
    headers: dict[str, Any] = {
        "lang": "py",
        "task": task_name,
        "id": celery_task_id,
        "shadow": None,
        "eta": None,
        "expires": None,
        "group": None,
        "group_index": None,
        "retries": 0,
        "timelimit": [None, None],
        "root_id": celery_task_id,
        "parent_id": None,
        "argsrepr": "()",
        "kwargsrepr": repr(arguments),
        "origin": _ORIGIN,
        "ignore_result": None,
        "replaced_task_nesting": 0,
        "stamped_headers": None,
        "stamps": {},
        SENT_AT: round(time.time(), 3),
        **({"trace_id": trace_id} if trace_id else {}),
    }
    properties = {
        "correlation_id": celery_task_id,
        # A consumer replies nowhere, but reads it.
        "reply_to": _REPLY_TO,
        "delivery_mode": 2,
        # Without an exchange a message that is given back needs no binding to find its queue.
        "delivery_info": {"exchange": "", "routing_key": queue},
        "priority": 0,
        "body_encoding": "base64",
        # What it is acknowledged by: one each.
        "delivery_tag": str(uuid.uuid4()),
    }
    return msgspec.json.encode(
        {
            "body": body,
            "content-encoding": "utf-8",
            "content-type": "application/json",
            "headers": headers,
            "properties": properties,
        }
    )
