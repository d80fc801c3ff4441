"""WorkerStream: the live channel."""

import time

import pytest
from grpc import StatusCode

from master import eventually
from protocol import common, pb


@pytest.fixture
def stream(worker):
    stream = worker.open_stream()
    stream.wait_until_open()
    yield stream
    assert stream.close() == StatusCode.OK, "the stream did not end cleanly"


def test_a_heartbeat_is_seen(worker, master, stream):
    stream.say(
        heartbeat=pb.Heartbeat(
            worker_id=worker.name,
            status="busy",
            metrics=common.Metrics(cpu=12.5, memory=50, disk=75, running_tasks=2, max_concurrent_tasks=4),
            os_info=common.OSInfo(os_type="Linux", os_version="6.1", python_version="3.11.7", machine_arch="x86_64"),
            timestamp=common.Timestamp(seconds=1_795_000_000),
            capabilities={"playwright": "true"},
            version="1.2.3",
        )
    )

    eventually(lambda: (master.worker(worker.name) or {}).get("version"), "1.2.3")
    seen = master.worker(worker.name)
    assert (seen["status"], seen["running_tasks"], seen["max_concurrent_tasks"]) == ("busy", 2, 4)
    assert (seen["cpu_percent"], seen["memory_percent"], seen["disk_percent"]) == (12.5, 50, 75)
    assert (seen["os_type"], seen["python_version"], seen["machine_arch"]) == ("Linux", "3.11.7", "x86_64")
    assert seen["capabilities"] == {"playwright": "true"}


def test_a_status_moves_the_run(worker, master, stream):
    run = master.enqueue(worker.name)["run_id"]
    worker.take()

    stream.say(task_status=pb.TaskStatus(run_id=run, status="running"))
    eventually(lambda: master.run(run)["status"], "running")

    stream.say(task_status=pb.TaskStatus(run_id=run, status="failed", exit_code=0, error_message="gone"))
    eventually(lambda: master.run(run)["status"], "failed")
    assert (master.run(run)["exit_code"], master.run(run)["error_message"]) == (0, "gone")


def test_a_task_refused_over_the_stream_comes_again(worker, master, stream):
    master.enqueue(worker.name)
    first = worker.take()

    stream.say(task_ack=pb.TaskAck(task_id=first.task.task_id, accepted=False, reason="no room"))

    assert worker.take().task == first.task


def test_a_cancel_is_heard_at_once_and_only_here(worker, master, stream):
    began = time.monotonic()
    master.control("cancel", worker.name, task_id="task-1", run_id="run-1")

    assert stream.hear("task_cancel") == pb.TaskCancel(task_id="task-1", run_id="run-1")
    assert time.monotonic() - began < 1, "it waited for something"
    stream.say(cancel_ack=pb.CancelAck(task_id="task-1", success=True))
    assert not worker.poll_control(timeout_ms=100).has_control


def test_new_settings_are_heard(worker, master, stream):
    master.control("config_update", worker.name, config={"log_level": "debug"})

    assert stream.hear("config_update").config == {"log_level": "debug"}


def test_a_runtime_request_waits_for_a_poll(worker, master, stream):
    # The stream has no message for it.
    master.control("runtime_manage", worker.name, action="list_envs", request_id="request-beside-stream")

    asked = worker.take_control().control.runtime_control
    assert asked.request_id == "request-beside-stream"


def test_pings_keep_the_channel_open(stream):
    assert stream.hear("ping").timestamp.seconds > 1_700_000_000
    assert stream.hear("ping").timestamp.seconds > 1_700_000_000


def test_a_second_stream_hears_after_the_first_one_closed(worker, master, stream):
    assert stream.close() == StatusCode.OK
    again = worker.open_stream()
    again.wait_until_open()

    master.control("cancel", worker.name, task_id="task-2", run_id="run-2")

    assert again.hear("task_cancel").task_id == "task-2"
    assert again.close() == StatusCode.OK
