"""What tests ask for by name."""

import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import ways
from gateway import Gateway
from master import Master
from redis_server import RedisServer
from ways import Way
from worker import Worker

# Enough for a thousand that poll at once, and for every other test to have workers that no test met before it.
WORKERS = 1500


# The workers of a gateway that a test starts for itself.
OWN_WORKERS = ["worker-a", "worker-b"]

# Both backends, and every way to reach the gateway. What a signature may be used once for is remembered in the backend,
# so it is tried with both; else they have nothing to do with each other.
ROUNDS = [
    "memory-plain-key",
    "redis-plain-key",
    "memory-tls-key",
    "memory-tls-token",
    "memory-tls-signature",
    "memory-mtls-key",
    "memory-mtls-token",
    "redis-mtls-signature",
    "memory-mtls-certificate",
]


@pytest.fixture(scope="session", params=ROUNDS)
def round_of_tests(request: pytest.FixtureRequest) -> tuple[str, str]:
    """A backend and a way; the tests run with each of these."""
    backend, _, way = request.param.partition("-")
    return backend, way


@pytest.fixture(scope="session")
def workers() -> list[str]:
    """The workers of the gateway that all tests share."""
    return [f"worker-{number:04}" for number in range(WORKERS)]


@pytest.fixture(scope="session")
def way(
    round_of_tests: tuple[str, str], tmp_path_factory: pytest.TempPathFactory, workers: list[str]
) -> Way:
    """How workers reach the gateway, and prove who they are."""
    return ways.make(round_of_tests[1], tmp_path_factory.mktemp("way"), [*workers, *OWN_WORKERS])


@pytest.fixture(scope="session")
def backend(
    round_of_tests: tuple[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, str]]:
    """The settings of the backend."""
    if round_of_tests[0] == "memory":
        yield {"GATEWAY_BACKEND": "memory"}
        return
    with RedisServer(tmp_path_factory.mktemp("redis")) as redis:
        # The operator's API lets the tests play the Master, and see what became of runs.
        yield {"REDIS_URL": redis.url, "ADMIN_API": "true"}


@pytest.fixture(scope="session")
def gateway(
    tmp_path_factory: pytest.TempPathFactory, backend: dict[str, str], way: Way, workers: list[str]
) -> Iterator[Gateway]:
    """One gateway for all tests that do not need another kind of it."""
    keys = {name: secrets.token_hex(32) for name in workers}
    settings = {
        # Out of the way: the tests of the limits have a gateway of their own.
        "RATE_LIMIT_RATE": 100_000,
        "RATE_LIMIT_CAPACITY": 200_000,
        # All tests come from one address.
        "AUTH_FAILURES_PER_MINUTE": 10_000,
        "GRPC_MAX_CONNECTIONS_PER_ADDRESS": 10_000,
        # Soon enough to be waited for.
        "GRPC_PING_INTERVAL_SECONDS": 1,
    }
    with Gateway(tmp_path_factory.mktemp("gateway"), keys, way, **backend, **settings) as gateway:
        yield gateway


@pytest.fixture(scope="session")
def names(gateway: Gateway) -> Iterator[str]:
    """Names of workers, each given out once."""
    return iter(gateway.keys)


@pytest.fixture
def hire(gateway: Gateway, names: Iterator[str]) -> Callable[[], Worker]:
    """Makes a worker that no other test has met."""
    return lambda: gateway.worker(next(names))


@pytest.fixture
def worker(hire: Callable[[], Worker]) -> Worker:
    return hire()


@pytest.fixture
def other(hire: Callable[[], Worker]) -> Worker:
    """A second worker, whose things are not the first one's."""
    return hire()


@pytest.fixture
def master(gateway: Gateway) -> Master:
    return Master(gateway.http_address)


@pytest.fixture
def own_gateway(tmp_path: Path, backend: dict[str, str], way: Way) -> Callable[..., Gateway]:
    """Makes a gateway that a test has for itself, on keys that no other has in Redis."""

    def make(keys: dict[str, str], **settings: object) -> Gateway:
        namespace = {"REDIS_NAMESPACE": f"own-{secrets.token_hex(4)}"} if "REDIS_URL" in backend else {}
        return Gateway(tmp_path, keys, way, **backend, **namespace, **settings)

    return make


@pytest.fixture
def own_keys() -> dict[str, str]:
    """Keys for a gateway that a test starts for itself."""
    return {name: secrets.token_hex(32) for name in OWN_WORKERS}
