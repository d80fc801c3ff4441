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
    """A JWT: the first as `token mint` makes it, the others like it, as any program would."""

    registers = False

    def __init__(self, folder: Path):
        self._secret = secrets.token_hex(32)
        file = folder / "token-secret"
        file.write_text(self._secret)
        self._settings = {
            "JWT_SECRET_FILE": str(file),
            "JWT_ISSUER": "https://issuer.example",
            "JWT_AUDIENCE": "antcode-gateway",
        }
        self._tokens: dict[str, str] = {}

    def settings(self, folder: Path, workers: list[str]) -> dict[str, str]:
        return self._settings

    def metadata(self, worker: str, key: str) -> Metadata:
        if not self._tokens:
            command = [PROGRAM, "token", "mint", "--worker", worker, "--ttl", "1h"]
            minted = subprocess.run(command, check=True, env=self._settings, stdout=subprocess.PIPE, text=True)
            self._tokens[worker] = minted.stdout.strip()
        if worker not in self._tokens:
            self._tokens[worker] = self._made(worker, self._secret)
        return bearer(worker, self._tokens[worker])

    def forged(self, worker: str) -> Metadata:
        return bearer(worker, self._made(worker, "a guess, and a wrong one"))

    def _made(self, worker: str, secret: str) -> str:
        now = int(time.time())
        claims = {
            "iss": self._settings["JWT_ISSUER"],
            "aud": self._settings["JWT_AUDIENCE"],
            "sub": worker,
            "iat": now,
            "exp": now + 3600,
        }
        signed = f"{part({'alg': 'HS256', 'typ': 'JWT'})}.{part(claims)}"
        mac = hmac.digest(secret.encode(), signed.encode(), "sha256")
        return f"{signed}.{base64url(mac)}"


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


def part(of_token: dict) -> str:
    return base64url(json.dumps(of_token).encode())


def base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def bearer(worker: str, token: str) -> Metadata:
    return (("x-worker-id", worker), ("authorization", f"Bearer {token}"))


def signed(worker: str, secret: str) -> Metadata:
    at, nonce = str(int(time.time())), secrets.token_hex(16)
    mac = hmac.new(secret.encode(), f"{worker}\n{at}\n{nonce}".encode(), hashlib.sha256)
    return (("x-worker-id", worker), ("x-timestamp", at), ("x-nonce", nonce), ("x-signature", mac.hexdigest()))
