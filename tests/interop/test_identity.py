"""Identity: everyone is who their credential says, and touches only what is their own.

Keys are good whatever the way, so what is about keys is tried in each; a call over the gateway's own channel proves
nothing but what its headers say.
"""

import threading

import pytest
from grpc import StatusCode

from master import Master
from protocol import METHODS, common, pb, path_of, request_class, stubs
from worker import refused

UNARY = [name for name in METHODS if name not in ("WorkerStream", "Register")]


def metadata(**values: str) -> tuple:
    return tuple((name.replace("_", "-"), value) for name, value in values.items())


@pytest.fixture
def stranger(gateway) -> stubs.GatewayServiceStub:
    """Somebody of whom no more is known than what the headers or the message prove."""
    return stubs.GatewayServiceStub(gateway.channel)


@pytest.mark.parametrize("method", UNARY)
@pytest.mark.parametrize("credential", ["none", "forged"])
def test_without_a_credential_nothing_is_answered(gateway, stranger, worker, method, credential):
    sent = {
        "none": metadata(x_worker_id=worker.name),
        "forged": gateway.way.credential.forged(worker.name),
    }[credential]
    with refused(StatusCode.UNAUTHENTICATED):
        getattr(stranger, method)(request_class(method)(), timeout=10, metadata=sent)


@pytest.mark.parametrize("method", UNARY)
def test_a_credential_is_good_for_no_other_name(gateway, worker, other, method):
    sent = [(header, worker.name if header == "x-worker-id" else value) for header, value in other.metadata]
    # Another's is a right one, of somebody else; but where the name is part of it, it is wrong.
    signs = gateway.way.credential.signs
    with refused(StatusCode.UNAUTHENTICATED if signs else StatusCode.PERMISSION_DENIED):
        getattr(other.stub, method)(request_class(method)(), timeout=10, metadata=sent)


@pytest.mark.parametrize("credential", ["none", "forged"])
def test_a_stream_without_a_credential_is_not_opened(gateway, stranger, worker, credential):
    sent = () if credential == "none" else gateway.way.credential.forged(worker.name)
    call = stranger.WorkerStream(iter(()), timeout=10, metadata=sent)
    with refused(StatusCode.UNAUTHENTICATED):
        next(call)


def test_the_credential_alone_says_who_calls(gateway, worker, master):
    run = master.enqueue(worker.name)["run_id"]
    alone = [(header, value) for header, value in worker.metadata if header != "x-worker-id"]

    if gateway.way.credential.signs:
        with refused(StatusCode.UNAUTHENTICATED):
            worker.stub.PollTask(pb.PollTaskRequest(worker_id=worker.name), timeout=10, metadata=alone)
    else:
        answer = worker.stub.PollTask(pb.PollTaskRequest(), timeout=10, metadata=alone)
        assert answer.task.run_id == run


def test_a_signature_counts_once_and_nothing_else_is_used_up(gateway, worker):
    sent = worker.metadata
    beat = pb.SendHeartbeatRequest(worker_id=worker.name)
    assert worker.stub.SendHeartbeat(beat, timeout=10, metadata=sent).success

    if gateway.way.credential.signs:
        with refused(StatusCode.UNAUTHENTICATED):
            worker.stub.SendHeartbeat(beat, timeout=10, metadata=sent)
    else:
        assert worker.stub.SendHeartbeat(beat, timeout=10, metadata=sent).success


def test_register_needs_only_the_key_that_it_carries(gateway, stranger, worker, master):
    os_info = common.OSInfo(os_type="Linux", os_version="6.1", python_version="3.11.7", machine_arch="x86_64")
    key = gateway.keys[worker.name]
    request = pb.RegisterRequest(worker_id=worker.name, api_key=key, os_info=os_info, capabilities={"spider": "true"})
    answer = stranger.Register(request, timeout=10)

    assert (answer.success, answer.worker_id, answer.heartbeat_interval) == (True, worker.name, 30), answer.error
    seen = master.worker(worker.name)
    assert (seen["os_version"], seen["capabilities"]) == ("6.1", {"spider": "true"})


@pytest.mark.parametrize("key", ["", "0" * 64])
def test_register_with_a_wrong_key_is_refused(stranger, worker, key):
    with refused(StatusCode.UNAUTHENTICATED):
        stranger.Register(pb.RegisterRequest(worker_id=worker.name, api_key=key), timeout=10)


