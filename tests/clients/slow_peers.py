"""Peers that take their time: holds many of one kind, and says when they all stand.

    slow_peers.py KIND COUNT SECONDS PORT FIRST_ADDRESS ADDRESSES

They come from ADDRESSES loopback addresses, the first of which is FIRST_ADDRESS. Whoever is thrown
out comes back, a tenth of a second later. Prints one line when every peer has been there once, and
one at the end: how often peers were thrown out.
"""

import asyncio
import ipaddress
import socket
import ssl
import struct
import sys

KIND, COUNT, SECONDS, PORT = sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4])
FIRST, ADDRESSES = ipaddress.ip_address(sys.argv[5]), int(sys.argv[6])

context = ssl.create_default_context()
context.check_hostname, context.verify_mode = False, ssl.CERT_NONE


def hello():
    """A ClientHello, as this machine's OpenSSL writes it."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(incoming, outgoing, server_hostname="localhost")
    try:
        tls.do_handshake()
    except ssl.SSLWantReadError:
        pass
    return outgoing.read()


HELLO = hello()
thrown_out, standing, all_stand = 0, set(), asyncio.Event()


async def open_from(number):
    address = str(FIRST + number % ADDRESSES)
    return await asyncio.open_connection("127.0.0.1", PORT, local_addr=(address, 0))


async def until_thrown_out(reader):
    while await reader.read(4096):
        pass


def reset(writer):
    linger = struct.pack("ii", 1, 0)
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    writer.close()


async def silent(reader, writer):
    await until_thrown_out(reader)


async def half_a_hello(reader, writer):
    writer.write(HELLO[: len(HELLO) // 2])
    await until_thrown_out(reader)


async def only_a_hello(reader, writer):
    writer.write(HELLO)
    await until_thrown_out(reader)


async def a_byte_a_second(reader, writer):
    gone = asyncio.ensure_future(until_thrown_out(reader))
    for byte in HELLO:
        writer.write(bytes([byte]))
        if await asyncio.wait([gone], timeout=1) != (set(), {gone}):
            break
    gone.cancel()


async def a_huge_record(reader, writer):
    # A handshake record of the largest size, of which almost all comes.
    writer.write(b"\x16\x03\x01\x40\x00\x01\x00\xff\xff" + b"\0" * 16000)
    await until_thrown_out(reader)


async def garbage(reader, writer):
    writer.write(b"GET / HTTP/1.0\r\n\r\n" * 20)
    await until_thrown_out(reader)


async def handshake_then_silence(reader, writer):
    await writer.start_tls(context, server_hostname="localhost")
    await until_thrown_out(reader)


async def resets(reader, writer):
    writer.write(HELLO)
    await asyncio.sleep(0.05)
    reset(writer)


KINDS = {
    "silent": silent,
    "half-a-hello": half_a_hello,
    "only-a-hello": only_a_hello,
    "a-byte-a-second": a_byte_a_second,
    "a-huge-record": a_huge_record,
    "garbage": garbage,
    "handshake-then-silence": handshake_then_silence,
    "resets": resets,
}


async def peer(number):
    global thrown_out
    while True:
        writer = None
        try:
            reader, writer = await open_from(number)
            standing.add(number)
            if len(standing) == COUNT:
                all_stand.set()
            await KINDS[KIND](reader, writer)
            thrown_out += 1
        except (OSError, ssl.SSLError):
            thrown_out += 1
        finally:
            if writer is not None:
                reset(writer)
        await asyncio.sleep(0.1)


async def main():
    asyncio.get_running_loop().set_exception_handler(lambda *_: None)
    peers = [asyncio.ensure_future(peer(number)) for number in range(COUNT)]
    await all_stand.wait()
    print("standing", flush=True)
    await asyncio.sleep(SECONDS)
    print(thrown_out, flush=True)
    for one in peers:
        one.cancel()


asyncio.run(main())
