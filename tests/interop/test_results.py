"""Results: written once, by whose run it is, whatever its size."""

import json
from datetime import UTC, datetime

import pytest
from grpc import StatusCode

from worker import refused


@pytest.fixture
def run(worker, master) -> str:
    """A run that the worker has taken on."""
    run_id = master.enqueue(worker.name)["run_id"]
    assert worker.take().task.run_id == run_id
    return run_id


def test_a_result_arrives_whole(worker, master, run):
    assert master.run(run)["status"] == "pending"

    answer = worker.report(
        run,
        "failed",
        exit_code=3,
        error_message="no such host",
        started_at="2026-11-22T10:00:00+00:00",
        finished_at="2026-11-22T10:00:01.500+00:00",
        duration_ms=1500,
        data_json='{"items": [1, 2.5, null], "nested": {"ok": true}}',
    )
    assert answer.success, answer.error

    seen = master.run(run)
    assert seen["worker_id"] == worker.name
    assert seen["status"] == "failed"
    assert seen["exit_code"] == 3
    assert seen["error_message"] == "no such host"
    assert seen["duration_seconds"] == 1.5
    assert seen["data"] == {"items": [1, 2.5, None], "nested": {"ok": True}}


def test_a_time_without_an_offset_is_utc(worker, master, run):
    worker.report(run, "success", started_at="2026-11-22T10:00:00", finished_at="2026-11-22T18:00:05+08:00")

    seen = master.run(run)
    assert datetime.fromisoformat(seen["started_at"]) == datetime(2026, 11, 22, 10, tzinfo=UTC)
    assert datetime.fromisoformat(seen["finished_at"]) == datetime(2026, 11, 22, 10, 0, 5, tzinfo=UTC)
    assert seen["duration_seconds"] == 5


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("completed", "success"),
        ("Succeeded", "success"),
        ("killed", "failed"),
        ("timed_out", "timeout"),
        ("canceled", "cancelled"),
        ("SKIPPED", "skipped"),
        ("running", "running"),
        ("queued", "queued"),
    ],
)
def test_a_status_is_understood_in_all_its_spellings(worker, master, run, said, meant):
    assert worker.report(run, said).success
    assert master.run(run)["status"] == meant


@pytest.mark.parametrize("later", ["success", "failed", "running"])
def test_a_result_is_written_once(worker, master, run, later):
    worker.report(run, "success", data_json='{"written": 1}')
    first = master.run(run)

    assert worker.report(run, later, error_message="too late", data_json='{"written": 2}').success

    assert master.run(run) == first


def test_an_empty_run_id_falls_back_to_the_task(worker, master):
    master.enqueue(worker.name, task_id="task-and-run", run_id="task-and-run")
    worker.take()

    assert worker.report("", "success", task_id="task-and-run").success

    assert master.run("task-and-run")["status"] == "success"


def test_a_result_of_ten_mebibytes_arrives_whole(worker, master, run):
    data = {"text": "结果🦀" * 1_000_000}
    data_json = json.dumps(data, ensure_ascii=False)
    assert len(data_json.encode()) >= 10_000_000
    data["more"] = "x" * (10 * 1024 * 1024 - len(data_json.encode()) - len(', "more": ""'))
    data_json = json.dumps(data, ensure_ascii=False)
    assert len(data_json.encode()) == 10 * 1024 * 1024

    assert worker.report(run, "success", data_json=data_json).success

    whole = master.run(run)["data"] == data
    assert whole, "the data came back changed (and would fill the screen)"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("status", "finished-ish"),
        ("data_json", "[1, 2]"),
        ("data_json", "{"),
        ("started_at", "yesterday"),
    ],
)
def test_a_field_that_makes_no_sense_is_named(worker, master, run, field, value):
    fields = {"status": "success"} | {field: value}
    with refused(StatusCode.INVALID_ARGUMENT, field):
        worker.report(run, **fields)
    assert master.run(run)["status"] == "pending"


def test_a_run_that_nobody_knows_is_not_found_where_the_scheduler_tells_of_runs(worker, backend, master):
    if "REDIS_URL" in backend:
        # There it tells nobody, and a result is worth more than the doubt.
        worker.report("run-of-nobody", "success")
        assert master.run("run-of-nobody")["worker_id"] == worker.name
        return
    with refused(StatusCode.NOT_FOUND):
        worker.report("run-of-nobody", "success")
