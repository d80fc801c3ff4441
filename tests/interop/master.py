"""The local Master: where the tests put tasks and control messages in, and look at what came of them."""

import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable

# The gateway is on this machine, whatever proxies the environment names.
_http = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Master:
    """The gateway's admin port, spoken to as the Master would."""

    def __init__(self, address: str):
        self._base = f"http://{address}"

    def open(self, path: str, body: dict | None = None):
        """The answer to a GET or, with `body`, to a POST; it can be read line by line while it comes."""
        request = urllib.request.Request(
            self._base + path,
            data=None if body is None else json.dumps(body).encode(),
            headers={} if body is None else {"content-type": "application/json"},
        )
        try:
            return _http.open(request, timeout=30)
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{request.get_method()} {path}: {error.code} {error.read().decode()}") from None

    def get(self, path: str) -> dict:
        with self.open(path) as answer:
            return json.load(answer)

    def post(self, path: str, body: dict) -> dict:
        with self.open(path, body) as answer:
            return json.loads(answer.read() or "{}")

    def enqueue(self, worker: str, **task: object) -> dict:
        """Gives `worker` a task; the answer holds its task_id and run_id."""
        return self.post("/api/tasks", {"worker_id": worker, **task})

    def control(self, control_type: str, worker: str | None = None, **fields: object) -> dict:
        """Sends a control message to `worker`, or to every worker."""
        to = {} if worker is None else {"worker_id": worker}
        return self.post("/api/control", {"control_type": control_type, **to, **fields})

    def run(self, run_id: str) -> dict:
        return self.get(f"/api/runs/{run_id}")

    def logs(self, run_id: str) -> list[dict]:
        """The log lines of a run so far."""
        with self.open(f"/api/runs/{run_id}/logs") as answer:
            return [json.loads(line) for line in answer]

    def file(self, run_id: str, stream: str) -> tuple[bytes, bool]:
        """The log file of a run as put together so far, and whether it is whole."""
        with self.open(f"/api/runs/{run_id}/files/{stream}") as answer:
            return answer.read(), answer.headers["x-complete"] == "true"

    def replies(self, request_id: str) -> list[dict]:
        """The replies to a control message, waiting up to five seconds for the first."""
        return self.get(f"/api/control/replies/{request_id}?wait_ms=5000")["replies"]

    def worker(self, name: str) -> dict | None:
        """What is known of a worker."""
        return next((worker for worker in self.get("/api/workers")["workers"] if worker["worker_id"] == name), None)

    def queue(self, name: str) -> tuple[int, int]:
        """How many tasks wait for a worker, and how many it holds."""
        queues = {queue["worker_id"]: queue for queue in self.get("/api/queue")["queues"]}
        queue = queues.get(name, {"waiting": 0, "held": 0})
        return queue["waiting"], queue["held"]


def eventually(look: Callable[[], object], wanted: object) -> None:
    """Looks again until `look` gives `wanted`.

    For what a worker says over its stream, which has no answer that one could wait for. Each look is a
    round trip to the gateway, which is pause enough.
    """
    deadline = time.monotonic() + 10
    while (seen := look()) != wanted:
        assert time.monotonic() < deadline, f"saw {seen!r} to the end, wanted {wanted!r}"
