"""Control: from the Master to a worker or to all of them, and the replies."""

import json

import pytest

from master import Master
from protocol import pb


def test_a_cancel_reaches_the_worker_once(worker, master):
    master.control("cancel", worker.name, task_id="task-1", run_id="run-1", reason="not needed")

    delivery = worker.take_control()
    assert delivery.control.task_cancel == pb.TaskCancel(task_id="task-1", run_id="run-1")
    assert worker.ack_control(delivery).success
    assert worker.ack_control(delivery).success, "said twice, it is as true as before"
    assert not worker.poll_control(timeout_ms=100).has_control


def test_a_kill_is_a_cancel_to_the_worker(worker, master):
    master.control("kill", worker.name, task_id="task-1", run_id="run-1")

    assert worker.take_control().control.task_cancel == pb.TaskCancel(task_id="task-1", run_id="run-1")


def test_a_cancel_without_a_task_names_the_run(worker, master):
    master.control("cancel", worker.name, run_id="run-1")

    assert worker.take_control().control.task_cancel == pb.TaskCancel(task_id="run-1", run_id="run-1")


def test_new_settings_reach_the_worker(worker, master):
    master.control("config_update", worker.name, config={"log_level": "debug", "empty": ""})

    assert worker.take_control().control.config_update.config == {"log_level": "debug", "empty": ""}


def test_a_poll_that_finds_nothing_says_so(worker):
    answer = worker.poll_control(timeout_ms=50)

    assert not answer.has_control
    assert not answer.HasField("control")
    assert answer.receipt_id == ""


@pytest.mark.parametrize("success", [True, False])
def test_a_runtime_request_gets_its_reply(worker, master, success):
    sent = master.control(
        "runtime_manage", worker.name, action="list_envs", request_id=f"request-{success}", payload={"verbose": True}
    )
    assert sent["request_id"] == f"request-{success}"

    delivery = worker.take_control()
    asked = delivery.control.runtime_control
    assert (asked.request_id, asked.action) == (f"request-{success}", "list_envs")
    assert json.loads(asked.payload_json) == {"verbose": True}
    answer = worker.reply(
        asked.request_id,
        success=success,
        payload_json='{"envs": ["py311"]}' if success else "",
        error="" if success else "no such thing",
        reply_stream=asked.reply_stream,
    )
    assert answer.success, answer.error
    worker.ack_control(delivery)

    (reply,) = master.replies(asked.request_id)
    assert (reply["worker_id"], reply["request_id"], reply["success"]) == (worker.name, asked.request_id, success)
    if success:
        assert reply["data"] == {"envs": ["py311"]}
    else:
        assert reply["error"] == "no such thing"


def test_what_is_for_all_reaches_each_once(own_gateway, own_keys):
    # A gateway of its own: no other test's worker should hear it.
    with own_gateway(own_keys) as gateway:
        workers = [gateway.worker(name) for name in own_keys]
        for worker in workers:
            worker.register()

        Master(gateway.http_address).control("config_update", config={"for": "all"})

        for worker in workers:
            delivery = worker.take_control()
            assert delivery.control.config_update.config == {"for": "all"}
            worker.ack_control(delivery)
            assert not worker.poll_control(timeout_ms=100).has_control
