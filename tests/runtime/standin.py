"""Stands in for the participant services: answers /healthz on each port it is given."""

import signal
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class Healthy(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/healthz" else 404)
        self.send_header("Content-Length", "0")
        self.end_headers()


def main(name: str, diary: str, *ports: str) -> None:
    servers = [ThreadingHTTPServer(("127.0.0.1", int(port)), Healthy) for port in ports]
    for server in servers:
        threading.Thread(target=server.serve_forever, daemon=True).start()
    signal.sigwait({signal.SIGTERM})
    with Path(diary).open("a") as file:
        file.write(f"{name} ended\n")


if __name__ == "__main__":
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    main(*sys.argv[1:])
