"""An MQTT client by paho that does what standard input says, and prints one JSON value for each.

    mqtt_client.py 3.1.1|5 tls NAME PORT IDENTITY | 3.1.1|5 tcp - PORT -

A line is METHOD and JSON arguments, as in `publish {"topic": "a", "payload": "on", "qos": 1}`. What
does not come in time is `{"error": …}`; the end of the connection is `{"ended": REASON}`.
"""

import collections
import hashlib
import json
import socket
import ssl
import sys
import threading

from paho.mqtt import client as mqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

PATIENCE = 60


def properties(kind, given):
    some = Properties(kind)
    for name, value in given.items():
        setattr(some, name, value)
    return some


class Peer:
    def __init__(self, version, kind, name, port, identity):
        self.five = version == "5"
        self.name, self.port, self.tls = name, int(port), None
        self.news = threading.Condition()
        self.seen = collections.defaultdict(collections.deque)
        if kind == "tls":
            # Names of interfaces are in no DNS here.
            found = socket.getaddrinfo
            socket.getaddrinfo = lambda host, *rest, **more: found(
                "127.0.0.1" if host == name else host, *rest, **more
            )
            self.tls = ssl.create_default_context(cafile=f"{identity}/ca.pem")
            self.tls.load_cert_chain(f"{identity}/cert.pem", f"{identity}/key.pem")
        else:
            self.name = "127.0.0.1"

    def note(self, what, value):
        with self.news:
            self.seen[what].append(value)
            self.news.notify_all()

    def next(self, what, within=PATIENCE):
        with self.news:
            come = lambda: self.seen[what] or self.seen["end"]
            if not self.news.wait_for(come, within):
                return {"error": "nothing came"}
            return self.seen[what].popleft() if self.seen[what] else self.seen["end"][0]

    def heard(self, message):
        # Acknowledged before it is noted: whoever has heard it may disconnect at once.
        self.client.ack(message.mid, message.qos)
        self.note(
            "message",
            {
                "topic": message.topic,
                "payload": message.payload[:100].decode(),
                "size": len(message.payload),
                "sha256": hashlib.sha256(message.payload).hexdigest(),
                "qos": message.qos,
                "retain": message.retain,
                "response": getattr(message.properties, "ResponseTopic", None),
            },
        )

    def connect(self, id="", clean=True, expiry=None, keepalive=60, will=None):
        clean_here = {} if self.five else {"clean_session": clean}
        protocol = mqtt.MQTTv5 if self.five else mqtt.MQTTv311
        peer = self.client = mqtt.Client(
            mqtt.CallbackAPIVersion.VERSION2,
            id,
            protocol=protocol,
            reconnect_on_failure=False,
            manual_ack=True,
            **clean_here,
        )
        if self.tls:
            peer.tls_set_context(self.tls)
        if will:
            response = will.pop("response", None)
            if response is not None:
                given = {"ResponseTopic": response}
                will["properties"] = properties(PacketTypes.WILLMESSAGE, given)
            peer.will_set(**will)
        self.seen.clear()
        peer.on_connect = lambda _, __, flags, code, had: self.note(
            "connect",
            {
                "code": code.value,
                "present": flags.session_present,
                "assigned": getattr(had, "AssignedClientIdentifier", None),
                "aliases": getattr(had, "TopicAliasMaximum", 0),
            },
        )
        peer.on_disconnect = lambda _, __, ___, code, ____: self.note("end", {"ended": code.value})
        peer.on_message = lambda _, __, message: self.heard(message)
        # That nobody has subscribed is no failure.
        peer.on_publish = lambda _, __, ___, code, ____: self.note(
            "publish", {"code": code.value if code.is_failure else 0}
        )
        peer.on_subscribe = lambda _, __, ___, codes, ____: self.note(
            "subscribe", [code.value for code in codes]
        )
        more = {}
        if self.five:
            more = {"clean_start": clean}
            if expiry is not None:
                given = {"SessionExpiryInterval": expiry}
                more["properties"] = properties(PacketTypes.CONNECT, given)
        try:
            peer.connect(self.name, self.port, keepalive, **more)
        except OSError as error:
            return {"error": type(error).__name__}
        peer.loop_start()
        return self.next("connect")

    def publish(self, topic, payload="", qos=0, retain=False, size=0, alias=None, response=None):
        payload = bytes(range(256)) * (size // 256) if size else payload
        given = {"TopicAlias": alias, "ResponseTopic": response}
        given = {name: value for name, value in given.items() if value is not None}
        more = {}
        if given:
            more["properties"] = properties(PacketTypes.PUBLISH, given)
        self.client.publish(topic, payload, qos, retain, **more)
        return self.next("publish")

    def subscribe(self, filters):
        if self.five:
            filters = [(text, SubscribeOptions(qos=qos)) for text, qos in filters]
        self.client.subscribe([tuple(one) for one in filters])
        return self.next("subscribe")

    def hear(self, within=PATIENCE):
        return self.next("message", within)

    def end(self):
        return self.next("end")

    def disconnect(self):
        self.client.disconnect()
        return self.next("end")


peer = Peer(*sys.argv[1:])
for line in sys.stdin:
    method, _, arguments = line.strip().partition(" ")
    answer = getattr(peer, method)(**json.loads(arguments or "{}"))
    print(json.dumps(answer), flush=True)
