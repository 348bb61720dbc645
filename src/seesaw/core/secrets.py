"""Mask secrets in messages, logs, records, crates and W&B: one function for all that is written.

This module uses the standard library only.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

# Environment variables whose values are secrets.
_VARIABLES = re.compile(
    r"KEY|TOKEN(?!IZ)|SECRET|PASS|_PWD|CREDENTIAL|AUTH(?!OR(_|$))|COOKIE|SIGNATURE|_(PAT|SAS|JWT)$",
    re.IGNORECASE,
)
_WORDS = (
    r"(?:token(?!iz)|secret|passw|passphrase|pwd|signature|credential|authorization|"
    r"(?:api|access|private|account|shared)[-_.]?key)"
)
_NAME = rf"(?i:[\w.%-]*{_WORDS}[\w.%-]*)"
# The login of a URL up to its last @, because a password may contain @ and /. A URL without login
# has neither an @ nor a colon before its first slash, or only the port of a known kind of host.
_LOGIN = re.compile(
    r"(?<=:/)(/?)(?![^@:/?#\s]*(?:[/?#]|$))(?!(?:[\w-]+(?:\.[\w-]+)+|localhost):\d+(?:[/?#]|$))\S*@"
)
_ARGUMENT = re.compile(rf"\A(-*{_NAME}=).+", re.DOTALL)
_EXACT = r"(?i:key|sig|auth|code|jwt|sas|pass|pw|session)"
_QUERY = re.compile(rf"([?&;#](?:{_NAME}|{_EXACT})=)[^&;#\s]+")
_SETTING = re.compile(rf"(?<![?&;#\w.%-])({_NAME}=)(?!\*\*\*)\S+")
_HEADER = re.compile(r"((?i:authorization):\s*(?:\w+\s+)?)\S+")


def masked(value: Any) -> Any:
    """Return a value as plain JSON data in which ``***`` replaces secrets.

    Secrets are the values (6 characters or more) of environment variables that are named like a
    secret, the login in a URL, and what is assigned to a name like ``token`` or
    ``X-Amz-Signature``: in a URL, in an argument or the next one, in a header and in a mapping.
    Mappings, lists, numbers and None are kept; anything else becomes a string.
    """
    named = {v for k, v in os.environ.items() if _VARIABLES.search(k) and len(v) >= 6}
    named |= {quote(v, safe="") for v in named}
    secrets = sorted(named, key=len, reverse=True)  # one secret may be part of another

    def clean(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {clean(str(k)): "***" if _secret(k, v) else clean(v) for k, v in value.items()}
        if isinstance(value, list | tuple):
            return [
                "***" if _option(before) and not str(v).startswith("-") else clean(v)
                for before, v in zip(["", *value], value, strict=False)
            ]
        if value is None or isinstance(value, bool | int | float):
            return value
        text = str(value)
        for secret in secrets:
            if len(secret) >= 8:
                text = text.replace(secret, "***")
            else:  # a short one may be a part of other words
                text = re.sub(rf"(?<!\w){re.escape(secret)}(?!\w)", "***", text)
        text = _LOGIN.sub(r"\1***@", text)
        for pattern in (_ARGUMENT, _QUERY, _SETTING, _HEADER):
            text = pattern.sub(r"\1***", text)
        return text

    return clean(value)


def _option(value: Any) -> bool:
    return isinstance(value, str) and re.fullmatch(f"--?{_NAME}", value) is not None


def _secret(key: Any, value: Any) -> bool:
    return isinstance(value, str) and re.fullmatch(_NAME, str(key)) is not None
