"""Task types, a file each, in a folder per queue. `service.worker.framework` says how one is declared."""
