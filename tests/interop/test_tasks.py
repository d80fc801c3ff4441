"""Tasks: handed out, settled, given back, handed out again."""

import time

import grpc
import pytest


def test_a_task_reaches_its_worker_whole(worker, master):
    task = {
        "task_id": "task-whole",
        "run_id": "run-whole",
        "project_id": "project-1",
        "project_type": "code",
        "priority": 7,
        "params": {"url": "https://example.org/?q=1", "empty": ""},
        "environment": {"MODE": "fast"},
        "timeout": 90,
        "download_url": "https://example.org/project.zip",
        "file_hash": "d41d8cd98f00b204",
        "entry_point": "main.py",
    }
    assert master.enqueue(worker.name, **task) == {
        "task_id": "task-whole",
        "run_id": "run-whole",
        "worker_id": worker.name,
    }

    delivery = worker.take()
    received = {field.name: getattr(delivery.task, field.name) for field in delivery.task.DESCRIPTOR.fields}
    received["params"] = dict(received["params"])
    received["environment"] = dict(received["environment"])
    assert received == task
    assert delivery.receipt_id


def test_a_poll_that_finds_nothing_says_so_when_its_time_is_over(worker):
    began = time.monotonic()
    answer = worker.poll_task(timeout_ms=300)

    assert 0.29 < time.monotonic() - began < 3
    assert not answer.has_task
    assert not answer.HasField("task")
    assert answer.receipt_id == ""


def test_a_poll_that_waits_gets_the_task_at_once(worker, master):
    poll = worker.poll_task_later(timeout_ms=60_000)
    # When a shorter poll is over, the longer one is surely waiting.
    assert not worker.poll_task(timeout_ms=100).has_task

    master.enqueue(worker.name, run_id="run-awaited")

    began = time.monotonic()
    assert poll.result().task.run_id == "run-awaited"
    assert time.monotonic() - began < 2


def test_a_task_is_for_its_own_worker_alone(worker, other, master):
    master.enqueue(worker.name, run_id="run-mine")

    assert not other.poll_task(timeout_ms=100).has_task
    assert worker.take().task.run_id == "run-mine"


def test_a_task_is_held_until_it_is_acknowledged_and_then_gone(worker, master):
    master.enqueue(worker.name)
    assert master.queue(worker.name) == (1, 0)

    delivery = worker.take()
    assert master.queue(worker.name) == (0, 1)

    assert worker.ack(delivery).success
    assert master.queue(worker.name) == (0, 0)
    assert worker.ack(delivery).success, "said twice, it is as true as before"


def test_a_task_given_back_comes_again_but_not_at_once(worker, master):
    master.enqueue(worker.name, run_id="run-returned")
    first = worker.take()

    answer = worker.ack(first, accepted=False, reason="no room")
    assert answer.success, answer.error

    assert not worker.poll_task(timeout_ms=200).has_task
    second = worker.take()
    assert second.task == first.task
    assert second.receipt_id != first.receipt_id


def test_a_worker_that_registers_anew_gets_again_what_it_held(worker, master):
    worker.register()
    master.enqueue(worker.name, run_id="run-forgotten")
    first = worker.take()
    assert not worker.poll_task(timeout_ms=100).has_task

    worker.register()

    assert worker.take().task == first.task
    assert not worker.poll_task(timeout_ms=100).has_task, "it comes once"


def test_a_task_that_was_acknowledged_does_not_come_again_after_register(worker, master):
    master.enqueue(worker.name)
    worker.ack(worker.take())

    worker.register()

    assert not worker.poll_task(timeout_ms=100).has_task


@pytest.mark.parametrize("how", ["cancelled", "overdue"])
def test_a_poll_whose_caller_went_away_takes_no_task_along(worker, master, how):
    if how == "cancelled":
        poll = worker.poll_task_later(timeout_ms=60_000)
        assert not worker.poll_task(timeout_ms=100).has_task
        poll.cancel()
    else:
        poll = worker.poll_task_later(timeout_ms=60_000, deadline=0.3)
        assert poll.code() == grpc.StatusCode.DEADLINE_EXCEEDED
    # On the same connection and after it, so when this is answered the gateway knows.
    worker.heartbeat()

    master.enqueue(worker.name, run_id=f"run-{how}")

    assert worker.take().task.run_id == f"run-{how}"
    assert not worker.poll_task(timeout_ms=100).has_task
