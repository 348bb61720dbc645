"""Mask secrets in logs, records, crates and W&B. This module uses the standard library only."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any

_NAMES = re.compile(r"KEY|TOKEN|SECRET|PASSW|CREDENTIAL", re.IGNORECASE)
_LOGIN = re.compile(r"(?<=://)[^/@\s]+@")  # https://user:password@host


def masked(value: Any) -> Any:
    """Return a value as plain JSON data in which ``***`` replaces secrets.

    Secrets are the values (8 characters or more) of environment variables that are named like a
    secret, and the login in a URL.

    Args:
        value: Mappings, lists, numbers and None are kept; anything else becomes a string.
    """
    named = {v for k, v in os.environ.items() if _NAMES.search(k) and len(v) >= 8}
    secrets = sorted(named, key=len, reverse=True)  # one secret may be part of another

    def clean(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {clean(str(k)): clean(v) for k, v in value.items()}
        if isinstance(value, list | tuple):
            return [clean(v) for v in value]
        if value is None or isinstance(value, bool | int | float):
            return value
        text = str(value)
        for secret in secrets:
            text = text.replace(secret, "***")
        return _LOGIN.sub("***@", text)

    return clean(value)
