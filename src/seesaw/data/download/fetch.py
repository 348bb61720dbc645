"""Download a file by HTTP, resume it after an interruption, and hash it while it streams.

The received bytes are stored in ``<target>.part``. The target is created only when length and
sha256 are right, so an existing target is complete.
"""

from __future__ import annotations

import base64
import errno
import hashlib
import http.client
import os
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import Message
from pathlib import Path
from typing import Any

from seesaw.core.files import lock, sha256_file
from seesaw.core.secrets import masked
from seesaw.errors import UserError
from seesaw.spec.downloads import FILE, Remote

DISK = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EACCES, errno.EROFS}  # no network's fault
CHUNK = 1 << 20
# Called after each chunk with the number of bytes received so far.
Report = Callable[[int], None]


@dataclass(frozen=True)
class Patience:
    """Time-outs and limits for an unreliable network."""

    silence: float = 60.0  # seconds without a byte after which the connection counts as lost
    cuts: int = 5  # lost connections in a row without progress after which an address is given up
    pause: float = 1.0  # seconds before the first retry; doubled for each further one, up to 60
    rate: float = 20_000.0  # bytes per second below which the next address is tried, if any
    window: float = 60.0  # seconds over which the rate is averaged
    # bytes of a file of which the table states no size, after which an address is given up
    most: int = 4 << 30


class _Cut(Exception):
    """The transfer ended early; the bytes received so far are valid."""

    def __init__(self, reason: str, after: float = 0.0):
        super().__init__(reason)
        self.after = after  # seconds that the server asks to wait


class _Refused(Exception):
    """The address does not provide the file."""


@dataclass
class _Part:
    """The bytes of a file that were received so far, and the addresses that sent them."""

    remote: Remote
    path: Path
    report: Report
    patience: Patience
    size: int = 0
    digest: Any = field(default_factory=hashlib.sha256)
    origins: set[str] = field(default_factory=set)

    @property
    def limit(self) -> int:
        """The bytes that are taken at most."""
        return self.remote.bytes or self.patience.most

    def resume(self) -> None:
        """Hash the bytes from an earlier attempt; they are dropped if longer than the file."""
        if self.path.exists() and self.path.stat().st_size > self.limit:
            self.path.unlink()
        if self.path.exists():
            self.digest, self.size = _hashed(self.path, self.report)
            self.origins.add("an earlier run")

    def restart(self) -> None:
        self.path.unlink(missing_ok=True)
        self.size, self.digest, self.origins = 0, hashlib.sha256(), set()

    def complete(self, url: str, last: bool) -> None:
        """Complete the file from one address, with retries after lost connections."""
        cuts, best, wanted = 0, self.size, self.remote.sha256
        while True:
            try:
                if self.size != self.remote.bytes:
                    self._transfer(url, last)
                if self.digest.hexdigest().startswith(wanted):
                    return
                # this address is at fault for certain only if it sent all bytes
                pure, wrong = self.origins == {url}, self.digest.hexdigest()
                self.restart()
                if pure:
                    raise _Refused(f"has the sha256 {wrong[:16]}…, not {wanted[:16]}…")
            except _Cut as cut:
                cuts, best = (1, self.size) if self.size > best else (cuts + 1, best)
                if cuts >= self.patience.cuts:
                    raise
                time.sleep(cut.after or min(self.patience.pause * 2 ** (cuts - 1), 60.0))

    def _transfer(self, url: str, last: bool) -> None:
        """Send one request and append the received bytes."""
        try:
            request = _request(url)
        except ValueError:
            raise _Refused("is no address") from None
        if self.size:
            request.add_header("Range", f"bytes={self.size}-")
        try:
            with urllib.request.urlopen(request, timeout=self.patience.silence) as answer:
                self._check(answer)
                self._append(answer, url, last)
        except urllib.error.HTTPError as error:
            if error.code == 416:  # the server's file is shorter than the part
                self.restart()
                raise _Cut("refuses the range") from None
            if error.code == 429 or error.code >= 500:
                raise _Cut(f"answers {error.code}", _seconds(error.headers)) from None
            raise _Refused(f"answers {error.code}") from None
        except http.client.InvalidURL:  # its reason repeats the URL
            raise _Refused("is no address") from None
        except (http.client.HTTPException, OSError) as e:
            if getattr(e, "errno", None) in DISK:
                raise
            reason = getattr(e, "reason", None) or str(e) or type(e).__name__
            raise _Cut(f"cut off ({reason})") from None
        except (ValueError, OverflowError):  # of a redirection too
            raise _Refused("is or sends no valid address or length") from None

    def _check(self, answer: http.client.HTTPResponse) -> None:
        """Check that a response continues the part; restart if the server ignores the range."""
        length, stated, most = answer.headers.get("Content-Length"), self.remote.bytes, self.limit
        total = int(length) if length and length.isdecimal() else None
        if answer.status == 206:
            span, _, whole = answer.headers.get("Content-Range", "").rpartition("/")
            if not span.startswith(f"bytes {self.size}-"):
                self.restart()
                raise _Cut("sends another range")
            total = int(whole) if whole.isdecimal() else None
        elif self.size:
            self.restart()
        if stated is not None and total not in (None, stated):
            raise _Refused(f"has {total:,} bytes, not {stated:,}")
        if stated is None and total is not None and total > most:
            raise _Refused(f"has {total:,} bytes; without a stated size {most:,} are taken")

    def _append(self, answer: http.client.HTTPResponse, url: str, last: bool) -> None:
        expected = answer.length  # bytes to come; None if the server does not say
        end = None if expected is None else self.size + expected
        since, counted = time.monotonic(), self.size
        with self.path.open("ab") as file:
            while piece := answer.read1(CHUNK):
                file.write(piece)
                self.digest.update(piece)
                self.size += len(piece)
                self.origins.add(url)
                self.report(self.size)
                if self.size > self.limit:
                    self.restart()
                    raise _Refused(f"sends more than {self.limit:,} bytes")
                if (spent := time.monotonic() - since) >= self.patience.window:
                    got = self.size - counted
                    if not last and got < self.patience.rate * spent:
                        raise _Refused(f"is slow ({got / spent:,.0f} bytes a second)")
                    since, counted = time.monotonic(), self.size
        if (whole := end or self.remote.bytes) and self.size < whole:
            raise _Cut(f"cut off at {self.size:,} bytes")


