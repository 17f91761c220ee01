"""A WebSocket with the websockets package: says something, hears it, and then waits for the end.

Prints `echoed`, and then how the connection ended: its code, which is 1006 if nobody said goodbye.
With the files of an identity it comes by TLS, at the interface's own name.
"""

import socket as sockets
import ssl
import sys

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

at, url, files = sys.argv[1], sys.argv[2], sys.argv[3:]
host, _, port = at.rpartition(":")
context = None
if files:
    cert, key, ca = files
    context = ssl.create_default_context(cafile=ca)
    context.load_cert_chain(cert, key)
tcp = sockets.create_connection((host, int(port)))
with connect(url, sock=tcp, ssl=context, proxy=None) as socket:
    for said in ["hello", "x" * 70000]:
        socket.send(said)
        assert socket.recv() == said
    print("echoed", flush=True)
    try:
        if sys.stdin.readline().strip() == "close":
            socket.close()
        socket.recv()
    except ConnectionClosed as closed:
        print(closed.rcvd.code if closed.rcvd else 1006)
