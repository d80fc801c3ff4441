"""A worker as the field's Python code plays it."""

import queue
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import grpc
import pytest

from protocol import pb, stubs

# What the field's worker grants a call beyond the time that it asks the gateway to wait.
MARGIN_SECONDS = 5.0


class Worker:
    """What a worker sends, and how long it waits for the answer.

    Fields are given by name and put into the RPC's request beside the worker's own id, where it has one.
    """

    def __init__(self, name: str, channel: grpc.Channel, prove: Callable[[], tuple], key: str = ""):
        """`prove` makes the headers of a call, `key` is what Register carries."""
        self.name = name
        self.channel = channel
        self.stub = stubs.GatewayServiceStub(channel)
        self._prove = prove
        self._key = key

    @property
    def metadata(self) -> tuple:
        """The headers of a call, made for it alone: some may be used once only."""
        return self._prove()

    def call(self, method: str, request, timeout_ms: int = 0):
        """Any unary RPC."""
        deadline = timeout_ms / 1000 + MARGIN_SECONDS
        return getattr(self.stub, method)(request, timeout=deadline, metadata=self.metadata)

    def register(self, **fields):
        return self.call("Register", pb.RegisterRequest(worker_id=self.name, api_key=self._key, **fields))

    def heartbeat(self, **fields):
        return self.call("SendHeartbeat", pb.SendHeartbeatRequest(worker_id=self.name, **fields))

    def poll_task(self, timeout_ms: int = 5000):
        request = pb.PollTaskRequest(worker_id=self.name, timeout_ms=timeout_ms)
        return self.call("PollTask", request, timeout_ms)

    def poll_task_later(self, timeout_ms: int, deadline: float | None = None) -> grpc.Future:
        """A poll that goes on beside the test."""
        request = pb.PollTaskRequest(worker_id=self.name, timeout_ms=timeout_ms)
        seconds = timeout_ms / 1000 + MARGIN_SECONDS if deadline is None else deadline
        return self.stub.PollTask.future(request, timeout=seconds, metadata=self.metadata)

    def take(self):
        """The next task, which must come; with its receipt."""
        answer = self.poll_task()
        assert answer.has_task, f"no task came for {self.name}"
        return answer

    def ack(self, delivery, accepted: bool = True, reason: str = ""):
        request = pb.AckTaskRequest(
            worker_id=self.name,
            receipt_id=delivery.receipt_id,
            accepted=accepted,
            reason=reason,
            task_id=delivery.task.task_id,
        )
        return self.call("AckTask", request)

    def report(self, run_id: str, status: str, **fields):
        request = pb.ReportResultRequest(run_id=run_id, worker_id=self.name, status=status, **fields)
        return self.call("ReportResult", request)

    def log(self, run_id: str, content: str, **fields):
        return self.call("SendLog", pb.SendLogRequest(run_id=run_id, content=content, **fields))

    def chunk(self, run_id: str, data: bytes, offset: int, **fields):
        return self.call("SendLogChunk", pb.SendLogChunkRequest(run_id=run_id, data=data, offset=offset, **fields))

    def poll_control(self, timeout_ms: int = 5000):
        request = pb.PollControlRequest(worker_id=self.name, timeout_ms=timeout_ms)
        return self.call("PollControl", request, timeout_ms)

    def take_control(self):
        """The next control message, which must come; with its receipt."""
        answer = self.poll_control()
        assert answer.has_control, f"no control message came for {self.name}"
        return answer

    def ack_control(self, delivery):
        return self.call("AckControl", pb.AckControlRequest(worker_id=self.name, receipt_id=delivery.receipt_id))

    def reply(self, request_id: str, **fields):
        return self.call(
            "ReportControlResult", pb.ControlResultRequest(worker_id=self.name, request_id=request_id, **fields)
        )

    def open_stream(self) -> "Stream":
        return Stream(self)


class Stream:
    """The worker's end of WorkerStream."""

    def __init__(self, worker: Worker):
        self._out: queue.SimpleQueue = queue.SimpleQueue()
        # No field's worker sets a deadline here; this one is for a test that would else hang.
        self._in = worker.stub.WorkerStream(iter(self._out.get, None), timeout=30, metadata=worker.metadata)

    def wait_until_open(self) -> None:
        """Returns once the gateway has answered the call."""
        self._in.initial_metadata()

    def say(self, **payload) -> None:
        """Sends a message; there is no answer to it."""
        self._out.put(pb.WorkerMessage(**payload))

    def hear(self, kind: str):
        """The next message that is not a ping (unless asked for); it must be a `kind`."""
        for message in self._in:
            heard = message.WhichOneof("payload")
            if heard == kind:
                return getattr(message, kind)
            assert heard == "ping", f"heard {heard}, waited for {kind}: {message}"
        raise AssertionError(f"the stream ended with {self._in.code()}, waited for {kind}")

    def close(self) -> grpc.StatusCode:
        """Says that nothing more will come, hears the gateway out, and tells how it ended."""
        self._out.put(None)
        return self.end()

    def end(self) -> grpc.StatusCode:
        """Hears the gateway out, and tells how it ended."""
        try:
            for _ in self._in:
                pass
        except grpc.RpcError:
            # The status says it.
            pass
        # Whoever waits to send has nobody to send to.
        self._out.put(None)
        return self._in.code()


@contextmanager
def refused(code: grpc.StatusCode, *words: str) -> Iterator[pytest.ExceptionInfo]:
    """What is done within must be refused with `code`, in a message that has all of `words`."""
    with pytest.raises(grpc.RpcError) as caught:
        yield caught
    error = caught.value
    assert error.code() == code, f"{error.code()}: {error.details()}"
    for word in words:
        assert word in error.details()
