"""The signing keys of one run: the one whose public half the service knows, and one of a foreign environment."""

import json
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from jwt.algorithms import RSAAlgorithm

from capliquify_ops.reference.run_folder import RunFolder

SIGNING = "signing-key.pem"
FOREIGN = "foreign-key.pem"
PUBLIC = "keys.json"
KEY_ID = "embedded"
_BITS = 2048
_EXPONENT = 65_537


def make(folder: RunFolder) -> Path:
    """Make both keys and the public key set (JWKS); return the path of the latter."""
    signing = generate_private_key(_EXPONENT, _BITS)
    folder.write(SIGNING, _pem(signing))
    folder.write(FOREIGN, _pem(generate_private_key(_EXPONENT, _BITS)))
    public = RSAAlgorithm.to_jwk(signing.public_key(), as_dict=True)
    return folder.write(PUBLIC, json.dumps({"keys": [public | {"kid": KEY_ID, "use": "sig", "alg": "RS256"}]}))


def _pem(key: RSAPrivateKey) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode("ascii")
