"""A backend of an HTTP interface that writes down what reaches it, byte for byte.

Each request is one line of JSON in the log: its connection, its head, and its content as it was
framed. What it answers depends on the path's first segment; see `answer`.
"""

import asyncio
import base64
import hashlib
import json
import sys

place, log = sys.argv[1], open(sys.argv[2], "a", buffering=1, encoding="utf-8")
connections = 0

# What a browser finds it reports as requests.
PAGE = """<!doctype html><link rel=icon href="data:,"><script>
const report = (what) => fetch("/report/" + what, { method: "POST", body: what });
let events = 0;
const source = new EventSource("/sse/page");
source.onmessage = () => { if (++events == 3) report("events"); };
source.onerror = () => report("events-error");
const socket = new WebSocket(location.href.replace("http", "ws").replace("/page", "/ws/page"));
socket.onopen = () => socket.send("hello");
socket.onmessage = (event) => report("said-" + event.data);
socket.onclose = (event) => report("closed-" + event.code + "-" + event.wasClean);
</script>"""

# A page of elsewhere: what it tries at another place, and that it has tried.
ELSEWHERE = """<!doctype html><link rel=icon href="data:,"><body><script>
const other = location.hash.slice(1), never = () => {};
const report = (what) => fetch("/report/" + what, { method: "POST", body: what });
const soon = (one) => Promise.race([one, new Promise((done) => setTimeout(done, 3000))]);
const load = (tag, path) => soon(new Promise((done) => {
  const one = document.body.appendChild(document.createElement(tag));
  one.onload = one.onerror = done;
  one.src = "http://" + other + path;
}));
const post = (path) => fetch("http://" + other + path, { method: "POST", mode: "no-cors", body: "x" });
const form = () => soon(new Promise((done) => {
  const frame = document.createElement("iframe");
  frame.name = "into";
  document.body.appendChild(frame);
  const form = document.body.appendChild(document.createElement("form"));
  form.method = "post", form.target = "into", form.action = "http://" + other + "/hit/form";
  frame.onload = done;
  form.submit();
}));
const socket = () => soon(new Promise((done) => {
  const one = new WebSocket("ws://" + other + "/ws/hit");
  one.onclose = one.onopen = done;
}));
(async () => {
  await post("/hit/post").catch(never);
  await fetch("http://" + other + "/hit/get", { mode: "no-cors" }).catch(never);
  await fetch("http://" + other + "/hit/put", { method: "PUT" }).catch(never);
  await load("img", "/hit/image");
  await load("script", "/hit/script");
  await load("iframe", "/hit/frame");
  await form();
  await socket();
  await report("tried");
  location = "http://" + other + "/linked";
})();
</script>"""


def note(**what):
    log.write(json.dumps(what) + "\n")


async def content(reader, head):
    """The content of a request, and its trailer section."""
    fields = [line.partition(":") for line in head.split("\r\n")[1:] if line]
    fields = {name.lower(): value.strip() for name, _, value in fields}
    if fields.get("transfer-encoding") == "chunked":
        whole = bytearray()
        while size := int((await reader.readline()).split(b";")[0], 16):
            whole += await reader.readexactly(size)
            await reader.readexactly(2)
        trailers = ""
        while (line := await reader.readline()) != b"\r\n":
            trailers += line.decode("latin-1")
        return bytes(whole), trailers, fields
    return await reader.readexactly(int(fields.get("content-length", 0))), "", fields


