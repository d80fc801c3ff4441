"""The wire: unicode, empty messages, fields that only a newer worker knows."""

import json

import pytest
from grpc import StatusCode

from protocol import common, path_of, pb, request_class, response_class
from worker import refused

# Two scripts, a character beyond 16 bits, a combining accent, one that is written from right to left, and controls.
UNICODE = "爬虫 Ærøskøbing 🦀 e\u0301 שלום\ttab\nline \u0001 \u2028 \x7f"

# Field 150, which no message of ours has, with the text "newer".
UNKNOWN_FIELD = b"\xb2\x09\x05newer"


def test_unicode_comes_through_a_whole_run(worker, master):
    assert worker.register(
        os_info=common.OSInfo(os_type=UNICODE, os_version=UNICODE), capabilities={UNICODE: UNICODE}
    ).success
    seen = master.worker(worker.name)
    assert (seen["os_type"], seen["capabilities"]) == (UNICODE, {UNICODE: UNICODE})

    run = master.enqueue(
        worker.name, params={UNICODE: UNICODE}, environment={"TEXT": UNICODE}, entry_point=f"脚本/{UNICODE}.py"
    )["run_id"]
    first = worker.take()
    assert first.task.params == {UNICODE: UNICODE}
    assert first.task.environment == {"TEXT": UNICODE}
    assert first.task.entry_point == f"脚本/{UNICODE}.py"
    assert worker.ack(first, accepted=False, reason=UNICODE).success
    task = worker.take()

    worker.log(run, UNICODE, log_type="stdout")
    assert [line["content"] for line in master.logs(run)] == [UNICODE]
    worker.report(run, "failed", error_message=UNICODE, data_json=json.dumps({UNICODE: [UNICODE]}, ensure_ascii=False))
    seen = master.run(run)
    assert (seen["error_message"], seen["data"]) == (UNICODE, {UNICODE: [UNICODE]})
    assert worker.ack(task).success


def test_unicode_comes_through_control_and_back(worker, master):
    master.control("config_update", worker.name, config={UNICODE: UNICODE})
    delivery = worker.take_control()
    assert delivery.control.config_update.config == {UNICODE: UNICODE}
    worker.ack_control(delivery)

    request_id = f"request-unicode-{worker.name}"
    master.control("runtime_manage", worker.name, action="tell", request_id=request_id, payload={UNICODE: UNICODE})
    asked = worker.take_control().control.runtime_control
    assert json.loads(asked.payload_json) == {UNICODE: UNICODE}
    worker.reply(request_id, success=True, payload_json=json.dumps({UNICODE: UNICODE}), reply_stream=asked.reply_stream)
    (reply,) = master.replies(request_id)
    assert reply["data"] == {UNICODE: UNICODE}


@pytest.mark.parametrize("method", ["SendHeartbeat", "SendLogBatch"])
def test_an_empty_message_is_one_where_no_field_is_needed(worker, method):
    assert worker.call(method, request_class(method)()).success


@pytest.mark.parametrize(
    ("method", "field"),
    [
        ("AckTask", "receipt_id"),
        ("ReportResult", "run_id"),
        ("SendLog", "run_id"),
        ("SendLogChunk", "run_id"),
        ("AckControl", "receipt_id"),
        ("ReportControlResult", "request_id"),
    ],
)
def test_an_empty_message_is_told_which_field_it_lacks(worker, method, field):
    with refused(StatusCode.INVALID_ARGUMENT, field):
        worker.call(method, request_class(method)())


def test_empty_fields_have_their_defaults(worker, master):
    run = master.enqueue(worker.name)["run_id"]
    # No timeout is one of five seconds: the task is there long before.
    task = worker.call("PollTask", pb.PollTaskRequest()).task
    assert (task.run_id, task.project_type, task.timeout) == (run, "code", 3600)

    worker.log(run, "")
    (line,) = master.logs(run)
    assert (line["log_type"], line["content"]) == ("stdout", "")
    assert line["timestamp"], "the time of its arrival"

    worker.chunk(run, b"", 0, is_final=True)
    assert master.file(run, "stdout") == (b"", True)

    worker.report(run, "success")
    seen = master.run(run)
    assert (seen["status"], seen["exit_code"]) == ("success", 0)
    assert not seen.get("error_message")


def test_no_timeout_is_one_of_five_seconds(worker):
    # 1 second less and 4 more, for both at once.
    poll = worker.stub.PollTask.future(pb.PollTaskRequest(), timeout=9, metadata=worker.metadata)
    control = worker.stub.PollControl.future(pb.PollControlRequest(), timeout=9, metadata=worker.metadata)
    assert not worker.poll_task(timeout_ms=4000).has_task
    assert not poll.done()
    assert not control.done()

    assert not poll.result().has_task
    assert not control.result().has_control


@pytest.mark.parametrize("method", ["SendHeartbeat", "PollTask", "PollControl", "SendLogBatch"])
def test_fields_that_only_a_newer_worker_knows_are_passed_over(worker, method):
    fields = {"timeout_ms": 1} if method.startswith("Poll") else {}
    call = worker.channel.unary_unary(path_of(method), response_deserializer=response_class(method).FromString)

    request = request_class(method)(**fields).SerializeToString() + UNKNOWN_FIELD

    call(request, timeout=10, metadata=worker.metadata)


def test_an_unknown_field_within_a_message_is_passed_over(worker, master):
    run = master.enqueue(worker.name)["run_id"]
    entry = pb.LogEntry(run_id=run, content="from a newer worker").SerializeToString() + UNKNOWN_FIELD
    # Field 1, of `length` bytes: the entry.
    batch = b"\x0a" + bytes([len(entry)]) + entry
    call = worker.channel.unary_unary(
        path_of("SendLogBatch"), response_deserializer=pb.SendLogBatchResponse.FromString
    )

    assert call(batch, timeout=10, metadata=worker.metadata).success
    assert [line["content"] for line in master.logs(run)] == ["from a newer worker"]
