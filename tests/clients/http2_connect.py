"""Extended CONNECT over HTTP/2 (RFC 8441): a stream that speaks something else.

Asks for something else first, so that the flow does not depend on the stream. Then it says a
line, ends its own direction if that is wanted, and prints what comes back and how the
stream ends.
"""

import socket
import sys

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, RemoteSettingsChanged, ResponseReceived, StreamEnded, StreamReset

port, path, protocol, ends = int(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4] == "end"
sock = socket.create_connection(("127.0.0.1", port))
connection = H2Connection(H2Configuration(client_side=True))
connection.initiate_connection()
sock.sendall(connection.data_to_send())
heard, asked = b"", False
while True:
    chunk = sock.recv(65536)
    if not chunk:
        sys.exit("the connection is over")
    end = None
    for event in connection.receive_data(chunk):
        if isinstance(event, RemoteSettingsChanged) and not asked:
            asked = True
            assert event.changed_settings[8].new_value == 1
            rest = [(":scheme", "http"), (":authority", "localhost")]
            head = [(":method", "GET"), *rest, (":path", "/")]
            connection.send_headers(1, head, end_stream=True)
            head = [(":method", "CONNECT"), (":protocol", protocol), *rest, (":path", path)]
            connection.send_headers(3, head)
        elif getattr(event, "stream_id", 3) != 3:
            pass
        elif isinstance(event, ResponseReceived):
            print(dict(event.headers)[b":status"].decode(), flush=True)
            connection.send_data(3, b"through h2\n", end_stream=ends)
        elif isinstance(event, DataReceived):
            heard += event.data
            connection.acknowledge_received_data(event.flow_controlled_length, 3)
            if heard.endswith(b"through h2\n"):
                print("heard", flush=True)
        elif isinstance(event, StreamEnded):
            end = end or "ended"
        elif isinstance(event, StreamReset):
            end = end or f"reset {int(event.error_code)}"
    sock.sendall(connection.data_to_send())
    if end:
        print(repr(heard.decode()), end)
        break
