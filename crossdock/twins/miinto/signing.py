"""Miinto's request signature (reference sheet, section 3.2)."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass

AUTH_TYPE = "MNT-HMAC-SHA256-1-0"


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedRequest:
    """Everything that goes into a signature but the host and the token; path and query exactly as sent."""

    method: str
    path: str
    query: str
    body: bytes
    channel_id: str
    timestamp: str
    seed: str
    auth_type: str = AUTH_TYPE

    def signature(self, token: str, host: str) -> str:
        """Return the signature (hex) by that token, of a request to that host."""
        resource = _sha256("\n".join((self.method, host, self.path, self.query)).encode())
        header = _sha256("\n".join((self.channel_id, self.timestamp, self.seed, self.auth_type)).encode())
        message = "\n".join((resource, header, _sha256(self.body))).encode()
        return hmac.new(token.encode(), message, hashlib.sha256).hexdigest()

    def matching(self, signature: str, token: str, hosts: Sequence[tuple[str, str]]) -> str | None:
        """Return the name of the first host (pairs of name and host) for which the signature is right, or None."""
        for name, host in hosts:
            if hmac.compare_digest(self.signature(token, host).encode(), signature.encode()):
                return name
        return None


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
