"""A private Redis, started and ended."""

import shutil
import socket
import subprocess
import time
from pathlib import Path


class RedisServer:
    """A redis-server in a folder and on a port of its own; `with` starts and ends it."""

    def __init__(self, folder: Path):
        program = shutil.which("redis-server")
        assert program, "redis-server is missing; run: apt-get install redis-server"
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self._port = probe.getsockname()[1]
        arguments = {
            "--port": self._port,
            "--bind": "127.0.0.1",
            "--dir": folder,
            "--save": "",
            "--appendonly": "no",
            "--daemonize": "no",
        }
        words = [str(word) for pair in arguments.items() for word in pair]
        self._process = subprocess.Popen([program, *words], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self._port}/0"

    def __enter__(self) -> "RedisServer":
        deadline = time.monotonic() + 30
        while not self._answers():
            assert self._process.poll() is None, "redis-server ended before it answered"
            assert time.monotonic() < deadline, "redis-server gives no answer"
        return self

    def __exit__(self, *_) -> None:
        self._process.terminate()
        self._process.wait()

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self._port), timeout=1) as connection:
                connection.sendall(b"PING\r\n")
                return connection.recv(16) == b"+PONG\r\n"
        except OSError:
            return False
