"""Keepalive: workers that ping often and call seldom keep their connection."""

import threading
from contextlib import ExitStack
from pathlib import Path

import grpc

import ways
from gateway import Gateway
from worker import Worker

# As often as the field's most eager worker; pings without calls are not held back.
EAGER = (("grpc.keepalive_time_ms", 10_000), ("grpc.http2.max_pings_without_data", 0))
# Three pings and some.
SILENCE_SECONDS = 36


def test_pings_without_calls_bring_no_goaway(tmp_path: Path, own_keys):
    lost = threading.Event()
    with ExitStack() as stack:
        workers = []
        for name in ("plain", "tls", "mtls"):
            folder = tmp_path / name
            folder.mkdir()
            way = ways.make(name, folder)
            gateway = stack.enter_context(Gateway(folder, own_keys, way, GATEWAY_BACKEND="memory"))
            channel = stack.enter_context(gateway.connect(*EAGER))
            worker = Worker("worker-a", own_keys["worker-a"], channel, gateway.metadata("worker-a"))
            assert worker.heartbeat().success
            watch(channel, lost)
            workers.append(worker)

        # A GOAWAY ends the connection, and with it the state that says that it is there.
        assert not lost.wait(SILENCE_SECONDS)

        assert all(worker.heartbeat().success for worker in workers)


def watch(channel: grpc.Channel, lost: threading.Event) -> None:
    """Sets `lost` once the channel's connection, which is there, is there no more."""
    seen = threading.Event()

    def look(state: grpc.ChannelConnectivity) -> None:
        if state == grpc.ChannelConnectivity.READY:
            seen.set()
        elif seen.is_set():
            lost.set()

    channel.subscribe(look)
    assert seen.wait(10), "the connection is there, since a call was answered"
