"""Observes by aiocoap, and prints what it is told, a line each; ends when the observation does.

    coap_client.py URI
"""

import asyncio
import sys

from aiocoap import GET, Context, Message


async def main(uri):
    context = await Context.create_client_context(transports=["udp6"])
    request = context.request(Message(code=GET, uri=uri, observe=0))
    first = await request.response
    print(first.code, first.payload.decode(), flush=True)
    try:
        async for told in request.observation:
            print(told.code, told.payload.decode(), flush=True)
    except Exception as error:
        print(type(error).__name__, flush=True)
    await context.shutdown()


asyncio.run(main(sys.argv[1]))
