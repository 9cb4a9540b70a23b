#!/usr/bin/env python3
"""middlebox.py --listen PORT --control PORT --to HOST:PORT [--cert FILE --to-ca FILE]

What may stand between a controller and its API server: a TCP forwarder that misbehaves when it is told to. With --cert (a PEM of key
and certificate) it ends TLS itself, so that it can also answer; then --to-ca is what the real server is checked by.

POST to the control port, each until the next one:
  /pass          forward
  /hold          forward nothing in either direction, and say nothing: a black hole
  /forget        as a firewall that has lost its state: what is connected now is a black hole for ever, what comes is forwarded
  /delay/MS      each piece comes MS later
  /trickle/N     N bytes each tenth of a second
  /flaky/MS      each connection is cut after 0 to MS
  /refuse        reset what comes
  /busy/S        answer each request 429 with Retry-After: S (this one and the next with --cert only)
  /lie/KIND      answer each request with nonsense, see lie() for the kinds
and once:
  /cut           reset what is connected
  /reload        read --cert anew
GET /state: {"mode": .., "connections": N, "busy": [seconds since the epoch of each 429], "accepted": N, "cut": N}
"""
import argparse
import functools
import http.server
import json
import random
import select
import socket
import ssl
import struct
import threading
import time
import zlib


BUSY = (b'HTTP/1.1 429 Too Many Requests\r\nRetry-After: SECONDS\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n'
        b'{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"TooManyRequests","code":429,'
        b'"message":"too many requests, please try again later","details":{"retryAfterSeconds":SECONDS}}')


@functools.cache
def bomb():
    """128 MiB of spaces, which JSON takes as long as they come."""
    packer, spaces = zlib.compressobj(9, zlib.DEFLATED, 31), b" " * (1 << 20)
    return b"".join(packer.compress(spaces) for _ in range(128)) + packer.flush()


def lie(kind, head):
    """The pieces of an answer, in the encoding that was asked for."""
    protobuf, table = b"application/vnd.kubernetes.protobuf" in head, b"as=Table" in head
    ok = b"HTTP/1.1 200 OK\r\nConnection: close\r\n"
    start = b"k8s\0" if protobuf else b'{"kind":"Table","metadata":{"resourceVersion":"1"},' if table else b'{"kind":"List",'
    if kind == "slow-head":
        for byte in ok * 1000:
            yield bytes([byte])
            time.sleep(0.2)
    elif kind == "endless":  # one string, one field, one line
        yield ok + b"\r\n" + start + (b"\x12\xff\xff\xff\xff\x07" if protobuf else b'"metadata":"')
        while True:
            yield b"x" * 65536
    elif kind == "types":
        yield ok + b"\r\n" + (b"k8s\0" + b"\x10\x01\x0d1234" * 100 if protobuf else
                              b'{"kind":7,"metadata":["x"],"items":{"a":1},"columnDefinitions":"no","rows":{"cells":3}}')
    elif kind == "deep":
        yield ok + b"\r\n" + (b"k8s\0" + b"".join(b"\x12" + varint(4 * n) for n in range(100000, 0, -1)) if protobuf else
                              start + b'"items":' + b"[" * 4000000)
    elif kind == "wide":
        yield ok + b"\r\n" + (b"k8s\0\x12" + varint(8 << 20) + b"\x12\x00" * (4 << 20) if protobuf else
                              start + b'"items":[' + b"0," * (4 << 20) + b"0]}")
    elif kind == "cut":  # less than was promised
        yield ok + b"Content-Length: 100000\r\n\r\n" + start
    elif kind == "huge":
        yield ok + b"Content-Length: 2147483648\r\n\r\n" + (b"k8s\0\x12\x80\x80\x80\x80\x08" if protobuf else start + b'"items":"')
        for _ in range(1 << 15):
            yield b"y" * 65536
    elif kind == "frame":  # of a watch: a promise of 2 GiB
        yield ok + b"\r\n" + b"\x7f\xff\xff\xff" + b"k8s\0" * 1000
    elif kind == "bomb":
        yield ok + b"Content-Encoding: gzip\r\n\r\n" + bomb()


def varint(n):
    out = b""
    while n >= 128:
        out, n = out + bytes([n & 127 | 128]), n >> 7
    return out + bytes([n])


class Box:
    def __init__(self, options):
        self.options = options
        self.mode, self.value = "pass", 0
        self.changed = threading.Condition()
        self.connections = set()
        self.busy, self.accepted, self.cuts = [], 0, 0
        self.server_tls = None
        self.reload()

    def reload(self):
        if self.options.cert:
            tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            tls.load_cert_chain(self.options.cert)
            self.server_tls = tls

    def set(self, mode, value):
        with self.changed:
            if mode == "forget":
                for connection in self.connections:
                    connection.forgotten = True
                mode = "pass"
            if "busy" in (mode, self.mode) or "lie" in (mode, self.mode):
                self.cut()  # a kept-alive connection is past the point where it could be answered
            self.mode, self.value = mode, value
            self.changed.notify_all()

    def cut(self):
        for connection in list(self.connections):
            connection.reset()

    def until(self, wanted):
        with self.changed:
            self.changed.wait_for(wanted)

    def serve(self):
        listener = socket.create_server(("127.0.0.1", self.options.listen), backlog=64)
        while True:
            client, _ = listener.accept()
            self.accepted += 1
            if self.mode == "refuse":
                reset(client)
            else:
                threading.Thread(target=Connection(self, client).run, daemon=True).start()


