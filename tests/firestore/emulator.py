"""Starts Google's Firestore emulator, the real one, on a port of its own; and reads and writes it as an outsider would.

The outsider speaks REST with the standard library, so that the service's own client is not tested by itself.
"""

import json
import os
import shutil
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.missing import end_test_without
from tests.service.valkey_server import free_port

START_S = 60.0
ANSWER_S = 10.0
MAIN_CLASS = "com.google.cloud.datastore.emulator.firestore.CloudFirestore"
JAR = Path("platform") / "cloud-firestore-emulator" / "cloud-firestore-emulator.jar"
SDK_FOLDERS = (
    "/usr/lib/google-cloud-sdk",
    "/usr/share/google-cloud-sdk",
    "/opt/google-cloud-sdk",
    "~/google-cloud-sdk",
)
PROJECT = "pinnokio-test"

Fields = dict[str, Any]


def missing() -> str | None:
    """What keeps the emulator from running here; None: nothing."""
    if find_jar() is None:
        return "no Firestore emulator (Debian: google-cloud-cli-firestore-emulator; else FIRESTORE_EMULATOR_JAR)"
    if shutil.which("java") is None:
        return "no Java for the Firestore emulator"
    return None


def find_jar() -> Path | None:
    """FIRESTORE_EMULATOR_JAR, else where the Google Cloud SDK and the Firebase tools keep it."""
    named = os.environ.get("FIRESTORE_EMULATOR_JAR")
    if named:
        return Path(named)
    folders = [Path(folder).expanduser() for folder in SDK_FOLDERS]
    gcloud = shutil.which("gcloud")
    if gcloud is not None:
        folders.insert(0, Path(gcloud).resolve().parents[1])
    found = [folder / JAR for folder in folders if (folder / JAR).is_file()]
    cached = sorted(Path("~/.cache/firebase/emulators").expanduser().glob("cloud-firestore-emulator-*.jar"))
    return next(iter([*found, *cached]), None)


class FirestoreEmulator:
    """One emulator on this machine's `address`; `stop` and `start` keep its port and lose its data."""

    def __init__(self, address: str = "127.0.0.1") -> None:
        self.address = address
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self._folder = tempfile.TemporaryDirectory(prefix="firestore-emulator-")

    @property
    def _log(self) -> Path:
        return Path(self._folder.name) / "log"

    @property
    def host(self) -> str:
        return f"{self.address}:{self.port}"

    def start(self) -> None:
        jar = find_jar()
        assert jar is not None
        # Without figures for jps: they are a mapped file, and a disk that is slow to write stops every thread.
        command = ["java", "-Duser.language=en", "-XX:-UsePerfData", "-Xmx512m", "-cp", str(jar), MAIN_CLASS, "start"]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [*command, f"--host={self.address}", f"--port={self.port}"],
                stdout=log,
                stderr=log,
                cwd=self._folder.name,
            )
        deadline = time.monotonic() + START_S
        while not self._answers():
            assert self._process.poll() is None, self._log.read_text()
            assert time.monotonic() < deadline, "the Firestore emulator did not start"
            time.sleep(0.05)

    def assert_well(self) -> None:
        """That it still answers; else what it wrote."""
        ended = self._process.poll() if self._process else "never started"
        assert ended is None, f"the Firestore emulator ended ({ended}): {self._log.read_text()}"
        assert self._answers(ANSWER_S), f"the Firestore emulator does not answer: {self._log.read_text()}"

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def close(self) -> None:
        self.stop()
        self._folder.cleanup()

    def clear(self, project: str = PROJECT) -> None:
        """Deletes every document of a project."""
        self._ask("DELETE", f"/emulator/v1/projects/{project}/databases/(default)/documents")

    def write(self, path: str, fields: Fields) -> None:
        """Merges these fields into a document."""
        mask = "&".join(f"updateMask.fieldPaths={name}" for name in fields)
        self._ask(
            "PATCH", f"{_root()}/{path}?{mask}", {"fields": {name: _value(each) for name, each in fields.items()}}
        )

    def delete(self, path: str) -> None:
        self._ask("DELETE", f"{_root()}/{path}")

    def read(self, path: str) -> Fields | None:
        """The fields of a document; None: there is none. Times are text."""
        try:
            found = self._ask("GET", f"{_root()}/{path}")
        except urllib.error.HTTPError as error:
            if error.code == 404:
                return None
            raise
        return {name: _plain(value) for name, value in found.get("fields", {}).items()}

    def _answers(self, limit_s: float = 1.0) -> bool:
        try:
            self._ask("GET", f"{_root()}/probe/probe", timeout_s=limit_s)
        except urllib.error.HTTPError:
            return True
        except OSError:
            return False
        return True

    def _ask(self, method: str, path: str, body: Any = None, *, timeout_s: float = 20.0) -> Any:
        request = urllib.request.Request(
            f"http://{self.host}{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": "Bearer owner", "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=timeout_s) as answer:  # noqa: S310
            return json.loads(answer.read() or b"null")


@contextmanager
def running_emulator(address: str = "127.0.0.1") -> Iterator[FirestoreEmulator]:
    """Skips where there is none; fails under CI=true."""
    lacking = missing()
    if lacking is not None:
        end_test_without(lacking)
    emulator = FirestoreEmulator(address)
    try:
        emulator.start()
        yield emulator
    finally:
        emulator.close()


def _root(project: str = PROJECT) -> str:
    return f"/v1/projects/{project}/databases/(default)/documents"


def _value(value: Any) -> Any:
    if isinstance(value, bool):
        return {"booleanValue": value}
    if isinstance(value, int):
        return {"integerValue": str(value)}
    if isinstance(value, float):
        return {"doubleValue": value}
    if isinstance(value, dict):
        return {"mapValue": {"fields": {name: _value(each) for name, each in value.items()}}}
    if isinstance(value, list):
        return {"arrayValue": {"values": [_value(each) for each in value]}}
    if hasattr(value, "isoformat"):
        return {"timestampValue": value.isoformat()}
    return {"nullValue": None} if value is None else {"stringValue": value}


def _plain(value: Any) -> Any:
    (kind, found), *_ = value.items()
    if kind == "integerValue":
        return int(found)
    if kind == "mapValue":
        return {name: _plain(each) for name, each in found.get("fields", {}).items()}
    if kind == "arrayValue":
        return [_plain(each) for each in found.get("values", [])]
    return found
