"""What every task type is asked in the same way."""

import re
from typing import Any

from tests.service.application import Api
from tests.service.running_worker import User

# scikit-learn is imported within a step: half a minute on a busy machine.
STEP_S = 90.0


async def run_task(user: User, method: str, *args: Any) -> tuple[dict[str, Any], list[dict[str, Any]], Any]:
    """The answer of the start, the payloads of all events, and the result as TASK.get_task_result has it."""
    answer = await getattr(user.rpc, method)(*args)
    assert answer["success"], answer
    payloads = [event["payload"] for event in await user.events_until_end(answer["task_id"], STEP_S)]
    outcome = await user.rpc.get_task_result(answer["task_id"])
    assert outcome["status"] == payloads[-1]["status"]
    return answer, payloads, outcome["result"]


async def check_refused(api: Api, method: str, args: list[Any], message: str) -> None:
    """The call is refused with this message, and nothing is queued."""
    answer = await api.call(method, *args)
    assert answer["error"]["code"] == "INVALID_ARGS", answer
    assert re.search(message, answer["error"]["message"]), answer["error"]["message"]
    assert len(answer["error"]["message"]) < 400
    assert await api.app.state.services.valkey.llen("{pinnokio}:computation") == 0  # type: ignore[attr-defined]


async def check_flag_off(api: Api, method: str, args: list[Any], **answered: Any) -> None:
    answer = await api.data(method, *args)
    assert "the unified registry is off" in answer.pop("error")
    assert answer == {"success": False, **answered}