def reset(sock):
    """As an RST, not as an end of the stream. A thread that reads from it is woken, else it would keep the socket."""
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        socket.socket.shutdown(sock, socket.SHUT_RD)  # not SSL's own, which would go on in plain text
        sock.close()
    except OSError:
        pass


class Connection:
    def __init__(self, box, client):
        self.box, self.client, self.server = box, client, None
        self.forgotten = self.dead = False
        box.connections.add(self)

    def silent(self):
        return not self.dead and (self.forgotten or self.box.mode == "hold")

    def run(self):
        box = self.box
        try:
            box.until(lambda: not self.silent())
            if box.server_tls:
                self.client.settimeout(10)
                self.client = box.server_tls.wrap_socket(self.client, server_side=True)
                self.client.settimeout(None)
            if box.mode in ("busy", "lie"):
                self.answer()
                return
            self.connect()
            if box.mode == "flaky":
                threading.Timer(random.uniform(0, box.value / 1000), self.reset).start()
            self.relay()
        except (OSError, ValueError):
            pass
        finally:
            box.connections.discard(self)
            self.close()

    def connect(self):
        host, port = self.box.options.to.rsplit(":", 1)
        self.server = socket.create_connection((host, int(port)))
        if self.box.server_tls:
            tls = ssl.create_default_context(cafile=self.box.options.to_ca)
            self.server = tls.wrap_socket(self.server, server_hostname=host)

    def answer(self):
        """Itself, in the place of the server."""
        head = b""
        while b"\r\n\r\n" not in head:
            piece = self.client.recv(65536)
            if not piece:
                return
            head += piece
        if self.box.mode == "busy":
            self.box.busy.append(time.time())
            self.client.sendall(BUSY.replace(b"SECONDS", str(self.box.value).encode()))
        elif self.box.value == "frame" and b"watch=true" not in head:
            self.connect()
            self.server.sendall(head)
            self.relay()
        else:
            self.client.settimeout(60)
            for piece in lie(self.box.value, head):
                if self.dead or self.box.mode != "lie":
                    return
                self.client.sendall(piece)

    def relay(self):
        """Both ways in one thread: a TLS connection must not be read and written at once."""
        ways = {self.client: self.server, self.server: self.client}
        while True:
            ready = [sock for sock in ways if isinstance(sock, ssl.SSLSocket) and sock.pending()]
            for source in ready or select.select(list(ways), [], [])[0]:
                source.settimeout(0.02)  # what came may be of TLS itself
                try:
                    piece = source.recv(65536)
                except TimeoutError:
                    continue
                self.box.until(lambda: not self.silent())
                if not piece:
                    return
                self.forward(piece, ways[source])

    def forward(self, piece, sink):
        box = self.box
        sink.settimeout(60)
        if box.mode == "delay":
            time.sleep(box.value / 1000)
        while box.mode == "trickle" and piece:
            sink.sendall(piece[:box.value])
            piece = piece[box.value:]
            time.sleep(0.1)
        sink.sendall(piece)

    def reset(self):
        self.box.cuts += 1
        self.dead = True
        for sock in (self.client, self.server):
            if sock:
                reset(sock)
        with self.box.changed:
            self.box.changed.notify_all()

    def close(self):
        for sock in (self.client, self.server):
            if sock:
                try:
                    sock.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass
                sock.close()


def control(box):
    class Control(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            order, _, value = self.path.strip("/").partition("/")
            if order == "cut":
                box.cut()
            elif order == "reload":
                box.reload()
            else:
                box.set(order, value if order == "lie" else int(value or 0))
            self.reply({"ok": True})

        def do_GET(self):
            self.reply({"mode": box.mode, "connections": len(box.connections), "busy": box.busy, "accepted": box.accepted, "cut": box.cuts})

        def reply(self, what):
            body = json.dumps(what).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args):
            pass

    return http.server.ThreadingHTTPServer(("127.0.0.1", box.options.control), Control)


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    for flag in ("--listen", "--control"):
        parser.add_argument(flag, type=int, required=True)
    parser.add_argument("--to", required=True)
    parser.add_argument("--cert")
    parser.add_argument("--to-ca")
    box = Box(parser.parse_args())
    threading.Thread(target=control(box).serve_forever, daemon=True).start()
    box.serve()


main()
