"""A thousand workers that poll at once."""

import asyncio
import itertools

import grpc.aio

from protocol import pb, stubs

POLLS = 1000
CHANNELS = 20
# Every tenth gets a task at first.
CHOSEN = range(0, POLLS, 10)
WAIT_MS = 50_000


def test_a_thousand_polls_wait_and_each_gets_its_own_task(gateway, master, names):
    workers = list(itertools.islice(names, POLLS))
    asyncio.run(poll_all(gateway, master, workers))


async def poll_all(gateway, master, workers: list[str]) -> None:
    count = POLLS if gateway.way.credential.of_connection else CHANNELS
    channels = [gateway.connect(worker=name, connections=grpc.aio) for name in workers[:count]]
    for some in range(0, count, CHANNELS):
        # What happens to a crowd that connects at once is not asked here.
        await asyncio.gather(*(channel.channel_ready() for channel in channels[some : some + CHANNELS]))
    connections = [stubs.GatewayServiceStub(channel) for channel in channels]

    async def poll(name: str, stub, timeout_ms: int = WAIT_MS) -> str:
        """The run that a poll brought, or nothing."""
        answer = await stub.PollTask(
            pb.PollTaskRequest(worker_id=name, timeout_ms=timeout_ms),
            timeout=timeout_ms / 1000 + 5,
            metadata=gateway.metadata(name),
        )
        return answer.task.run_id

    async def enqueue(indices) -> None:
        for index in indices:
            await asyncio.to_thread(master.enqueue, workers[index], run_id=run_of(index))

    polls = [asyncio.create_task(poll(name, connections[n % count])) for n, name in enumerate(workers)]
    # When a short poll sent after them on each connection is over, the long ones are surely waiting.
    await asyncio.gather(*(poll(name, stub, 500) for name, stub in zip(workers, connections)))
    early = [n for n, task in enumerate(polls) if task.done()]
    assert not early, f"{len(early)} polls ended before there was a task, the first: {polls[early[0]]}"

    await enqueue(CHOSEN)
    assert await asyncio.gather(*(polls[n] for n in CHOSEN)) == [run_of(n) for n in CHOSEN]
    assert [n for n, task in enumerate(polls) if task.done()] == list(CHOSEN), "others ended as well"

    rest = [n for n in range(POLLS) if n not in CHOSEN]
    await enqueue(rest)
    assert await asyncio.gather(*(polls[n] for n in rest)) == [run_of(n) for n in rest]

    for channel in channels:
        await channel.close()


def run_of(index: int) -> str:
    return f"run-many-{index}"
