"""The built program, started and ended."""

import hashlib
import json
import subprocess
import sys
import threading
from pathlib import Path

import grpc

from credentials import PROGRAM, ApiKey, Metadata
from ways import Plain, Way
from worker import Worker

# As the field's worker sets them.
CHANNEL_OPTIONS = [
    ("grpc.max_send_message_length", 50 * 1024 * 1024),
    ("grpc.max_receive_message_length", 50 * 1024 * 1024),
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_permit_without_calls", 1),
    # Without it, channels to one address share one connection.
    ("grpc.use_local_subchannel_pool", 1),
]


class Gateway:
    """A gateway process in a folder and on ports of its own; `with` starts and ends it."""

    def __init__(self, folder: Path, keys: dict[str, str], way: Way | None = None, **settings: object):
        """`keys` holds each worker's API key; `settings` go into the environment."""
        self.keys = keys
        self.way = way or Way(Plain(), ApiKey())
        self._channels: dict[str, grpc.Channel] = {}
        self._log: list[str] = []
        self._changed = threading.Condition()
        self._ended = False
        self._asked_to_end = False
        # Nothing of the tester's environment gets through: a REDIS_URL there would change what is tested.
        environment = {
            "RUST_BACKTRACE": "1",
            "GRPC_HOST": "127.0.0.1",
            "GRPC_PORT": "0",
            "ADMIN_PORT": "0",
            "LOG_FORMAT": "json",
        }
        if keys:
            keys_file = folder / "keys.json"
            keys_file.write_text(json.dumps({name: sha256(key) for name, key in keys.items()}))
            environment["API_KEYS_FILE"] = str(keys_file)
        settings = self.way.settings(folder, keys) | settings
        environment |= {name: str(value) for name, value in settings.items()}
        self._process = subprocess.Popen(
            [PROGRAM],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            encoding="utf-8",
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> "Gateway":
        try:
            self.grpc_address = self.wait_for("serving gRPC")["address"]
            self.http_address = self.wait_for("serving admin HTTP")["address"]
        except BaseException:
            self._process.kill()
            self._process.wait()
            raise
        self.channel = self.connect()
        return self

    def __exit__(self, *_) -> None:
        for channel in [self.channel, *self._channels.values()]:
            channel.close()
        self.stop()

    def connect(
        self, *options: tuple[str, int], worker: str | None = None, address: str = "", connections=grpc
    ) -> grpc.Channel:
        """A connection of one's own to the gateway, of a worker's if one is named: else it proves nothing.

        With `address`, by way of a relay there; with `connections` `grpc.aio`, one of that kind.
        """
        address = address or self.grpc_address
        # Of an option that is there twice, grpcio takes the first.
        options = [*options, *CHANNEL_OPTIONS]
        credentials = self.way.channel_credentials(worker)
        if credentials is None:
            return connections.insecure_channel(address, options)
        return connections.secure_channel(address, credentials, options)

    def worker(self, name: str) -> Worker:
        """The worker of that name; all share a connection, if it is not what they prove themselves with."""
        channel = self.channel
        if self.way.credential.of_connection:
            channel = self._channels.get(name) or self.connect(worker=name)
            self._channels[name] = channel
        return self.worker_on(channel, name)

    def worker_on(self, channel: grpc.Channel, name: str) -> Worker:
        """The worker of that name, on a connection that it has made."""
        registers = self.way.credential.registers
        return Worker(name, channel, lambda: self.metadata(name), self.keys.get(name, "") if registers else "")

    def metadata(self, worker: str) -> Metadata:
        """What a worker says of itself with a call; made for each call anew."""
        return self.way.metadata(worker, self.keys.get(worker, ""))

    def terminate(self) -> None:
        """Asks the gateway to end, once, and does not wait for it."""
        # A second signal would force it to.
        if not self._asked_to_end:
            self._asked_to_end = True
            self._process.terminate()

    def stop(self) -> None:
        """Ends the gateway, which must do so in good order."""
        self.terminate()
        try:
            code = self._process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            raise AssertionError(f"the gateway did not end on SIGTERM; its log:\n{self.log()}") from None
        self._reader.join()
        assert code == 0, f"the gateway ended with code {code}; its log:\n{self.log()}"
        assert "panicked at" not in self.log(), f"the gateway panicked; its log:\n{self.log()}"

    def wait_for(self, message: str) -> dict:
        """The first log entry that says `message`, waiting for it to come."""
        with self._changed:
            self._changed.wait_for(lambda: self._ended or self.entries(message), timeout=30)
            found = self.entries(message)
        assert found, f"the gateway did not log {message!r}; its log:\n{self.log()}"
        return found[0]

    def entries(self, message: str = "") -> list[dict]:
        """The log entries so far; with `message`, those that say just that."""
        entries = [json.loads(line) for line in self._log if line.startswith("{")]
        return [entry for entry in entries if message in ("", entry.get("message"))]

    def log(self) -> str:
        """The end of the log."""
        return "".join(self._log[-40:])

    def _read(self) -> None:
        for line in self._process.stderr:
            # pytest shows this beside the test during which it came, if that fails.
            print("gateway:", line, end="", file=sys.stderr)
            with self._changed:
                self._log.append(line)
                self._changed.notify_all()
        with self._changed:
            self._ended = True
            self._changed.notify_all()


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
