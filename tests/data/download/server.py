"""A real HTTP server on loopback that misbehaves as asked."""

import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Server:
    """Serves ``files``; ``faults`` of a path are used up one a request.

    A fault is a dict: ``status``; ``cut`` closes after so many bytes of the body; ``ranges=False``
    ignores them; ``content`` replaces the file; ``length`` lies about it; ``pause`` seconds before
    each byte of the first ten; ``shift`` answers with a range that begins elsewhere; ``endless``
    sends zeros until the client hangs up.
    """

    def __init__(self, address):
        self.url = f"http://{address[0]}:{address[1]}/"
        self.files, self.faults, self.requests = {}, {}, []

    def ranges(self, path):
        """The Range headers that came for a path."""
        return [r for p, r in self.requests if p == path]


@contextmanager
def serve():
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            path, asked = self.path[1:], self.headers.get("Range")
            state.requests.append((path, asked))
            queue = state.faults.get(path, [])
            fault = queue.pop(0) if queue else {}
            body = fault.get("content", state.files.get(path))
            if body is None or "status" in fault:
                self.send_response(fault.get("status", 404))
                for name, value in fault.get("headers", {}).items():
                    self.send_header(name, value)
                self.send_header("Content-Length", "0")
                return self.end_headers()
            start = int(asked[6:-1]) if asked and fault.get("ranges", True) else 0
            if start >= len(body) > 0:
                self.send_response(416)
                self.send_header("Content-Length", "0")
                return self.end_headers()
            self.send_response(206 if start else 200)
            total = fault.get("length", len(body))
            if start:
                at = start + fault.get("shift", 0)
                self.send_header("Content-Range", f"bytes {at}-{total - 1}/{total}")
            if not fault.get("chunked") and not fault.get("endless"):
                self.send_header("Content-Length", str(total - start))
            self.end_headers()
            while fault.get("endless"):
                self.wfile.write(bytes(1 << 16))
            rest = body[start : fault.get("cut", len(body))]
            if "pause" in fault:
                for i in range(10):
                    time.sleep(fault["pause"])
                    self.wfile.write(rest[i : i + 1])
                    self.wfile.flush()
                rest = rest[10:]
            self.wfile.write(rest)
            self.close_connection = True

        def log_message(self, *_):
            pass

    class Quiet(ThreadingHTTPServer):
        def handle_error(self, *_):
            pass  # clients may hang up

    with Quiet(("127.0.0.1", 0), Handler) as server:
        state = Server(server.server_address)
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield state
        finally:
            server.shutdown()
            thread.join()
