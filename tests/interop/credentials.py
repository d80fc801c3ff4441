"""What workers prove themselves with: a class for each of the field's methods."""

import base64
import hashlib
import hmac
import json
import os
import secrets
import subprocess
import time
from pathlib import Path

from protocol import ROOT

PROGRAM = ROOT / os.environ.get("ANTCODE_GATEWAY", "target/debug/antcode-gateway")

# Headers, or trailers, as grpcio takes them.
Metadata = tuple[tuple[str, str], ...]


class ApiKey:
    """The key itself; every gateway of the tests knows the keys of its workers."""

    # Whether it is the connection's, and not in the headers of each call.
    of_connection = False
    # Whether it is made of the worker's name, for one call.
    signs = False
    # Whether Register carries it in its message.
    registers = True

    def settings(self, folder: Path, workers: list[str]) -> dict[str, str]:
        """What a gateway in `folder` is told of it, for these workers."""
        return {}

    def metadata(self, worker: str, key: str) -> Metadata:
        """What a worker says of itself with a call; made for each call anew."""
        return (("x-worker-id", worker), ("x-api-key", key))

    def forged(self, worker: str) -> Metadata:
        """What somebody says who has nothing of the worker's but its name."""
        return self.metadata(worker, "0" * 64)


class Token(ApiKey):
    """A JWT, as `token mint` makes it."""

    registers = False

    def __init__(self, folder: Path):
        secret = folder / "token-secret"
        secret.write_text(secrets.token_hex(32))
        self._settings = {
            "JWT_SECRET_FILE": str(secret),
            "JWT_ISSUER": "https://issuer.example",
            "JWT_AUDIENCE": "antcode-gateway",
        }
        self._minted: dict[str, str] = {}

    def settings(self, folder: Path, workers: list[str]) -> dict[str, str]:
        return self._settings

    def metadata(self, worker: str, key: str) -> Metadata:
        if worker not in self._minted:
            self._minted[worker] = self.mint(worker)
        return bearer(worker, self._minted[worker])

    def forged(self, worker: str) -> Metadata:
        # The same claims, signed with another secret.
        head, claims, _ = self.mint(worker).split(".")
        mac = hmac.digest(b"a guess", f"{head}.{claims}".encode(), "sha256")
        return bearer(worker, f"{head}.{claims}.{base64.urlsafe_b64encode(mac).decode().rstrip('=')}")

    def mint(self, worker: str) -> str:
        command = [PROGRAM, "token", "mint", "--worker", worker, "--ttl", "1h"]
        return subprocess.run(command, check=True, env=self._settings, stdout=subprocess.PIPE, text=True).stdout.strip()


class Signature(ApiKey):
    """An HMAC of the name, the time and a number that is used once."""

    signs = True
    registers = False

    def __init__(self):
        self._seed = secrets.token_bytes(32)

    def settings(self, folder: Path, workers: list[str]) -> dict[str, str]:
        file = folder / "signing-keys.json"
        file.write_text(json.dumps({worker: self._secret(worker) for worker in workers}))
        return {"SIGNING_KEYS_FILE": str(file)}

    def metadata(self, worker: str, key: str) -> Metadata:
        return signed(worker, self._secret(worker))

    def forged(self, worker: str) -> Metadata:
        return signed(worker, "a guess, and a wrong one")

    def _secret(self, worker: str) -> str:
        return hmac.new(self._seed, worker.encode(), hashlib.sha256).hexdigest()


class Certificate(ApiKey):
    """The connection's certificate; headers have the name alone."""

    of_connection = True
    registers = False

    def metadata(self, worker: str, key: str) -> Metadata:
        return (("x-worker-id", worker),)


def bearer(worker: str, token: str) -> Metadata:
    return (("x-worker-id", worker), ("authorization", f"Bearer {token}"))


def signed(worker: str, secret: str) -> Metadata:
    at, nonce = str(int(time.time())), secrets.token_hex(16)
    mac = hmac.new(secret.encode(), f"{worker}\n{at}\n{nonce}".encode(), hashlib.sha256)
    return (("x-worker-id", worker), ("x-timestamp", at), ("x-nonce", nonce), ("x-signature", mac.hexdigest()))
