#!/usr/bin/env python3
"""proxy.py PORT [--user NAME:PASSWORD] [--cert FILE]

A proxy as companies have them: CONNECT of HTTP, and SOCKS5, told apart by the first byte. With --user it wants to know who asks, with
--cert (a PEM of key and certificate) it speaks TLS itself. Prints a line for each way that it opens: "connect HOST:PORT".
"""
import argparse
import base64
import socket
import ssl
import struct
import threading


def pump(a, b):
    try:
        while piece := a.recv(65536):
            b.sendall(piece)
    except OSError:
        pass
    for end in (a, b):
        try:
            end.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


def exactly(client, count):
    data = b""
    while len(data) < count:
        piece = client.recv(count - len(data))
        if not piece:
            raise OSError("gone")
        data += piece
    return data


def socks(client):
    """Where to, as the client says it: "name HOST" or "address HOST"."""
    exactly(client, exactly(client, 1)[0])
    client.sendall(b"\x05\x00")
    _, command, _, kind = exactly(client, 4)
    assert command == 1
    if kind == 3:
        how, host = "name", exactly(client, exactly(client, 1)[0]).decode()
    else:
        how, host = "address", socket.inet_ntoa(exactly(client, 4))
    port = struct.unpack(">H", exactly(client, 2))[0]
    return how, host, port, b"\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00"


def http(client, first, user):
    head = first
    while b"\r\n\r\n" not in head:
        head += exactly(client, 1)
    lines = head.decode().split("\r\n")
    if user:
        wanted = "proxy-authorization: basic " + base64.b64encode(user.encode()).decode().lower()
        if wanted not in [line.lower() for line in lines]:
            client.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n")
            raise OSError("nobody")
    method, target, _ = lines[0].split()
    assert method == "CONNECT"
    host, _, port = target.rpartition(":")
    return "connect", host, int(port), b"HTTP/1.1 200 Connection established\r\n\r\n"


def serve(client, args, context):
    try:
        if context:
            client = context.wrap_socket(client, server_side=True)
        first = exactly(client, 1)
        how, host, port, answer = socks(client) if first == b"\x05" else http(client, first, args.user)
        print(f"{how} {host}:{port}", flush=True)
        server = socket.create_connection((host, port))
        client.sendall(answer)
        threading.Thread(target=pump, args=(server, client), daemon=True).start()
        pump(client, server)
    except (OSError, ssl.SSLError):
        client.close()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    parser.add_argument("--user")
    parser.add_argument("--cert")
    args = parser.parse_args()
    context = None
    if args.cert:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(args.cert)
    with socket.create_server(("127.0.0.1", args.port)) as listener:
        print("ready", flush=True)
        while True:
            client, _ = listener.accept()
            threading.Thread(target=serve, args=(client, args, context), daemon=True).start()


main()
