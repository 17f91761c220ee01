"""A CoAP device of aiocoap, which writes down every request that reaches it.

    coap_device.py PORT LOG

`/state` can be read, put and observed (each put is a notification), `/big` is 5000 bytes, `/slow`
answers after a while, and `/secret` is not for everybody.
"""

import asyncio
import sys

import aiocoap
import aiocoap.resource as resource
from aiocoap import CHANGED, CONTENT, Message


class Logged(resource.Site):
    async def render_to_pipe(self, pipe):
        request = pipe.request
        observe = request.opt.observe
        LOG.write(f"{request.code} /{'/'.join(request.opt.uri_path)} {observe} {request.opt.uri_host}\n")
        await super().render_to_pipe(pipe)


class State(resource.ObservableResource):
    def __init__(self):
        super().__init__()
        self.content = b"off"

    async def render_get(self, request):
        return Message(payload=self.content)

    async def render_put(self, request):
        self.content = request.payload
        self.updated_state()
        return Message(code=CHANGED)

    async def render_delete(self, request):
        return Message(code=aiocoap.DELETED)

    async def render_post(self, request):
        return Message(code=CHANGED, payload=request.payload[::-1])

    def update_observation_count(self, count):
        LOG.write(f"observers {count}\n")


class Big(resource.Resource):
    async def render_get(self, request):
        return Message(payload=b"0123456789" * 500)

    async def render_put(self, request):
        return Message(code=CHANGED, payload=str(len(request.payload)).encode())


class Slow(resource.Resource):
    async def render_get(self, request):
        await asyncio.sleep(3)
        return Message(code=CONTENT, payload=b"at last")


async def main(port):
    site = Logged()
    site.add_resource([".well-known", "core"], resource.WKCResource(site.get_resources_as_linkheader))
    site.add_resource(["state"], State())
    site.add_resource(["secret"], State())
    site.add_resource(["big"], Big())
    site.add_resource(["slow"], Slow())
    site.add_resource(["a", "b c"], State())
    context = await aiocoap.Context.create_server_context(
        site, bind=("127.0.0.1", int(port)), transports=["udp6"]
    )
    LOG.write("ready\n")
    await asyncio.get_running_loop().create_future()
    await context.shutdown()


LOG = open(sys.argv[2], "a", buffering=1)
asyncio.run(main(sys.argv[1]))