async def answer(reader, writer, path, method, head, body, trailers, fields):
    """Answers one request; false if the connection is over."""

    def say(text):
        writer.write(text.encode("latin-1"))

    def head_and(text, status="200 OK", more=""):
        say(f"HTTP/1.1 {status}\r\nContent-Length: {len(text)}\r\n{more}\r\n")
        if method != "HEAD":
            say(text)

    first, _, rest = path.partition("?")[0].lstrip("/").partition("/")
    if first == "echo":
        head_and(body.decode("latin-1") + trailers)
    elif first == "count":
        head_and(f"{len(body)}\n")
    elif first == "page":
        head_and(PAGE, more="Content-Type: text/html\r\n")
    elif first == "elsewhere":
        head_and(ELSEWHERE, more="Content-Type: text/html\r\n")
    elif first == "head":
        head_and(head)
    elif first == "status":
        head_and("", f"{rest} Whatever")
    elif first in ("endless", "sse", "slow"):
        kind = "text/event-stream" if first == "sse" else "application/octet-stream"
        framing = "Content-Length: 1000000000" if first == "slow" else "Transfer-Encoding: chunked"
        say(f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\n{framing}\r\n\r\n")
        count = 0
        while True:
            text = f"data: {count}\n\n"
            say(text if first == "slow" else f"{len(text):x}\r\n{text}\r\n")
            await writer.drain()
            await asyncio.sleep(0.02)
            count += 1
    elif first == "flood":
        say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        chunk = b"10000\r\n" + bytes(0x10000) + b"\r\n"
        while True:
            writer.write(chunk)
            await writer.drain()
    elif first == "large":
        size = int(rest)
        say(f"HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n")
        piece = bytes(range(256)) * 4096
        while size > 0:
            writer.write(piece[:size])
            size -= len(piece)
            await writer.drain()
    elif first == "trailers":
        say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum, Set-Cookie\r\n\r\n")
        say("2\r\nhi\r\n0\r\nX-Sum: 7\r\nSet-Cookie: a=1\r\n\r\n")
    elif first == "early":
        say("HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n")
        head_and("late\n")
    elif first == "old":
        say("HTTP/1.0 200 OK\r\n\r\nold\n")
        return False
    elif first == "short":
        say("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nnot all of it")
        return False
    elif first == "torn":
        say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nnot a\r\n")
        return False
    elif first == "close":
        head_and("bye\n", more="Connection: close\r\n")
        return False
    elif first == "leave":
        # Says that it stays, and does not.
        head_and("here\n")
        return False
    elif first == "cookie":
        more = "Set-Cookie: a=1; Domain=x.example\r\nAlt-Svc: h3\r\nDoorward-Request-Id: no\r\n"
        head_and("", more=more + f"Location: http://{fields['host']}/there\r\n")
    elif first == "wait":
        await asyncio.sleep(float(rest))
        head_and("waited\n")
    elif first == "silent":
        await asyncio.sleep(1000)
    elif first == "ws" and "upgrade" in fields:
        key = fields.get("sec-websocket-key", "") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
        accept = base64.b64encode(hashlib.sha1(key.encode()).digest()).decode()
        say("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n")
        say(f"Sec-WebSocket-Accept: {accept}\r\n\r\n")
        await frames(reader, writer)
        return False
    elif first == "raw" and "upgrade" in fields:
        say("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n")
        say(f"Upgrade: {fields['upgrade']}\r\n\r\nhello\n")
        while chunk := await reader.read(65536):
            writer.write(chunk)
            await writer.drain()
        say("bye\n")
        return False
    elif first == "switch":
        say("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: other\r\n\r\n")
    else:
        head_and(f"{method} {path}\n")
    return True


async def frames(reader, writer):
    """Echoes WebSocket messages (RFC 6455 section 5)."""
    while True:
        first, second = await reader.readexactly(2)
        size = second & 127
        if size == 126:
            size = int.from_bytes(await reader.readexactly(2), "big")
        elif size == 127:
            size = int.from_bytes(await reader.readexactly(8), "big")
        mask = await reader.readexactly(4)
        data = bytes(b ^ mask[i % 4] for i, b in enumerate(await reader.readexactly(size)))
        kind = first & 15
        kind = {9: 10}.get(kind, kind)
        if size < 126:
            length = bytes([size])
        elif size < 65536:
            length = b"\x7e" + size.to_bytes(2, "big")
        else:
            length = b"\x7f" + size.to_bytes(8, "big")
        writer.write(bytes([0x80 | kind]) + length + data)
        await writer.drain()
        if kind == 8:
            return


async def serve(reader, writer):
    global connections
    connections += 1
    connection = connections
    end, served = "ended", 0
    try:
        goes_on = True
        while goes_on:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            method, path, _ = head.split("\r\n")[0].split(" ", 2)
            served += 1
            if path.startswith("/once") and served > 1:
                note(connection=connection, head=head, body="", trailers="", served=served)
                break
            if path.startswith("/early-answer"):
                note(connection=connection, head=head, body="", trailers="")
                writer.write(b"HTTP/1.1 413 Enough\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                break
            body, trailers, fields = await content(reader, head)
            shown = body.decode("latin-1") if len(body) < 10000 else f"{len(body)} bytes"
            note(connection=connection, head=head, body=shown, trailers=trailers)
            goes_on = await answer(reader, writer, path, method, head, body, trailers, fields)
            await writer.drain()
            goes_on = goes_on and "close" not in fields.get("connection", "")
    except asyncio.IncompleteReadError as error:
        end = "partial " + error.partial.decode("latin-1") if error.partial else "ended"
    except OSError:
        end = "reset"
    except Exception as error:
        end = f"failed: {error!r}"
    note(connection=connection, end=end)
    writer.close()


async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", int(place), limit=1 << 20)
    async with server:
        await server.serve_forever()


asyncio.run(main())