def fetch(remote: Remote, report: Report = lambda _: None, patience: Patience | None = None) -> str:
    """Download a file from the first address that provides it, verify it and return its sha256.

    Raises:
        UserError: no address provides the file, the disk is full, or another process downloads it.
    """
    target, patience = remote.path, patience or Patience()
    target.parent.mkdir(parents=True, exist_ok=True)
    path = target.with_name(f"{target.name}.part")
    with lock(target.with_name(f".{target.name}.lock"), str(target)), _disk(target):
        if target.exists():
            return sha256_file(target)
        part = _Part(remote, path, report, patience)
        part.resume()
        faults = {}
        for i, url in enumerate(remote.urls):
            try:
                part.complete(url, last=i == len(remote.urls) - 1)
            except (_Cut, _Refused) as fault:
                faults[url] = str(fault)
                continue
            os.replace(path, target)  # not by `replacing`, as a part stays for the next attempt
            return part.digest.hexdigest()
    why = masked("; ".join(f"{url}: {fault}" for url, fault in faults.items()))
    kept = f" {part.size:,} bytes are kept." if part.size else ""
    raise UserError(
        f"{remote.name} could not be downloaded ({why}).{kept} Run `seesaw download {remote.set}` "
        f"again to go on, put the file at {target}, or add an address that has it to {FILE}."
    )


def verify(path: Path, remote: Remote, report: Report = lambda _: None) -> str | None:
    """Return an existing file's sha256, or None if length or sha256 are not those of the table."""
    if remote.bytes is not None and path.stat().st_size != remote.bytes:
        return None
    found = _hashed(path, report)[0].hexdigest()
    return found if found.startswith(remote.sha256) else None


def _hashed(path: Path, report: Report) -> tuple[Any, int]:
    """Return the sha256 object of a file, to which more can be added, and its bytes."""
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        while piece := file.read(CHUNK):
            digest.update(piece)
            size += len(piece)
            report(size)
    return digest, size


def _request(url: str) -> urllib.request.Request:
    """Return a request; the URL's login becomes a header, which is not sent on to other hosts."""
    address = urllib.parse.urlsplit(url)
    login, _, address_of_host = address.netloc.rpartition("@")
    _ = address.port  # raises a ValueError if it is none
    headers = {"User-Agent": "seesaw", "Accept-Encoding": "identity"}
    plain = address._replace(netloc=address_of_host).geturl()
    request = urllib.request.Request(plain, headers=headers)
    if login:
        proof = base64.b64encode(urllib.parse.unquote_to_bytes(login)).decode()
        request.add_unredirected_header("Authorization", f"Basic {proof}")
    return request


def _seconds(headers: Message) -> float:
    """Return the seconds of Retry-After, at most 60; 0 if the header is missing or gives a date."""
    asked = headers.get("Retry-After", "")
    return min(float(asked), 60.0) if asked.isdecimal() else 0.0


@contextmanager
def _disk(target: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in DISK:
            raise
        raise UserError(
            f"{target} cannot be written ({error.strerror}); make room there and run the same "
            "command again: it goes on."
        ) from None
