# SPDX-License-Identifier: Apache-2.0
"""A local HTTP server that keeps what it is told, and fails as it is asked to. Standard library."""
import contextlib
import http.server
import json
import threading
import time


class Sink:
    """`answer(method, path, headers, body)` gives (status, headers, body); None hangs up."""

    def __init__(self, answer=None):
        self.seen = []  # (method, path, headers, body)
        self.answer = answer or (lambda *_: (200, {}, b"ok"))
        self.lock = threading.Lock()
        self.port = 0
        self.up()

    def up(self):
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_one_request(self):
                with contextlib.suppress(ConnectionError):
                    super().handle_one_request()

            def serve(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                with outer.lock:
                    outer.seen.append((self.command, self.path, dict(self.headers), body))
                answer = outer.answer(self.command, self.path, self.headers, body)
                if answer is None:
                    self.close_connection = True
                    return
                status, headers, text = answer
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = serve

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True
            allow_reuse_address = True

        self.server = Server(("127.0.0.1", self.port), Handler)
        self.port = self.server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def down(self):
        self.server.shutdown()
        self.server.server_close()

    close = down

    def bodies(self, path=""):
        with self.lock:
            return [json.loads(body) for _, where, _, body in self.seen if path in where]

    def wait_for(self, count, seconds=60):
        """Until it was asked so often."""
        end = time.monotonic() + seconds
        while len(self.seen) < count and time.monotonic() < end:
            time.sleep(0.01)
        return len(self.seen) >= count
