#!/usr/bin/env python3
"""The application of the Pod, in about sixty lines.

It knows nothing of git, of replicas or of Prometheus: it serves files out of a directory, asks a Redis on localhost,
sends StatsD to localhost, and shows its own statistics as JSON. The three containers beside it do the rest.

    PORT        where it serves
    WEB_ROOT    the directory that it serves (sync-git keeps it)
    REDIS_PORT  the Redis on localhost (ambassador-redis is it)
    STATSD_PORT where StatsD goes (adapt-metrics listens)
"""

import json
import os
import pathlib
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

ROOT = pathlib.Path(os.environ["WEB_ROOT"])
REDIS = ("127.0.0.1", int(os.environ["REDIS_PORT"]))
STATSD = ("127.0.0.1", int(os.environ["STATSD_PORT"]))

statsd = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
lock = threading.Lock()
pages = {}


def redis(*words):
    """One command to the Redis on localhost, and its reply (no nested ones: nothing here asks for a list)."""
    with socket.create_connection(REDIS, timeout=5) as connection, connection.makefile("rwb") as stream:
        stream.write(b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words))
        stream.flush()
        kind, line = stream.read(1), stream.readline().rstrip()
        if kind == b"$":
            return stream.read(int(line) + 2)[:-2] if int(line) >= 0 else None
        if kind == b"-":
            raise RuntimeError(line.decode())
        return line


class Shop(BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/stats.json":
            with lock:
                stats = {"visits": sum(pages.values()), "pages": [{"name": n, "visits": v} for n, v in pages.items()]}
            return self.answer(200, "application/json", json.dumps(stats).encode())
        began = time.monotonic()
        page = self.path.lstrip("/") or "index.html"
        file = (ROOT / page).resolve()
        if ROOT.resolve() not in file.parents or not file.is_file():
            return self.answer(404, "text/plain", b"no such page\n")
        count = redis(b"INCR", b"visits")
        greeting = redis(b"GET", b"greeting") or b"Hello"
        self.answer(200, "text/html", file.read_bytes().replace(b"{visits}", count).replace(b"{greeting}", greeting))
        with lock:
            pages[page] = pages.get(page, 0) + 1
        milliseconds = (time.monotonic() - began) * 1000
        name = page.removesuffix(".html")
        statsd.sendto(f"shop.visits:1|c|#page:{name}\nshop.page:{milliseconds:.2f}|ms|#page:{name}".encode(), STATSD)

    def answer(self, status, kind, body):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Shop).serve_forever()
