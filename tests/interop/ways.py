"""How workers reach a gateway, and what they prove themselves with.

A way that has another credential than the API key is a class with `metadata` of its own, and a name in `make` and in
`conftest.py`. Where the credential is the connection's, it has `channel_credentials` of its own as well.
"""

import os
import subprocess
from pathlib import Path

import grpc

from protocol import ROOT

PROGRAM = ROOT / os.environ.get("ANTCODE_GATEWAY", "target/debug/antcode-gateway")


class Way:
    """In plain, with an API key."""

    # What the gateway is told of it.
    settings: dict[str, str] = {}

    def channel_credentials(self) -> grpc.ChannelCredentials | None:
        """What a connection is made with; nothing where it is in plain."""
        return None

    def metadata(self, worker: str, key: str) -> tuple:
        """What a worker says of itself with each call."""
        return (("x-worker-id", worker), ("x-api-key", key))


class Tls(Way):
    """By TLS, with an API key."""

    def __init__(self, folder: Path):
        subprocess.run([PROGRAM, "certs", "dev", folder], check=True, stdout=subprocess.DEVNULL)
        self._folder = folder
        self.settings = {
            "GRPC_TLS_CERT_PATH": str(folder / "server.pem"),
            "GRPC_TLS_KEY_PATH": str(folder / "server.key"),
        }

    def channel_credentials(self) -> grpc.ChannelCredentials:
        return grpc.ssl_channel_credentials(self._read("ca.pem"))

    def _read(self, name: str) -> bytes:
        return (self._folder / name).read_bytes()


class MutualTls(Tls):
    """By TLS, with a certificate that names no worker, and an API key."""

    def __init__(self, folder: Path):
        super().__init__(folder)
        self.settings["GRPC_TLS_CA_PATH"] = str(folder / "ca.pem")

    def channel_credentials(self) -> grpc.ChannelCredentials:
        return grpc.ssl_channel_credentials(self._read("ca.pem"), self._read("probe.key"), self._read("probe.pem"))


def make(name: str, folder: Path) -> Way:
    """The way of that name; what files it needs go into the folder."""
    match name:
        case "plain":
            return Way()
        case "tls":
            return Tls(folder)
        case "mtls":
            return MutualTls(folder)
    raise ValueError(f"there is no way {name!r}")
