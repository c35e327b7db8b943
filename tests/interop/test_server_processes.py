"""Several server processes: joined by Redis behind nginx, and on one shared port."""

import contextlib
import functools
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from websockets.sync.client import ClientConnection, connect

from interop.conftest import Start
from interop.server_programs import commands
from support.process import Program

TIMEOUT = 30
GREETINGS = ["hello", "Grüße an alle", "\U0001f600" * 1000]

meet = functools.partial(connect, open_timeout=TIMEOUT, close_timeout=TIMEOUT, proxy=None)


def hear(connection: ClientConnection) -> str | bytes:
    """The next message."""
    return connection.recv(timeout=TIMEOUT)


def wait_for_count(program: Program, text: str, count: int) -> None:
    """Wait until the program has printed *text* so many times."""
    deadline = time.monotonic() + TIMEOUT
    while program.output().count(text) < count:
        assert time.monotonic() < deadline, program.output()
        time.sleep(0.02)


@pytest.fixture
def start_all() -> Iterator[Callable[..., Program]]:
    """Start programs; they are ended with the test."""
    with contextlib.ExitStack() as stack:

        def start_it(*arguments, **options) -> Program:
            program = Program(*arguments, **options)
            stack.callback(program.stop)
            return program

        yield start_it


# Redis and nginx. The example broadcasts with a method that Qt's module does not have.

ours_only = pytest.mark.beyond("Qt's server has no broadcastTextMessage()", crashes=True)


@pytest.fixture
def redis(start: Start, directory: Path) -> Iterator[Program]:
    """A Redis of this test's own."""
    program = start(functools.partial(commands.redis_server, directory))
    yield program
    program.stop()


@pytest.fixture
def fanouts(start: Start, redis: Program) -> Iterator[list[Program]]:
    """Two processes of the example, which have subscribed."""
    where = f"127.0.0.1:{redis.port}"
    servers = [
        start(lambda port: commands.example("fanout.py", port, where), env=commands.environment())
        for _ in range(2)
    ]
    for server in servers:
        server.wait_for_output("subscribed")
    yield servers
    for server in servers:
        server.stop()


@ours_only
def test_clients_of_two_processes_hear_each_other(fanouts: list[Program]):
    one, two = (f"ws://127.0.0.1:{server.port}/" for server in fanouts)
    with meet(one) as first, meet(two) as second:
        for greeting in GREETINGS:
            first.send(greeting)
            assert hear(second) == hear(first) == greeting
        second.send("and back")
        assert hear(first) == hear(second) == "and back"


@ours_only
def test_clients_that_nginx_spreads_over_the_processes_hear_the_same(
    start: Start, directory: Path, fanouts: list[Program]
):
    ports = [server.port for server in fanouts]
    nginx = start(lambda port: commands.nginx_balancer(directory, port, ports))
    try:
        with contextlib.ExitStack() as stack:
            url = f"ws://127.0.0.1:{nginx.port}/"
            clients = [stack.enter_context(meet(url)) for _ in range(6)]
            said = [f"from {number}" for number in range(6)]
            for client, message in zip(clients, said, strict=True):
                client.send(message)
            heard = [[hear(client) for _ in said] for client in clients]
        assert sorted(heard[0]) == said
        assert heard == [heard[0]] * 6  # in the same order for all
        for server in fanouts:
            server.wait_for_output("passed on to 3")
    finally:
        nginx.stop()


@ours_only
def test_the_processes_come_together_again_after_redis_was_gone(
    start_all: Callable[..., Program], directory: Path, redis: Program, fanouts: list[Program]
):
    one, two = (f"ws://127.0.0.1:{server.port}/" for server in fanouts)
    with meet(one) as first, meet(two) as second:
        redis.stop()
        for server in fanouts:
            server.wait_for_output("Redis: ")
        first.send("nobody hears this")
        start_all(commands.redis_server(directory, redis.port), port=redis.port)
        for server in fanouts:
            wait_for_count(server, "subscribed", 2)
        first.send("but this")
        assert hear(second) == hear(first) == "but this"


# One port.

PROCESSES = 3
CLIENTS = 60


def test_processes_on_one_port_share_the_clients(start: Start, start_all: Callable[..., Program]):
    options = {"env": commands.environment()}
    first = start(lambda port: commands.example("sharedport.py", port), **options)
    command = commands.example("sharedport.py", first.port)
    others = [start_all(command, port=first.port, **options) for _ in range(PROCESSES - 1)]
    for program in others:
        program.wait_for_output("listening")
    url = f"ws://127.0.0.1:{first.port}/"

    def greetings() -> Counter[str | bytes]:
        with contextlib.ExitStack() as stack:
            clients = [stack.enter_context(meet(url)) for _ in range(CLIENTS)]
            met = Counter(hear(client) for client in clients)
            for client in clients:
                client.send("hello")
                assert hear(client) == "hello"
        return met

    assert set(greetings()) == {f"process {program.pid}" for program in (first, *others)}
    first.stop()
    assert set(greetings()) == {f"process {program.pid}" for program in others}
