"""A certificate alone: whose it is, and whom the gateway lets in by it."""

from collections.abc import Callable
from pathlib import Path

import pytest
from grpc import StatusCode

import ways
from gateway import Gateway
from master import Master
from worker import Worker, refused


@pytest.fixture
def start(tmp_path: Path, own_keys) -> Callable[..., Gateway]:
    """Makes a gateway that those who have certificates come to, and that knows these keys."""

    def start(keys: dict[str, str], **settings: object) -> Gateway:
        way = ways.make("mtls-certificate", tmp_path, own_keys)
        return Gateway(tmp_path, keys, way, GATEWAY_BACKEND="memory", **settings)

    return start


@pytest.fixture
def gateway(start):
    """A gateway that nobody has a key to."""
    with start({}) as gateway:
        yield gateway


@pytest.fixture
def master(gateway) -> Master:
    return Master(gateway.http_address)


def nameless(worker: Worker) -> Worker:
    """The same worker, whose headers say nothing of it."""
    return Worker(worker.name, worker.channel, lambda: ())


@pytest.mark.parametrize("name", [lambda worker: worker, nameless], ids=["named", "nameless"])
def test_a_certificate_alone_is_enough_for_a_whole_run(gateway, master, name):
    worker = name(gateway.worker("worker-a"))
    assert worker.register().worker_id == "worker-a"
    run = master.enqueue("worker-a")["run_id"]

    delivery = worker.take()
    assert worker.heartbeat(running_tasks=1).success
    assert worker.log(run, "a line").success
    assert worker.report(run, "success").success
    assert worker.ack(delivery).success

    assert delivery.task.run_id == run
    assert (master.run(run)["status"], master.run(run)["worker_id"]) == ("success", "worker-a")
    assert master.queue("worker-a") == (0, 0)


def test_anothers_certificate_is_good_for_nothing_of_ones_own(gateway, master):
    worker, other = gateway.worker("worker-a"), gateway.worker("worker-b")
    run = master.enqueue("worker-a")["run_id"]
    delivery = worker.take()
    master.enqueue("worker-a")
    posing = Worker("worker-a", other.channel, lambda: worker.metadata)

    # In the other's name, in one's own by message alone, and in one's own by headers too.
    assert not other.poll_task(timeout_ms=100).has_task
    for caller in (nameless(posing), posing):
        with refused(StatusCode.PERMISSION_DENIED):
            caller.poll_task(timeout_ms=100)
        with refused(StatusCode.PERMISSION_DENIED):
            caller.ack(delivery)
        with refused(StatusCode.PERMISSION_DENIED):
            caller.report(run, "success")
    for act in (other.ack, lambda delivery: other.report(run, "success"), lambda delivery: other.log(run, "line")):
        with refused(StatusCode.PERMISSION_DENIED):
            act(delivery)

    assert master.queue("worker-a") == (1, 1)
    assert (master.run(run)["status"], master.logs(run)) == ("pending", [])


def test_only_known_workers_come_in_where_that_is_asked_for(start, own_keys):
    known = {"worker-a": own_keys["worker-a"]}
    with start(known, CERT_KNOWN_WORKERS_ONLY="true") as gateway:
        assert gateway.worker("worker-a").heartbeat().success
        with refused(StatusCode.UNAUTHENTICATED):
            gateway.worker("worker-b").heartbeat()


def test_every_worker_comes_in_where_it_is_not(start, own_keys):
    known = {"worker-a": own_keys["worker-a"]}
    with start(known) as gateway:
        assert gateway.worker("worker-a").heartbeat().success
        assert gateway.worker("worker-b").heartbeat().success
