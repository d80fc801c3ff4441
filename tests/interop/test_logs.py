"""Logs: live lines in their order, and the log file put together from its pieces."""

import hashlib
import json

import pytest
from grpc import StatusCode

from protocol import pb
from worker import refused


@pytest.fixture
def run(worker, master) -> str:
    """A run of the worker's."""
    return master.enqueue(worker.name)["run_id"]


def seen(lines: list[dict]) -> list[tuple[str, str]]:
    return [(line["log_type"], line["content"]) for line in lines]


def test_a_line_arrives_with_all_that_was_said_of_it(worker, master, run):
    worker.log(run, "first", log_type="stderr", timestamp="2026-11-22T10:00:00.250+00:00", sequence=7)

    (line,) = master.logs(run)
    assert line["content"] == "first"
    assert line["log_type"] == "stderr"
    assert line["sequence"] == 7
    assert line["timestamp"].startswith("2026-11-22T10:00:00.25")


def test_a_batch_of_several_runs_keeps_the_order_of_each(worker, master):
    runs = [master.enqueue(worker.name)["run_id"] for _ in range(3)]
    entries = [
        pb.LogEntry(run_id=runs[number % 3], log_type="stdout", content=f"line {number}", sequence=number)
        for number in range(3000)
    ]
    assert worker.call("SendLogBatch", pb.SendLogBatchRequest(logs=entries)).success

    for index, run in enumerate(runs):
        lines = master.logs(run)
        assert [line["content"] for line in lines] == [f"line {number}" for number in range(index, 3000, 3)]
        assert [line["index"] for line in lines] == list(range(1000))


def test_whoever_follows_sees_each_line_as_it_comes_and_the_end_of_the_run(worker, master, run):
    worker.log(run, "before")
    with master.open(f"/api/runs/{run}/logs?follow=true") as following:
        assert json.loads(following.readline())["content"] == "before"
        worker.log(run, "while")
        assert json.loads(following.readline())["content"] == "while"
        worker.log(run, "last")
        worker.report(run, "success")
        assert [json.loads(line)["content"] for line in following] == ["last"]


def test_a_batch_with_another_workers_run_is_refused(worker, other, master, run):
    theirs = master.enqueue(other.name)["run_id"]
    batch = pb.SendLogBatchRequest(logs=[pb.LogEntry(run_id=theirs, content="not yours")])
    with refused(StatusCode.PERMISSION_DENIED):
        worker.call("SendLogBatch", batch)
    assert master.logs(theirs) == []


def test_a_log_type_that_is_none_is_refused_by_name(worker, run):
    with refused(StatusCode.INVALID_ARGUMENT, "log_type"):
        worker.log(run, "line", log_type="stdwhat")


def test_a_file_is_put_together_from_pieces_in_any_order(worker, master, run):
    # Cut in the middle of a character, with bytes that are no text at all at the end.
    whole = "开始 🦀\n".encode() + bytes(range(256))
    cut, end = 8, len(whole)

    # Out of order: what came is kept, and nothing is held without a gap yet.
    later = worker.chunk(run, whole[100:], 100, is_final=True, total_size=end)
    assert (later.success, later.ack_offset) == (True, 0), later.error
    assert worker.chunk(run, whole[:cut], 0).ack_offset == cut
    assert worker.chunk(run, whole[:cut], 0).ack_offset == cut, "a duplicate changes nothing"
    assert master.file(run, "stdout")[1] is False
    # The gap, with an overlap on either side.
    assert worker.chunk(run, whole[4:120], 4).ack_offset == end

    assert master.file(run, "stdout") == (whole, True)


def test_stdout_and_stderr_are_two_files(worker, master, run):
    worker.chunk(run, b"out", 0, log_type="stdout", is_final=True)
    worker.chunk(run, b"err", 0, log_type="stderr", is_final=True)

    assert master.file(run, "stdout") == (b"out", True)
    assert master.file(run, "stderr") == (b"err", True)


@pytest.mark.parametrize("digits", [16, 64])
def test_a_checksum_is_taken_whole_or_by_its_first_sixteen_digits(worker, master, run, digits):
    checksum = hashlib.sha256(b"data").hexdigest()[:digits]

    assert worker.chunk(run, b"data", 0, checksum=checksum, is_final=True).ack_offset == 4

    assert master.file(run, "stdout") == (b"data", True)


def test_a_piece_that_does_not_match_its_checksum_is_not_taken(worker, run):
    with refused(StatusCode.INVALID_ARGUMENT, "checksum"):
        worker.chunk(run, b"data", 0, checksum="0" * 64)

    assert worker.chunk(run, b"", 0).ack_offset == 0
