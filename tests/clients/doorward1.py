"""A client of doorward/1 on another QUIC stack, written from device-sdk/docs/protocol.md.

    doorward1.py IDENTITY_DIR COMMAND...

Commands, in order, on one connection; each prints one line of JSON:

    open DEVICE/INTERFACE TEXT      sends TEXT on a stream, ends it, and reads until the end
    ask DEVICE/INTERFACE ACTION     only asks for one action
    datagram DEVICE/INTERFACE TEXT  sends TEXT as a datagram and waits for one
    large DEVICE/INTERFACE N        a datagram of N bytes, on the stream
    unknown TYPE                    a message of a type that does not exist, on the control stream
    offer NAME                      offers a stream, and answers one flow by echoing it
    renew                           a new certificate for a new key; prints its subject
    oversized                       a frame that says it is too long, on the control stream
"""

import asyncio
import json
import os
import ssl
import sys
from urllib.parse import urlparse

import cbor2
from aioquic.asyncio import QuicConnectionProtocol, connect
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.events import (
    ConnectionTerminated,
    DatagramFrameReceived,
    StreamDataReceived,
    StreamReset,
)

HELLO, WELCOME, OFFER, TAKEN, RENEW, RENEWED, CUT, BYE, PING, NOT_KNOWN = (
    1, 2, 3, 4, 7, 8, 10, 11, 12, 14,
)
OPEN, ADMITTED, REFUSED = 20, 21, 22
PATIENCE = 20


def frame(kind, keys):
    message = cbor2.dumps([kind, keys])
    return len(message).to_bytes(4, "big") + message


def varint(number):
    for bits, size in ((6, 1), (14, 2), (30, 4), (62, 8)):
        if number < 1 << bits:
            prefix = {1: 0, 2: 1, 4: 2, 8: 3}[size]
            return ((prefix << (8 * size - 2)) | number).to_bytes(size, "big")
    raise ValueError(number)


def unvarint(data):
    size = 1 << (data[0] >> 6)
    number = int.from_bytes(data[:size], "big") & ((1 << (8 * size - 2)) - 1)
    return number, data[size:]


class Cut(Exception):
    pass


class Stream:
    """What has come on one stream."""

    def __init__(self):
        self.data, self.ended, self.cut = b"", False, None
        self.changed = asyncio.Event()

    async def until(self, done):
        while True:
            if done():
                return
            if self.cut is not None:
                raise Cut(self.cut)
            self.changed.clear()
            await asyncio.wait_for(self.changed.wait(), PATIENCE)

    async def frame(self):
        await self.until(lambda: len(self.data) >= 4)
        size = int.from_bytes(self.data[:4], "big")
        await self.until(lambda: len(self.data) >= 4 + size)
        message, self.data = self.data[4 : 4 + size], self.data[4 + size :]
        return cbor2.loads(message)


class Client(QuicConnectionProtocol):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.streams, self.opened = {}, asyncio.Queue()
        self.datagrams = asyncio.Queue()
        self.over = asyncio.get_running_loop().create_future()

    def quic_event_received(self, event):
        if isinstance(event, (StreamDataReceived, StreamReset)):
            stream = self.streams.get(event.stream_id)
            if stream is None:
                stream = self.streams[event.stream_id] = Stream()
                self.opened.put_nowait(event.stream_id)
            if isinstance(event, StreamReset):
                stream.cut = event.error_code
            else:
                stream.data += event.data
                stream.ended = stream.ended or event.end_stream
            stream.changed.set()
        elif isinstance(event, DatagramFrameReceived):
            self.datagrams.put_nowait(unvarint(event.data))
        elif isinstance(event, ConnectionTerminated):
            if not self.over.done():
                self.over.set_result(event.error_code)
            for stream in self.streams.values():
                stream.cut = event.error_code if stream.cut is None else stream.cut
                stream.changed.set()

    def new_stream(self):
        number = self._quic.get_next_available_stream_id()
        self.streams[number] = Stream()
        return number, self.streams[number]

    def send(self, number, data, end=False):
        self._quic.send_stream_data(number, data, end)
        self.transmit()

    async def ask(self, interface, **keys):
        number, stream = self.new_stream()
        wanted = {1: interface}
        if "actions" in keys:
            wanted[2] = keys["actions"]
        if "kind" in keys:
            wanted[3] = keys["kind"]
        self.send(number, frame(OPEN, wanted))
        kind, answer = await stream.frame()
        return number, stream, kind, answer


def told(kind, answer):
    if kind == ADMITTED:
        return {"admitted": answer[1] != "", "kind": answer[2], "actions": answer.get(3, [])}
    assert kind == REFUSED, kind
    return {"refused": answer[1], "detail": answer.get(2, ""), "flow": answer.get(3, "")}


