#!/usr/bin/python3
"""A proxy before MariaDB that loses, delays and cuts what it is told to.

    dbproxy.py LISTEN SERVER CONTROL

All three are paths of unix sockets. It prints "ready" once it listens. A
command is one line to CONTROL, answered by one line:

    drop-reply N [TEXT]   the next N replies to a query that begins with TEXT
                          (COMMIT) are swallowed after the server has sent
                          them, and the connection is closed
    drop-request N [TEXT] the same, but the query never gets to the server
    lose P                of all replies to COMMIT, that part (0..1) is lost
    delay MS              each reply of the server comes that much later
    cut                   closes all connections now
    refuse on|off         closes new connections at once
    freeze on|off         moves no byte in either direction (half-open)
    stat                  "connections=N commits=N dropped=N"
    quit

Texts are matched against text queries and against prepared statements (by
what was prepared under the same number on the same connection).
"""

import asyncio
import os
import random
import signal
import sys

COM_QUERY = 0x03
COM_STMT_PREPARE = 0x16
COM_STMT_EXECUTE = 0x17
LOOK = 200  # bytes of a query that are looked at
CHUNK = 65536
ALL_ONES = 0xFFFFFF


class Rules:
    """What the tests ask for; common to all connections."""

    def __init__(self):
        self.drop_reply = [0, b"COMMIT"]
        self.drop_request = [0, b"COMMIT"]
        self.lose = 0.0
        self.delay = 0.0
        self.refuse = False
        self.thaw = asyncio.Event()
        self.thaw.set()
        self.commits = 0
        self.dropped = 0
        self.total = 0
        self.open = set()

    def fate(self, query):
        """pass, reply (lose the answer) or request (lose the question)."""
        if query.startswith(b"COMMIT"):
            self.commits += 1
        for rule, name in ((self.drop_request, "request"),
                           (self.drop_reply, "reply")):
            if rule[0] > 0 and query.startswith(rule[1]):
                rule[0] -= 1
                self.dropped += 1
                return name
        if self.lose > 0 and query.startswith(b"COMMIT") \
                and random.random() < self.lose:
            self.dropped += 1
            return "reply"
        return "pass"


class Connection:
    def __init__(self, rules, client, server):
        self.rules = rules
        self.client_reader, self.client_writer = client
        self.server_reader, self.server_writer = server
        self.swallow = False
        self.preparing = None
        self.prepared = {}

    def close(self):
        for writer in (self.client_writer, self.server_writer):
            writer.transport.abort()

    def query_of(self, body):
        """The SQL behind the first bytes of a command."""
        command, rest = body[0], body[1:]
        if command == COM_STMT_EXECUTE:
            return self.prepared.get(int.from_bytes(rest[:4], "little"), b"")
        if command == COM_STMT_PREPARE:
            self.preparing = rest
        return rest if command == COM_QUERY else b""

    async def to_server(self):
        in_command = False  # a packet that goes on in the next one
        while True:
            header = await self.client_reader.readexactly(4)
            left = int.from_bytes(header[:3], "little")
            first = await self.client_reader.readexactly(min(left, LOOK))
            if header[3] == 0 and not in_command and first:
                fate = self.rules.fate(self.query_of(first))
                if fate == "request":
                    return
                self.swallow = fate == "reply"
            in_command = left == ALL_ONES
            await self.rules.thaw.wait()
            self.server_writer.write(header + first)
            left -= len(first)
            while left > 0:
                piece = await self.client_reader.read(min(left, CHUNK))
                if not piece:
                    return
                self.server_writer.write(piece)
                await self.server_writer.drain()
                left -= len(piece)
            await self.server_writer.drain()

    def note_prepared(self, piece):
        """COM_STMT_PREPARE_OK: header, 0, four bytes of statement number."""
        if self.preparing is not None and len(piece) >= 9 and piece[4] == 0:
            self.prepared[int.from_bytes(piece[5:9], "little")] = self.preparing
        self.preparing = None

    async def to_client(self):
        while True:
            piece = await self.server_reader.read(CHUNK)
            if not piece or self.swallow:
                return
            self.note_prepared(piece)
            if self.rules.delay > 0:
                await asyncio.sleep(self.rules.delay)
            await self.rules.thaw.wait()
            self.client_writer.write(piece)
            await self.client_writer.drain()

    async def run(self):
        ways = {asyncio.ensure_future(self.to_server()),
                asyncio.ensure_future(self.to_client())}
        done, pending = await asyncio.wait(
            ways, return_when=asyncio.FIRST_COMPLETED)
        # A client that says goodbye has nothing to say to the other way, but
        # the server may still owe it an answer.
        for way in pending:
            way.cancel()
        for way in ways:
            try:
                await way
            except (asyncio.CancelledError, asyncio.IncompleteReadError,
                    ConnectionError):
                pass
        self.close()


def switch(word):
    return {"on": True, "off": False}[word]


def obey(rules, words):
    """One command; returns the answer."""
    name, rest = words[0], words[1:]
    if name in ("drop-reply", "drop-request"):
        text = " ".join(rest[1:]) or "COMMIT"
        rule = rules.drop_reply if name == "drop-reply" else rules.drop_request
        rule[:] = [int(rest[0]), text.encode()]
    elif name == "lose":
        rules.lose = float(rest[0])
    elif name == "delay":
        rules.delay = int(rest[0]) / 1000
    elif name == "cut":
        for connection in list(rules.open):
            connection.close()
    elif name == "refuse":
        rules.refuse = switch(rest[0])
    elif name == "freeze":
        if switch(rest[0]):
            rules.thaw.clear()
        else:
            rules.thaw.set()
    elif name == "stat":
        return (f"connections={rules.total} commits={rules.commits}"
                f" dropped={rules.dropped}")
    else:
        return f"unknown command {name}"
    return "ok"


async def main(listen, server, control):
    rules = Rules()
    stop = asyncio.Event()

    async def accept(reader, writer):
        rules.total += 1
        if rules.refuse:
            writer.transport.abort()
            return
        try:
            far = await asyncio.open_unix_connection(server)
        except OSError:
            writer.transport.abort()
            return
        connection = Connection(rules, (reader, writer), far)
        rules.open.add(connection)
        try:
            await connection.run()
        finally:
            rules.open.discard(connection)

    async def command(reader, writer):
        while line := await reader.readline():
            words = line.decode().split()
            try:
                answer = obey(rules, words) if words else "empty"
            except (ValueError, IndexError, KeyError) as problem:
                answer = f"bad command: {problem!r}"
            if words == ["quit"]:
                answer = "ok"
                stop.set()
            writer.write(answer.encode() + b"\n")
            await writer.drain()
        writer.close()

    for path in (listen, control):
        if os.path.exists(path):
            os.unlink(path)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await asyncio.start_unix_server(accept, listen)
    await asyncio.start_unix_server(command, control)
    print("ready", flush=True)
    await stop.wait()
    for connection in list(rules.open):
        connection.close()
    for path in (listen, control):
        os.unlink(path)


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    asyncio.run(main(*sys.argv[1:]))
