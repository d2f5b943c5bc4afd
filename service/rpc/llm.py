"""Namespace LLM: conversations with a model. Its public methods are the RPC methods; starting one is declared by the
task type (`service.tasks.types.llm_conversation`)."""

from typing import Any

from contract.queues import LLM_CONVERSATION
from service.domain.conversation import task_id_of
from service.domain.ids import Id
from service.domain.tasks import FAILED
from service.rpc.declared import DeclaredNamespace
from service.rpc.router import current_call
from service.rpc.starting import TaskStarter
from service.tasks.services import Services


class LlmNamespace(DeclaredNamespace):
    """The methods `LLM.*` of contract.md."""

    def __init__(self, services: Services, starter: TaskStarter) -> None:
        super().__init__("LLM", starter)
        self._tasks = services.tasks

    async def get_conversation_status(self, conversation_id: Id) -> dict[str, Any]:
        """How the conversation's last turn stands. A user whom the envelope names sees no other user's."""
        entry = await self._tasks.read(task_id_of(conversation_id))
        call = current_call.get()
        asker = call.user_id if call else None
        if entry is None or entry.task_type != LLM_CONVERSATION or (asker and asker != entry.user_id):
            return {"success": False, "error": f"unknown conversation {conversation_id}"}
        answer = {
            "success": True,
            "conversation_id": conversation_id,
            "status": entry.status,
            "progress": entry.progress,
            "created_at": entry.created_at,
        }
        return answer | ({"error": entry.error} if entry.status == FAILED else {})
