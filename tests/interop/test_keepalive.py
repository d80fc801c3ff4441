"""Keepalive: workers that ping often and call seldom keep their connection."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc
import pytest

import ways
from gateway import Gateway
from relay import Relay
from worker import Worker

# As often as the field's most eager worker; pings without calls are not held back.
EAGER = (("grpc.keepalive_time_ms", 10_000), ("grpc.http2.max_pings_without_data", 0))
# Three pings and some.
SILENCE_SECONDS = 36

TRANSPORTS = ("plain-key", "tls-key", "mtls-certificate")


@pytest.fixture
def connect(tmp_path: Path, own_keys) -> Callable:
    """Connects a worker by a transport and over a relay, and tells when its connection is lost."""

    @contextmanager
    def connect(name: str, **settings: object) -> Iterator[tuple[Worker, threading.Event, Relay]]:
        folder = tmp_path / name
        folder.mkdir()
        way = ways.make(name, folder, own_keys)
        with Gateway(folder, own_keys, way, GATEWAY_BACKEND="memory", **settings) as gateway:
            with (
                Relay(gateway.grpc_address) as relay,
                gateway.connect(*EAGER, worker="worker-a", address=relay.address) as channel,
            ):
                worker = gateway.worker_on(channel, "worker-a")
                assert worker.heartbeat().success
                yield worker, watch(channel), relay

    return connect


def test_pings_without_calls_bring_no_goaway(connect):
    plain, tls, mutual = TRANSPORTS
    # All at once: silence takes its time.
    with connect(plain) as first, connect(tls) as second, connect(mutual) as third:
        _, lost, relay = first
        # The others' frames are not to be seen.
        before = relay.pings
        lost.wait(SILENCE_SECONDS)

        assert relay.pings >= before + 3
        for worker, lost, _ in (first, second, third):
            # A GOAWAY ends the connection, and with it the state that says that it is there.
            assert not lost.is_set()
            assert worker.heartbeat().success
            assert not lost.is_set()


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_goaway_would_be_noticed(connect, transport):
    with connect(transport, GRPC_CONNECTION_MAX_AGE=2) as (_, lost, _):
        assert lost.wait(30)


def watch(channel: grpc.Channel) -> threading.Event:
    """Is set once the channel's connection, which is there, is there no more."""
    seen, lost = threading.Event(), threading.Event()

    def look(state: grpc.ChannelConnectivity) -> None:
        if state == grpc.ChannelConnectivity.READY:
            seen.set()
        elif seen.is_set():
            lost.set()

    channel.subscribe(look)
    assert seen.wait(10), "the connection is there, since a call was answered"
    return lost
