"""How workers reach a gateway, and what they prove themselves with: `tls-token` is by TLS, with a token.

A further credential is a class in `credentials.py` and a name in `make`; `conftest.py` names the ways that are tried.
"""

import subprocess
from collections.abc import Iterable
from pathlib import Path

import grpc

from credentials import PROGRAM, ApiKey, Certificate, Metadata, Signature, Token


class Plain:
    """In plain."""

    # What the gateway is told of it.
    settings: dict[str, str] = {}

    def channel_credentials(self, client: str) -> grpc.ChannelCredentials | None:
        """What a connection is made with by `client`, who is a worker or `probe`; nothing where it is in plain."""
        return None


class Tls(Plain):
    """By TLS; clients have no certificate."""

    def __init__(self, folder: Path, workers: Iterable[str] = ()):
        names = [word for worker in workers for word in ("--worker", worker)]
        subprocess.run([PROGRAM, "certs", "dev", folder, *names], check=True, stdout=subprocess.DEVNULL)
        self._folder = folder
        self.settings = {
            "GRPC_TLS_CERT_PATH": str(folder / "server.pem"),
            "GRPC_TLS_KEY_PATH": str(folder / "server.key"),
        }

    def channel_credentials(self, client: str) -> grpc.ChannelCredentials:
        return grpc.ssl_channel_credentials(self._read("ca.pem"))

    def _read(self, name: str) -> bytes:
        return (self._folder / name).read_bytes()


class MutualTls(Tls):
    """By TLS, and clients have a certificate. The one of `probe` names no worker."""

    def __init__(self, folder: Path, workers: Iterable[str] = ()):
        super().__init__(folder, workers)
        self.settings["GRPC_TLS_CA_PATH"] = str(folder / "ca.pem")

    def channel_credentials(self, client: str) -> grpc.ChannelCredentials:
        return grpc.ssl_channel_credentials(
            self._read("ca.pem"), self._read(f"{client}.key"), self._read(f"{client}.pem")
        )


class Way:
    """How connections are made, and what is sent over them."""

    def __init__(self, transport: Plain, credential: ApiKey):
        self.transport = transport
        self.credential = credential

    def settings(self, folder: Path, workers: Iterable[str]) -> dict[str, str]:
        """What a gateway in `folder` is told, for these workers."""
        return self.transport.settings | self.credential.settings(folder, list(workers))

    def channel_credentials(self, worker: str | None) -> grpc.ChannelCredentials | None:
        """What a connection of a worker is made with; of none, if it may prove nothing."""
        of_worker = self.credential.of_connection and worker is not None
        return self.transport.channel_credentials(f"worker-{worker}" if of_worker else "probe")

    def metadata(self, worker: str, key: str) -> Metadata:
        """What a worker says of itself with a call; made for each call anew."""
        return self.credential.metadata(worker, key)


def make(name: str, folder: Path, workers: Iterable[str] = ()) -> Way:
    """The way of that name, by which these workers come; what files it needs go into the folder."""
    transport, _, credential = name.partition("-")
    match credential:
        case "key":
            proof = ApiKey()
        case "token":
            proof = Token(folder)
        case "signature":
            proof = Signature()
        case "certificate":
            proof = Certificate()
        case _:
            raise ValueError(f"there is no way {name!r}")
    match transport:
        case "plain":
            return Way(Plain(), proof)
        case "tls":
            return Way(Tls(folder), proof)
        case "mtls":
            # Those who have another proof show that they are clients, and not which.
            return Way(MutualTls(folder, workers if proof.of_connection else ()), proof)
    raise ValueError(f"there is no way {name!r}")
