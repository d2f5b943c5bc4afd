"""A worker forks no child while one of its threads talks to Valkey."""

import os
import threading
import time

from service.worker.forking import no_fork_meanwhile


def test_a_fork_waits_for_a_thread_that_talks() -> None:
    talking, said = threading.Event(), list[str]()

    def talk() -> None:
        with no_fork_meanwhile():
            talking.set()
            time.sleep(0.2)
            said.append("goodbye")

    thread = threading.Thread(target=talk)
    thread.start()
    talking.wait(5)
    child = os.fork()
    if child == 0:
        # The lock is nobody's there: a child may talk itself.
        with no_fork_meanwhile():
            os._exit(0 if said == ["goodbye"] else 1)
    thread.join()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
