"""doorward/1 over QUIC by somebody who forges a source address.

    forged.py IDENTITY_DIR DEVICE/INTERFACE TEXT SOURCE

Connects from 127.0.0.1, and sends what opens the interface, and TEXT behind it, in packets that come
from SOURCE, at which nothing is ever read. Now and then it comes back to its own address for a
moment, to hear what was said, and goes on. Prints what came of it as JSON.
"""

import json
import socket
import sys
import time
from urllib.parse import urlparse

import cbor2
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.connection import QuicConnection
from aioquic.quic.events import HandshakeCompleted, StreamDataReceived, StreamReset

DIRECTORY, INTERFACE, TEXT, SOURCE = sys.argv[1:5]
gateway = json.load(open(f"{DIRECTORY}/gateway.json"))
address = urlparse(gateway["url"])
gateway = ("127.0.0.1", address.port)


def frame(kind, keys):
    message = cbor2.dumps([kind, keys])
    return len(message).to_bytes(4, "big") + message


configuration = QuicConfiguration(
    is_client=True,
    alpn_protocols=["doorward/1"],
    server_name="localhost",
    max_datagram_frame_size=65536,
)
configuration.load_cert_chain(f"{DIRECTORY}/cert.pem", f"{DIRECTORY}/key.pem")
configuration.load_verify_locations(f"{DIRECTORY}/ca.pem")
quic = QuicConnection(configuration=configuration)
own = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
own.bind(("127.0.0.1", 0))
own.settimeout(0.02)
forged = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
forged.bind((SOURCE, 0))
quic.connect(gateway, now=time.time())
heard, reset, shaken = {}, set(), False


def send(by):
    for data, _ in quic.datagrams_to_send(now=time.time()):
        by.sendto(data, gateway)


def turn(seconds, until=lambda: False):
    global shaken
    end = time.time() + seconds
    while time.time() < end and not until():
        send(own)
        try:
            quic.receive_datagram(own.recv(65536), gateway, now=time.time())
        except (TimeoutError, BlockingIOError):
            pass
        timer = quic.get_timer()
        if timer and timer <= time.time():
            quic.handle_timer(now=time.time())
        while event := quic.next_event():
            if isinstance(event, StreamDataReceived):
                heard[event.stream_id] = heard.get(event.stream_id, b"") + event.data
            elif isinstance(event, HandshakeCompleted):
                shaken = True
            elif isinstance(event, StreamReset):
                reset.add(event.stream_id)


turn(10, until=lambda: shaken)
control = quic.get_next_available_stream_id()
quic.send_stream_data(control, frame(1, {1: [1], 2: "forger", 3: b"1234"}))
turn(10, until=lambda: control in heard)
turn(0.5)
stream = quic.get_next_available_stream_id()
quic.send_stream_data(stream, frame(20, {1: INTERFACE}) + TEXT.encode())
send(forged)
for step in range(40):
    turn(0.012)
    if stream in reset:
        break
    time.sleep(0.1)
    try:
        quic.send_stream_data(stream, b"+%d" % step)
    except (AssertionError, RuntimeError, ValueError):
        # The gateway wants no more of it.
        break
    send(forged)
turn(1)
answer = heard.get(stream, b"")
size = int.from_bytes(answer[:4], "big") if len(answer) >= 4 else 0
told = cbor2.loads(answer[4 : 4 + size]) if size else None
print(json.dumps({"shaken": shaken, "answer": told[0] if told else None, "cut": stream in reset}))
