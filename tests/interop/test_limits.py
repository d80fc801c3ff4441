"""The rate limit: what a worker that calls too often is told, and whom it does not touch."""

import pytest
from google.rpc import error_details_pb2
from grpc import RpcError, StatusCode
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_status import rpc_status

from protocol import pb
from worker import Worker, refused

CAPACITY = 5


@pytest.fixture
def limited(own_gateway, own_keys):
    """A gateway that lets each worker call five times, and then once a second."""
    with own_gateway(own_keys, RATE_LIMIT_RATE=1, RATE_LIMIT_CAPACITY=CAPACITY) as gateway:
        yield gateway


def exhaust(worker: Worker) -> RpcError:
    """Calls as often as is allowed and once more; what the last call was told."""
    for _ in range(CAPACITY):
        assert worker.heartbeat().success
    with refused(StatusCode.RESOURCE_EXHAUSTED) as caught:
        # Far more than a slow machine is granted meanwhile.
        for _ in range(100):
            worker.heartbeat()
    return caught.value


def test_a_worker_over_its_limit_is_told_when_to_come_again(limited):
    error = exhaust(limited.worker("worker-a"))

    trailers = dict(error.trailing_metadata())
    assert trailers["retry-after"] == "1"
    assert trailers["x-ratelimit-remaining"] == "0"
    assert int(trailers["x-ratelimit-reset"]) > 0
    assert 0 < int(trailers["grpc-retry-pushback-ms"]) <= 1000

    status = rpc_status.from_call(error)
    assert status.code == StatusCode.RESOURCE_EXHAUSTED.value[0]
    retry = error_details_pb2.RetryInfo()
    assert [detail for detail in status.details if detail.Unpack(retry)], f"no RetryInfo in {status}"
    assert 0 < retry.retry_delay.ToMilliseconds() <= 1000


def test_a_limit_is_each_workers_own_and_not_healths(limited):
    exhaust(limited.worker("worker-a"))

    assert limited.worker("worker-b").heartbeat().success
    health = health_pb2_grpc.HealthStub(limited.channel)
    for _ in range(3 * CAPACITY):
        assert (
            health.Check(health_pb2.HealthCheckRequest(), timeout=10).status == health_pb2.HealthCheckResponse.SERVING
        )


def test_messages_on_the_stream_count_too_and_wait(limited):
    worker = limited.worker("worker-a")
    stream = worker.open_stream()
    for _ in range(CAPACITY + 2):
        stream.say(heartbeat=pb.Heartbeat(worker_id=worker.name, status="online"))

    exhaust_rest(worker)
    # What was too much is taken in later: nobody is cut off.
    assert stream.close() == StatusCode.OK


def exhaust_rest(worker: Worker) -> None:
    with refused(StatusCode.RESOURCE_EXHAUSTED):
        for _ in range(100):
            worker.heartbeat()
