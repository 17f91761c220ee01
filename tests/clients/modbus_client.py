"""Asks a Modbus device by pymodbus, and prints one JSON value for each request.

    modbus_client.py tls SNI PORT IDENTITY | tcp - PORT -

Requests stand on standard input, one on a line: METHOD and JSON arguments, as in
`read_holding_registers {"address": 100, "count": 2, "device_id": 1}`. An answer is the registers or
bits, an exception's code as `{"exception": 2}`, or `{"error": …}` when there was none.
"""

import asyncio
import json
import socket
import ssl
import sys

from pymodbus import ModbusException
from pymodbus.client import AsyncModbusTcpClient, AsyncModbusTlsClient


def client(kind, name, port, identity):
    patience = {"timeout": 5, "retries": 0, "reconnect_delay": 0}
    if kind == "tcp":
        return AsyncModbusTcpClient("127.0.0.1", port=int(port), **patience)
    # Names of interfaces are in no DNS here.
    found = socket.getaddrinfo
    socket.getaddrinfo = lambda host, *rest, **more: found(
        "127.0.0.1" if host == name else host, *rest, **more
    )
    context = ssl.create_default_context(cafile=f"{identity}/ca.pem")
    context.load_cert_chain(f"{identity}/cert.pem", f"{identity}/key.pem")
    return AsyncModbusTlsClient(name, port=int(port), sslctx=context, **patience)


def said(answer):
    if answer.isError():
        return {"exception": answer.exception_code}
    if getattr(answer, "registers", None):
        return answer.registers
    if getattr(answer, "bits", None):
        return answer.bits
    if getattr(answer, "information", None):
        return {number: text.decode() for number, text in answer.information.items()}
    return "done"


async def main():
    peer = client(*sys.argv[1:])
    await peer.connect()
    for line in sys.stdin:
        method, _, arguments = line.strip().partition(" ")
        arguments = json.loads(arguments or "{}")
        if "msg" in arguments:
            arguments["msg"] = bytes.fromhex(arguments["msg"])
        try:
            result = said(await getattr(peer, method)(**arguments))
        except (ModbusException, OSError) as error:
            result = {"error": type(error).__name__}
        print(json.dumps(result), flush=True)
    peer.close()


asyncio.run(main())
