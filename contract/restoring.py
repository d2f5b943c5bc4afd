"""How far the copy back into the legacy registry has come: written by `restore-legacy`, told by the operator."""

import msgspec


class RestoreProgress(msgspec.Struct, frozen=True, kw_only=True):
    """What stands under RESTORE_LEGACY while it runs. `server`: Valkey's run id, for a cursor means nothing to another
    one; `scanned`: keys; `live`: users who are online; `restored`: those whose legacy entry was made anew."""

    server: str
    cursor: str = "0"
    scanned: int = 0
    live: int = 0
    restored: int = 0
