"""A Modbus device of pymodbus, which writes down every byte that reaches it.

    modbus_device.py tcp PORT LOG | rtu LINE LOG [BAUD]

Units 1 and 2 have 2000 of everything: holding register N holds N, input register N holds 1000 + N.
"""

import asyncio
import sys

from pymodbus import ModbusDeviceIdentification
from pymodbus.datastore import ModbusDeviceContext, ModbusSequentialDataBlock, ModbusServerContext
from pymodbus.server import ModbusSerialServer, ModbusTcpServer


async def main(kind, where, log, baud="9600"):
    log = open(log, "a", buffering=1)

    def seen(sending, packet):
        if not sending:
            log.write(packet.hex() + "\n")
        return packet

    def unit():
        block = ModbusSequentialDataBlock
        return ModbusDeviceContext(
            di=block(1, [False] * 2000),
            co=block(1, [False] * 2000),
            hr=block(1, list(range(2000))),
            ir=block(1, list(range(1000, 3000))),
        )

    context = ModbusServerContext(devices={1: unit(), 2: unit()}, single=False)
    identity = ModbusDeviceIdentification(
        info_name={"VendorName": "Acme", "ProductCode": "PLC", "MajorMinorRevision": "1.0"}
    )
    common = {"identity": identity, "trace_packet": seen, "broadcast_enable": True}
    if kind == "tcp":
        server = ModbusTcpServer(context, address=("127.0.0.1", int(where)), **common)
    else:
        server = ModbusSerialServer(context, port=where, baudrate=int(baud), **common)
    await server.serve_forever()


asyncio.run(main(*sys.argv[1:]))
