#!/usr/bin/env python3
"""Stands before ec2sim as STS, as the Pod Identity agent and as the instance metadata service, and misbehaves as it is told.

    identity_stand_in.py PORT EC2SIM FOLDER

FOLDER/mode: "refuse" (each gets an error), "slow" (each answer takes 2 s, those of the metadata service 0.6 s) or "good"; FOLDER/sts-token, FOLDER/pod-token: what a client
must show now, so that a rotated one must be read again. FOLDER/seen: a line "SOURCE STATUS" for each request.
"""
import http.server
import json
import re
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

PORT, SIM, FOLDER = int(sys.argv[1]), sys.argv[2], sys.argv[3]


def read(name):
    with open(f"{FOLDER}/{name}", encoding="ascii") as file:
        return file.read().strip()


def forward(method, path, headers, body):
    request = urllib.request.Request(SIM + path, data=body, method=method, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.headers.get("Content-Type", "text/plain"), answer.read()
    except urllib.error.HTTPError as error:
        return error.code, "text/plain", error.read()


def session():
    """As the Pod Identity agent has it from its own service: a set of credentials with an end."""
    form = urllib.parse.urlencode({
        "Action": "AssumeRoleWithWebIdentity", "Version": "2011-06-15", "RoleSessionName": "pod", "WebIdentityToken": "x",
        "RoleArn": "arn:aws:iam::111122223333:role/controller"}).encode()
    _, _, body = forward("POST", "/", {"Content-Type": "application/x-www-form-urlencoded"}, form)
    found = dict(re.findall(rb"<(AccessKeyId|SecretAccessKey|SessionToken|Expiration)>([^<]+)<", body))
    found = {key.decode(): value.decode() for key, value in found.items()}
    found["Token"] = found.pop("SessionToken")
    return json.dumps(found).encode()


class StandIn(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, body):
        mode = read("mode")
        source = "imds" if self.path.startswith("/imds/") else "pod" if self.path.startswith("/v1/") else "sts"
        if mode == "slow":
            time.sleep(0.6 if source == "imds" else 2)  # the metadata service is on the machine: it gets 2 s
        if mode == "refuse":
            out = 403 if source == "sts" else 500, "text/xml", (
                b"<ErrorResponse><Error><Code>AccessDenied</Code><Message>Not today</Message></Error></ErrorResponse>")
        elif source == "pod":
            known = self.headers.get("Authorization") == read("pod-token")
            out = (200, "application/json", session()) if known else (401, "text/plain", b"unknown token")
        elif source == "sts":
            token = dict(urllib.parse.parse_qsl(body.decode())).get("WebIdentityToken")
            known = token == read("sts-token")
            out = forward("POST", "/", {"Content-Type": self.headers["Content-Type"]}, body) if known else (
                400, "text/xml", b"<ErrorResponse><Error><Code>InvalidIdentityToken</Code><Message>Expired</Message></Error></ErrorResponse>")
        else:
            headers = {k: v for k, v in self.headers.items() if k.lower().startswith("x-aws-")}
            out = forward(self.command, self.path, headers, body or None)
        with open(f"{FOLDER}/seen", "a", encoding="ascii") as seen:
            seen.write(f"{source} {out[0]}\n")
        self.send_response(out[0])
        self.send_header("Content-Type", out[1])
        self.send_header("Content-Length", str(len(out[2])))
        self.end_headers()
        self.wfile.write(out[2])

    def do_POST(self):
        self.answer(self.rfile.read(int(self.headers.get("Content-Length", 0))))

    do_GET = do_PUT = do_POST

    def log_message(self, *args):
        pass


http.server.ThreadingHTTPServer(("127.0.0.1", PORT), StandIn).serve_forever()
