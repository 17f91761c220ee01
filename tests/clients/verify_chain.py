"""The verifier of Python's cryptography: reads a chain and its anchors, and says whom it proves.

verify_chain.py client CHAIN ANCHORS           prints the URI names of the leaf
verify_chain.py server CHAIN ANCHORS NAME      prints NAME
A chain that it does not accept is an exception.
"""

import sys
from ipaddress import ip_address

from cryptography import x509
from cryptography.x509.verification import PolicyBuilder, Store

role, chain, anchors = sys.argv[1:4]
with open(chain, "rb") as file:
    leaf, *above = x509.load_pem_x509_certificates(file.read())
with open(anchors, "rb") as file:
    store = Store(x509.load_pem_x509_certificates(file.read()))
builder = PolicyBuilder().store(store)
if role == "client":
    verified = builder.build_client_verifier().verify(leaf, above)
    print(" ".join(name.value for name in verified.subjects))
else:
    name = sys.argv[4]
    try:
        subject = x509.IPAddress(ip_address(name))
    except ValueError:
        subject = x509.DNSName(name)
    builder.build_server_verifier(subject).verify(leaf, above)
    print(name)
