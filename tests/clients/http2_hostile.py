"""One HTTP/2 request that need not be one, or a flood of frames, and what becomes of it.

Reads an object from standard input: `h`, fields that replace the usual ones of their name, or come
first (`+NAME`), or take one away (`-`); `body`; `many` more fields; `flood`, which. Prints the
status, how the stream was reset, or that the connection is over.
"""

import json
import socket
import sys
import time

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import ConnectionTerminated, ResponseReceived, StreamEnded, StreamReset
from hpack import Encoder
from hyperframe.frame import (
    ContinuationFrame,
    DataFrame,
    HeadersFrame,
    PingFrame,
    RstStreamFrame,
    SettingsFrame,
)

port, row = int(sys.argv[1]), json.load(sys.stdin)
sock = socket.create_connection(("127.0.0.1", port))
sock.settimeout(20)
connection = H2Connection(
    H2Configuration(
        client_side=True,
        validate_outbound_headers=False,
        normalize_outbound_headers=False,
        validate_inbound_headers=False,
    )
)
connection.initiate_connection()
sock.sendall(connection.data_to_send())

fields = {":method": "GET", ":scheme": "http", ":authority": "localhost", ":path": "/ok/a"}
more = []
for name, value in row.get("h", []):
    if name == "-":
        del fields[value]
    elif name.startswith("+"):
        more.append((name[1:], value))
    elif name.startswith(":"):
        fields[name] = value
    else:
        more.append((name, value))
head = list(fields.items()) + more + [("x-many", "y")] * row.get("many", 0)
encoder = Encoder()


def frame(one):
    sock.sendall(one.serialize())


def block(fields):
    return encoder.encode(fields)


def flood(kind):
    try:
        sock.settimeout(5)
        if kind == "continuation":
            frame(HeadersFrame(1, block(list(fields.items()))))
            while True:
                frame(ContinuationFrame(1, block([("x-y", "z" * 1000)])))
        stream = 1
        while True:
            if kind == "rapid-reset":
                one = HeadersFrame(stream, block(list(fields.items())))
                one.flags |= {"END_HEADERS", "END_STREAM"}
                reset = RstStreamFrame(stream, error_code=8)
                sock.sendall(one.serialize() + reset.serialize())
                stream += 2
            elif kind == "settings":
                frame(SettingsFrame(0, settings={4: 65535}))
            else:
                frame(PingFrame(0, opaque_data=b"01234567"))
            if stream > 200000:
                return "goes on"
    except TimeoutError:
        # Nothing more is taken before its answers are.
        return "waits"
    except OSError:
        return "over"


if "flood" in row:
    print(flood(row["flood"]))
    sys.exit()

body = row.get("body")
data = block(head)
first, rest = data[:16000], data[16000:]
one = HeadersFrame(1, first)
if body is None:
    one.flags.add("END_STREAM")
if not rest:
    one.flags.add("END_HEADERS")
wire = one.serialize()
while rest:
    part, rest = rest[:16000], rest[16000:]
    next_one = ContinuationFrame(1, part)
    if not rest:
        next_one.flags.add("END_HEADERS")
    wire += next_one.serialize()
if body is not None:
    last = DataFrame(1, body.encode())
    last.flags.add("END_STREAM")
    wire += last.serialize()
# The library has to know of the stream that it is to hear an answer on.
connection.send_headers(1, [(":method", "GET"), (":path", "/")], end_stream=True)
connection.data_to_send()
try:
    sock.sendall(wire)
except OSError:
    pass
told = None
end = time.monotonic() + 10
while time.monotonic() < end:
    try:
        chunk = sock.recv(65536)
    except TimeoutError:
        break
    except OSError:
        chunk = b""
    if not chunk:
        told = told or "over"
        break
    done = False
    for event in connection.receive_data(chunk):
        if isinstance(event, ResponseReceived):
            told = dict(event.headers)[b":status"].decode()
        elif isinstance(event, StreamReset):
            told = told or f"reset {int(event.error_code)}"
            done = True
        elif isinstance(event, StreamEnded):
            done = True
        elif isinstance(event, ConnectionTerminated):
            told = told or f"terminated {int(event.error_code)}"
            done = True
    try:
        sock.sendall(connection.data_to_send())
    except OSError:
        # The other side is gone; what it has said may still be here.
        pass
    if done:
        break
print(told)
