"""CONNECT over HTTP/2 with the h2 package: an implementation that is not ours.

Opens as many tunnels as asked on one connection, sends a line through each, ends its own
direction, and prints the status and what came back on each, and whether it ended properly.
"""

import socket
import ssl
import sys

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    ResponseReceived,
    StreamEnded,
    StreamReset,
)

host, port, cert, key, ca = sys.argv[1:6]
authorities = sys.argv[6:]
context = ssl.create_default_context(cafile=ca)
context.load_cert_chain(cert, key)
context.set_alpn_protocols(["h2"])
tls = context.wrap_socket(socket.create_connection((host, int(port))), server_hostname="localhost")
assert tls.selected_alpn_protocol() == "h2"

connection = H2Connection(H2Configuration(client_side=True))
connection.initiate_connection()
streams = {}
for authority in authorities:
    stream = connection.get_next_available_stream_id()
    streams[stream] = {"authority": authority, "status": "", "body": b"", "end": "", "id": ""}
    connection.send_headers(stream, [(":method", "CONNECT"), (":authority", authority)])
tls.sendall(connection.data_to_send())

while not all(one["end"] for one in streams.values()):
    chunk = tls.recv(65536)
    if not chunk:
        break
    for event in connection.receive_data(chunk):
        if isinstance(event, ResponseReceived):
            one = streams[event.stream_id]
            headers = {name.decode(): value.decode() for name, value in event.headers}
            one["status"], one["id"] = headers[":status"], headers["doorward-request-id"]
            if one["status"] == "200":
                connection.send_data(event.stream_id, b"through h2\n", end_stream=True)
        elif isinstance(event, DataReceived):
            streams[event.stream_id]["body"] += event.data
            connection.acknowledge_received_data(len(event.data), event.stream_id)
        elif isinstance(event, StreamEnded):
            streams[event.stream_id]["end"] = "ended"
        elif isinstance(event, StreamReset):
            # After its whole answer a server may take back the request's other half.
            one = streams[event.stream_id]
            one["end"] = one["end"] or "reset"
        elif isinstance(event, ConnectionTerminated):
            sys.exit("terminated")
    tls.sendall(connection.data_to_send())

for one in streams.values():
    print(one["authority"], one["status"], one["end"], len(one["id"]), repr(one["body"].decode()))