def test_register_in_anothers_name_is_refused(gateway, stranger, worker, other):
    with refused(StatusCode.PERMISSION_DENIED):
        stranger.Register(pb.RegisterRequest(worker_id=other.name, api_key=gateway.keys[worker.name]), timeout=10)


@pytest.mark.parametrize(
    "method", [name for name in UNARY if "worker_id" in request_class(name).DESCRIPTOR.fields_by_name]
)
def test_a_message_in_anothers_name_is_refused(worker, other, method):
    with refused(StatusCode.PERMISSION_DENIED):
        worker.call(method, request_class(method)(worker_id=other.name))


def test_a_heartbeat_in_anothers_name_ends_the_stream(worker, other):
    stream = worker.open_stream()
    stream.say(heartbeat=pb.Heartbeat(worker_id=other.name, status="online"))

    assert stream.end() == StatusCode.PERMISSION_DENIED


def test_anothers_run_is_refused(worker, other, master):
    theirs = master.enqueue(other.name)["run_id"]

    with refused(StatusCode.PERMISSION_DENIED):
        worker.report(theirs, "success")
    with refused(StatusCode.PERMISSION_DENIED):
        worker.log(theirs, "not yours")
    with refused(StatusCode.PERMISSION_DENIED):
        worker.chunk(theirs, b"not yours", 0)

    assert master.run(theirs)["status"] == "pending"
    assert master.logs(theirs) == []


@pytest.mark.parametrize("accepted", [True, False])
def test_anothers_receipt_is_refused(worker, other, master, accepted):
    master.enqueue(other.name)
    theirs = other.take()

    with refused(StatusCode.PERMISSION_DENIED):
        worker.ack(theirs, accepted=accepted)

    assert master.queue(other.name) == (0, 1), "still held by whom it was given to"


def test_anothers_control_message_is_refused(worker, other, master):
    request_id = f"request-of-{other.name}"
    master.control("runtime_manage", other.name, action="list_envs", request_id=request_id)
    theirs = other.take_control()

    with refused(StatusCode.PERMISSION_DENIED):
        worker.ack_control(theirs)
    with refused(StatusCode.PERMISSION_DENIED):
        worker.reply(request_id, success=True, reply_stream=theirs.control.runtime_control.reply_stream)

    assert other.reply(request_id, success=True).success
    assert [reply["worker_id"] for reply in master.replies(request_id)] == [other.name]


def test_a_refusal_says_nothing_of_the_key(stranger):
    with refused(StatusCode.UNAUTHENTICATED) as caught:
        stranger.PollTask(pb.PollTaskRequest(), timeout=10, metadata=metadata(x_api_key="a-wrong-key"))
    assert "a-wrong-key" not in caught.value.details()


def test_a_refusal_does_not_wait_for_the_message(gateway):
    over = threading.Event()

    def silence():
        # The request that never comes.
        over.wait()
        yield from ()

    call = gateway.channel.stream_unary(path_of("SendLog"))
    try:
        with refused(StatusCode.UNAUTHENTICATED):
            call(silence(), timeout=10, metadata=metadata(x_api_key="0" * 64))
    finally:
        over.set()


def test_with_authentication_off_everyone_is_who_they_say(own_gateway):
    with own_gateway({}, AUTH_ENABLED="false") as gateway:
        master = Master(gateway.http_address)
        by_header, by_message = (master.enqueue(name)["run_id"] for name in ("by-header", "by-message"))
        stub = stubs.GatewayServiceStub(gateway.channel)

        answer = stub.PollTask(pb.PollTaskRequest(), timeout=10, metadata=metadata(x_worker_id="by-header"))
        assert answer.task.run_id == by_header
        answer = stub.PollTask(pb.PollTaskRequest(worker_id="by-message"), timeout=10)
        assert answer.task.run_id == by_message
        request = pb.RegisterRequest(worker_id="by-header", api_key="any key")
        assert stub.Register(request, timeout=10).success

        warnings = [entry["message"] for entry in gateway.entries() if entry["level"] == "WARN"]
        assert any("authenti" in warning.lower() for warning in warnings), warnings
