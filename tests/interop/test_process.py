"""The program's end: polls and streams do not hold it up, nor are they cut off."""

from grpc import StatusCode


def test_sigterm_ends_polls_and_streams_in_good_order(own_gateway, own_keys):
    with own_gateway(own_keys) as gateway:
        worker = gateway.worker("worker-a")
        poll = worker.poll_task_later(timeout_ms=50_000)
        stream = worker.open_stream()
        stream.wait_until_open()
        # When a shorter poll is over, the longer one is surely waiting.
        assert not worker.poll_task(timeout_ms=100).has_task

        gateway.terminate()

        assert not poll.result().has_task
        assert stream.end() in (StatusCode.OK, StatusCode.UNAVAILABLE)
        # Leaving the block asserts the exit code.