async def command(client, control, words):
    name = words.pop(0)
    if name == "open":
        interface, text = words.pop(0), words.pop(0)
        number, stream, kind, answer = await client.ask(interface)
        outcome = told(kind, answer)
        if kind == ADMITTED:
            client.send(number, text.encode(), end=True)
            try:
                await stream.until(lambda: stream.ended)
                outcome["end"] = "proper"
            except Cut as cut:
                outcome["end"], outcome["code"] = "cut", cut.args[0]
            outcome["data"] = stream.data.decode()
        return outcome
    if name == "ask":
        interface, action = words.pop(0), words.pop(0)
        _, _, kind, answer = await client.ask(interface, actions=[action])
        return told(kind, answer)
    if name == "datagram":
        interface, text = words.pop(0), words.pop(0)
        number, _, kind, answer = await client.ask(interface, kind=2)
        outcome = told(kind, answer)
        if kind == ADMITTED:
            client._quic.send_datagram_frame(varint(number) + text.encode())
            client.transmit()
            flow, data = await asyncio.wait_for(client.datagrams.get(), PATIENCE)
            outcome["data"] = data.decode() if flow == number else None
        return outcome
    if name == "large":
        interface, size = words.pop(0), int(words.pop(0))
        number, stream, kind, answer = await client.ask(interface, kind=2)
        outcome = told(kind, answer)
        if kind == ADMITTED:
            client.send(number, size.to_bytes(2, "big") + b"x" * size)
            await stream.until(lambda: len(stream.data) >= 2 + size)
            outcome["size"] = int.from_bytes(stream.data[:2], "big")
        return outcome
    if name == "unknown":
        kind = int(words.pop(0))
        client.send(control[0], frame(kind, {1: None}))
        while True:
            said, keys = await control[1].frame()
            if said == NOT_KNOWN:
                return {"not-known": keys[1]}
    if name == "offer":
        client.send(control[0], frame(OFFER, {1: 7, 2: [{1: words.pop(0), 2: 1}]}))
        while True:
            said, keys = await control[1].frame()
            if said == TAKEN:
                break
        print(json.dumps({"offered": keys[1] == 7, "declined": keys[2]}), flush=True)
        if keys[2]:
            return {"served": None}
        number = await asyncio.wait_for(client.opened.get(), PATIENCE)
        stream = client.streams[number]
        kind, asked = await stream.frame()
        assert kind == OPEN, kind
        client.send(number, frame(ADMITTED, {1: "", 2: 1}))
        await stream.until(lambda: stream.ended)
        client.send(number, stream.data, end=True)
        return {"served": asked[1], "subject": asked.get(4), "bytes": len(stream.data)}
    if name == "renew":
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes, serialization
        from cryptography.hazmat.primitives.asymmetric import ec

        key = ec.generate_private_key(ec.SECP256R1())
        request = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
        request = request.sign(key, hashes.SHA256())
        pem = request.public_bytes(serialization.Encoding.PEM).decode()
        client.send(control[0], frame(RENEW, {1: 5, 2: pem}))
        while True:
            said, keys = await control[1].frame()
            if said in (RENEWED, 9):
                break
        if said == 9:
            return {"declined": keys[2]}
        leaf = x509.load_pem_x509_certificates(keys[2].encode())[0]
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        same = leaf.public_key().public_numbers() == key.public_key().public_numbers()
        client.send(control[0], frame(15, {1: 5}))
        return {"renewed": names.get_values_for_type(x509.UniformResourceIdentifier), "same": same}
    if name == "oversized":
        client.send(control[0], (1 << 20).to_bytes(4, "big") + b"x")
        said, keys = await control[1].frame()
        return {"bye": keys[1] if said == BYE else None, "code": await client.over}
    raise SystemExit(f"no such command: {name}")


async def main(directory, words):
    with open(os.path.join(directory, "gateway.json"), encoding="utf-8") as file:
        url = urlparse(json.load(file)["url"])
    configuration = QuicConfiguration(
        is_client=True,
        alpn_protocols=["doorward/1"],
        max_datagram_frame_size=65535,
        server_name=url.hostname,
        verify_mode=ssl.CERT_REQUIRED,
        idle_timeout=45,
    )
    configuration.load_verify_locations(os.path.join(directory, "ca.pem"))
    configuration.load_cert_chain(
        os.path.join(directory, "cert.pem"), os.path.join(directory, "key.pem")
    )
    async with connect(
        url.hostname, url.port, configuration=configuration, create_protocol=Client
    ) as client:
        control = client.new_stream()
        hello = {1: [1], 2: "doorward1.py/1", 3: os.urandom(16), 99: "a key of a later version"}
        client.send(control[0], frame(HELLO, hello))
        try:
            kind, welcome = await control[1].frame()
        except Cut as cut:
            print(json.dumps({"ended": cut.args[0]}), flush=True)
            return
        print(json.dumps({"welcome": kind == WELCOME, "version": welcome.get(1)}), flush=True)
        while words:
            print(json.dumps(await command(client, control, words)), flush=True)


asyncio.run(main(sys.argv[1], sys.argv[2:]))
