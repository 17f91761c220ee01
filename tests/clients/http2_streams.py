"""Several requests on one HTTP/2 connection, and what becomes of each.

Once all of them flow it prints `flowing` and waits for one more path on its standard input; after
that has been answered and at least one other was reset, it tells how each stands.
"""

import socket
import sys
import threading

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, StreamEnded, StreamReset

port, paths = int(sys.argv[1]), sys.argv[2:]
sock = socket.create_connection(("127.0.0.1", port))
connection = H2Connection(H2Configuration(client_side=True))
connection.initiate_connection()
lock = threading.Lock()
streams = {}


def ask(path):
    with lock:
        stream = connection.get_next_available_stream_id()
        streams[stream] = {"path": path, "end": "", "bytes": 0}
        head = [(":method", "GET"), (":scheme", "http"), (":authority", "localhost"), (":path", path)]
        connection.send_headers(stream, head, end_stream=True)
        sock.sendall(connection.data_to_send())


for path in paths:
    ask(path)


def more():
    ask(sys.stdin.readline().strip())


said = False
after_reset = 0
while True:
    chunk = sock.recv(65536)
    if not chunk:
        sys.exit("the connection is over")
    with lock:
        for event in connection.receive_data(chunk):
            if isinstance(event, DataReceived):
                streams[event.stream_id]["bytes"] += len(event.data)
                connection.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            elif isinstance(event, StreamEnded):
                streams[event.stream_id]["end"] = streams[event.stream_id]["end"] or "ended"
            elif isinstance(event, StreamReset):
                if not streams[event.stream_id]["end"]:
                    streams[event.stream_id]["end"] = f"reset {int(event.error_code)}"
        sock.sendall(connection.data_to_send())
    if not said and all(one["bytes"] for one in streams.values()):
        said = True
        print("flowing", flush=True)
        threading.Thread(target=more, daemon=True).start()
    if len(streams) > len(paths) and any("reset" in one["end"] for one in streams.values()):
        if list(streams.values())[-1]["end"]:
            after_reset += 1
            if after_reset > 10:
                break

for one in streams.values():
    print(one["path"], one["end"] or "goes on")
