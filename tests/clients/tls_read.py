"""Python's own ssl: connects, sends what it is told, and reads until the end.

Prints what was read and how the end looked: "end" or the exception's name. With
suppress_ragged_eofs=False an end without close_notify is an exception, as it must be; with
Python's default it looks like any other end.
"""

import socket
import ssl
import sys

host, port, name, cert, key, ca, strict, say = sys.argv[1:9]
context = ssl.create_default_context(cafile=ca)
context.load_cert_chain(cert, key)
raw = socket.create_connection((host, int(port)))
tls = context.wrap_socket(raw, server_hostname=name, suppress_ragged_eofs=strict != "strict")
tls.sendall(say.encode())
total = b""
try:
    while chunk := tls.recv(65536):
        total += chunk
        sys.stdout.write(chunk.decode(errors="replace"))
        sys.stdout.flush()
    ended = "end"
except OSError as error:
    ended = type(error).__name__
print(f"\nbytes={len(total)} ended={ended}")
