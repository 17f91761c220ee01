"""What a backend makes of the header that tells it who asks, by PyJWT.

    identity_verify.py KEYS AUDIENCE ISSUER < TOKEN

Prints, as JSON, what is claimed and under which header, or `refused` with the reason. For a token
that verifies, it says as well what becomes of it when something about it is wrong.
"""

import base64
import hashlib
import json
import sys

import jwt
from cryptography.hazmat.primitives.asymmetric import ec

keys, audience, issuer = sys.argv[1:]
token = sys.stdin.read().strip()
with open(keys, encoding="utf-8") as file:
    key_set = json.load(file)


def verify(token, keys, audience=audience, issuer=issuer):
    kid = jwt.get_unverified_header(token)["kid"]
    needed = ["iss", "sub", "aud", "iat", "exp", "jti"]
    return jwt.decode(
        token,
        jwt.PyJWKSet.from_dict(keys)[kid].key,
        algorithms=["ES256"],
        audience=audience,
        issuer=issuer,
        options={"require": needed},
    )


def refused(*args, **kwargs):
    try:
        verify(*args, **kwargs)
    except (jwt.PyJWTError, KeyError) as error:
        return type(error).__name__
    return None


def other_key(private):
    """The same set of keys, but with another key under the same name."""
    [one] = key_set["keys"]
    new = jwt.algorithms.ECAlgorithm.to_jwk(private.public_key(), as_dict=True)
    return {"keys": [{**one, "x": new["x"], "y": new["y"]}]}


def text(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


if why := refused(token, key_set):
    print(json.dumps({"refused": why}))
    sys.exit()

claims = verify(token, key_set)
head, body, signature = token.split(".")
changed = text(json.dumps({**claims, "sub": claims["sub"] + "x"}).encode())
late = jwt.encode(
    {**claims, "iat": claims["iat"] - 61, "exp": claims["exp"] - 61},
    private := ec.generate_private_key(ec.SECP256R1()),
    algorithm="ES256",
    headers={"kid": key_set["keys"][0]["kid"]},
)
[key] = key_set["keys"]
needed = {name: key[name] for name in ("crv", "kty", "x", "y")}
thumbprint = json.dumps(needed, separators=(",", ":"), sort_keys=True).encode()
print(json.dumps({
    "claims": claims,
    "head": jwt.get_unverified_header(token),
    "key": key,
    "thumbprint": text(hashlib.sha256(thumbprint).digest()),
    "wrong": {
        "key": refused(token, other_key(private)),
        "audience": refused(token, key_set, audience=audience + "x"),
        "issuer": refused(token, key_set, issuer=issuer + "x"),
        "claim": refused(f"{head}.{changed}.{signature}", key_set),
        "signature": refused(f"{head}.{body}.{text(bytes(64))}", key_set),
        "time": refused(late, other_key(private)),
    },
}))
