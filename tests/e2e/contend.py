#!/usr/bin/env python3
"""contend.py: two controllers and a program on client-go's leaderelection contend for one Lease, and never do two of them act at once.

For SECONDS, whoever leads is killed, stopped cleanly, or paused for longer than the lease lasts, while nodes come that need an ENI. The
Lease's history, from a watch, is held against EC2's log: every change that somebody made there must lie within a term of his, and ours
within four fifths of the lease after a renewal. Prints how long each take-over took; exit status 0 when all is well.
"""
import argparse
import ctypes
import datetime
import http.client
import json
import os
import pathlib
import random
import re
import signal
import ssl
import subprocess
import sys
import threading
import time
import urllib.request

LEASE_S, FENCE_S = 15, 12
LEASES = "/apis/coordination.k8s.io/v1/namespaces/headroom-system/leases"
KEYS = {"controller-a": ("AKIACONTROLLERA", "controller+a/secret/for/tests/EXAMPLEKEY"),
        "controller-b": ("AKIACONTROLLERB", "controller+b/secret/for/tests/EXAMPLEKEY"),
        "rival": ("AKIARIVAL", "rival+secret/for/tests/EXAMPLEKEY")}
begun = time.time()


def say(text):
    print(f"{time.time() - begun:6.1f}  {text}", flush=True)


def seconds(text):
    """RFC 3339, with up to nine digits."""
    whole, _, rest = text.rstrip("Z").partition(".")
    return datetime.datetime.fromisoformat(whole + "+00:00").timestamp() + (float("0." + rest) if rest else 0)


class Api:
    def __init__(self, kubeconfig):
        text = pathlib.Path(kubeconfig).read_text()
        self.address = re.search(r'server: "https://([^"]*)"', text)[1]
        self.headers = {"Authorization": "Bearer " + re.search(r'token: "([^"]*)"', text)[1], "Content-Type": "application/json"}
        self.context = ssl.create_default_context(cafile=re.search(r'certificate-authority: "([^"]*)"', text)[1])

    def open(self, method, path, body=None):
        connection = http.client.HTTPSConnection(self.address, context=self.context, timeout=60)
        connection.request(method, path, json.dumps(body) if body is not None else None, self.headers)
        return connection.getresponse()


class Lease:
    """Every version of it, in order."""

    def __init__(self, api):
        self.api, self.history = api, []
        threading.Thread(target=self.follow, daemon=True).start()

    def follow(self):
        version = "0"
        while True:
            try:
                answer = self.api.open("GET", f"{LEASES}?watch=true&resourceVersion={version}&timeoutSeconds=600"
                                              "&fieldSelector=metadata.name%3Dheadroom-controller")
                for line in answer:
                    lease = json.loads(line)["object"]
                    version = lease["metadata"]["resourceVersion"]
                    spec = lease["spec"]
                    self.history.append((int(version), spec.get("holderIdentity", ""), seconds(spec["acquireTime"]),
                                         seconds(spec["renewTime"])))
            except (OSError, KeyError, ValueError, http.client.HTTPException):
                version = "0"
                time.sleep(0.2)

    def holder(self):
        return self.history[-1][1] if self.history else ""


class Player:
    def __init__(self, name, options):
        self.name, self.options, self.turn, self.process, self.paused = name, options, 0, None, False
        self.log = pathlib.Path(options.work) / f"{name}.log"
        self.start()

    def start(self):
        options, (key, secret) = self.options, KEYS[self.name]
        self.turn += 1
        environment = {"PATH": os.environ["PATH"], "HOME": options.work, "AWS_REGION": "us-west-2", "AWS_ENDPOINT_URL": options.sim,
                       "AWS_EC2_METADATA_DISABLED": "true", "AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": secret,
                       "KUBECONFIG": options.controller_kubeconfig}
        if self.name == "rival":
            command = [options.rival, "--kubeconfig", options.controller_kubeconfig, "--identity", f"rival-{self.turn}",
                       "--subnet", "subnet-0a00000000000000a"]
        else:
            command = [options.controller, "--listen=off"]
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, stdin=subprocess.DEVNULL,
                                            preexec_fn=lambda: ctypes.CDLL(None).prctl(1, signal.SIGKILL))

    def identities(self):
        if self.name == "rival":
            return {f"rival-{turn + 1}" for turn in range(self.turn)}
        return set(re.findall(r'"msg":"headroom-controller starts".*?"identity":"([^"]*)"', self.log.read_text()))

    def signal(self, number):
        self.process.send_signal(number)


class Contest:
    def __init__(self, options):
        self.options, self.random = options, random.Random(options.seed)
        self.lease = Lease(Api(options.kubeconfig))
        self.players = [Player(name, options) for name in KEYS]
        self.requests, self.seen = [], 0
        self.stopping = threading.Event()
        self.guests = 0

    def owner(self, identity):
        return next((player for player in self.players if identity and identity in player.identities()), None)

    # -- something to do --

    def sim(self, path, body=None):
        request = urllib.request.Request(f"{self.options.sim}/_sim/{path}", json.dumps(body).encode() if body is not None else None)
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)

    def need(self):
        """A node whose own subnet is empty, with more pods than it has addresses; it goes again after a while."""
        api, guests = Api(self.options.kubeconfig), []
        while not self.stopping.wait(3):
            self.guests += 1
            name = f"guest-{self.guests}"
            self.sim("drain", {"subnet": "nodes-a", "free": 6})  # its primary address, and five for its first pods
            guests.append(self.sim("run", {"subnet": "nodes-a", "type": "t3.medium", "name": name})["instance"])
            for pod in range(8):
                spec = {"nodeName": name, "terminationGracePeriodSeconds": 0, "containers": [{"name": "app", "image": "example/app"}]}
                api.open("POST", "/api/v1/namespaces/default/pods", {"metadata": {"name": f"{name}-{pod}"}, "spec": spec}).read()
            if len(guests) > 8:
                self.sim("terminate", {"instance": guests.pop(0)})
            self.read_log()

    def read_log(self):
        answer = self.sim(f"requests?since={self.seen}&count=20000")
        for request in answer["requests"]:
            if not re.match("Describe|Get|Assume", request["action"]) and request["who"] in KEYS:
                self.requests.append((seconds(request["time"]), request["who"], request["action"]))
        self.seen = answer["last"]

    # -- trouble --

    def strike(self):
        leader = self.owner(self.lease.holder())
        if not leader:
            return
        victim = leader if self.random.random() < 0.85 else self.random.choice(self.players)
        if victim is leader and leader.name != "rival" and self.random.random() < 0.35:
            self.make_way(leader)
            return
        kind = self.random.choice(("kill", "stop", "stop", "long pause", "short pause"))
        say(f"{kind}: {victim.name}{' (leads)' if victim is leader else ''}")
        if kind == "kill":
            victim.signal(signal.SIGKILL)
        elif kind == "stop":
            victim.signal(signal.SIGTERM)
        else:
            victim.signal(signal.SIGSTOP)
            self.stopping.wait(self.random.uniform(LEASE_S + 3, LEASE_S + 8) if kind == "long pause" else self.random.uniform(2, 10))
            victim.signal(signal.SIGCONT)
            return
        victim.process.wait(30)
        self.stopping.wait(self.random.uniform(1, 4))
        victim.start()

    def make_way(self, leader):
        """Our controllers see a Lease that is free within milliseconds; client-go's looks each two seconds. Once in a while it wins."""
        other = next(player for player in self.players if player.name not in ("rival", leader.name))
        say(f"stop: {leader.name} (leads), while {other.name} is paused")
        other.signal(signal.SIGSTOP)
        leader.signal(signal.SIGTERM)
        leader.process.wait(30)
        end = time.time() + 30
        while time.time() < end and self.owner(self.lease.holder()) is not self.players[-1]:
            self.stopping.wait(0.1)
        leader.start()
        other.signal(signal.SIGCONT)

    def run(self):
        threading.Thread(target=self.need, daemon=True).start()
        end, last, told = time.time() + self.options.seconds, time.time(), ""
        while time.time() < end:
            holder = self.lease.holder()
            if holder != told:
                told = holder
                player = self.owner(holder)
                say(f"holder: {player.name if player else holder or 'nobody'}")
            if time.time() - last > 6 and self.owner(holder):
                self.strike()
                last = time.time()
            time.sleep(0.05)
        self.stopping.set()
        time.sleep(1)
        self.read_log()
        for player in self.players:
            player.signal(signal.SIGTERM)
        for player in self.players:
            player.process.wait(30)

    # -- judgement --

    def terms(self):
        """(from, to, name, released, [renewals]): from when the new holder had not yet asked for it, to when the next one had not."""
        names = {identity: player.name for player in self.players for identity in player.identities()}
        terms = []
        for _, holder, acquired, renewed in sorted(self.lease.history):
            if terms and terms[-1]["holder"] == holder and terms[-1]["acquired"] == acquired:
                terms[-1]["renewals"].append(renewed)
                continue
            at = acquired if holder else renewed
            if terms:
                terms[-1]["to"] = at
            terms.append({"holder": holder, "acquired": acquired, "from": at, "to": float("inf"), "name": names.get(holder, holder),
                          "renewals": [renewed]})
        return terms

    def judge(self):
        terms, wrong, counts = self.terms(), [], {}
        for at, who, action in self.requests:
            term = next((term for term in reversed(terms) if term["from"] <= at), None)
            counts[who] = counts.get(who, 0) + 1
            if term and term["name"] == who:
                since = at - max(renewal for renewal in term["renewals"] if renewal <= at)
                if since > FENCE_S + 0.1:
                    wrong.append(f"{who} did {action} at {at - begun:.3f}, {since:.1f} s after its last renewal")
            else:
                wrong.append(f"{who} did {action} at {at - begun:.3f}, in the term of {term['name'] if term else 'nobody'} "
                             f"from {term['from'] - begun if term else 0:.3f}")
        self.tell_takeovers(terms)
        say(f"changes in EC2: {counts}; {len([term for term in terms if term['holder']])} terms; outside of a term: {len(wrong)}")
        for line in wrong[:20]:
            say(line)
        return not wrong and len(counts) == len(KEYS)

    def tell_takeovers(self, terms):
        times = {}
        for before, after in zip(terms, terms[1:]):
            if not after["holder"]:
                continue
            kind = "a clean stop" if not before["holder"] else "a lapse"
            winner = "client-go" if after["name"] == "rival" else "a controller"
            gap = after["from"] - (before["from"] if not before["holder"] else before["renewals"][-1])
            times.setdefault(f"{winner} after {kind}", []).append(gap)
        for kind, gaps in sorted(times.items()):
            gaps.sort()
            say(f"taken over by {kind}: {len(gaps)} times, {gaps[0]:.3f} to {gaps[-1]:.3f} s, median {gaps[len(gaps) // 2]:.3f} s")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for flag in ("sim", "kubeconfig", "controller-kubeconfig", "controller", "rival", "work"):
        parser.add_argument("--" + flag, required=True)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--seed", type=int, default=1)
    contest = Contest(parser.parse_args())
    contest.run()
    sys.exit(0 if contest.judge() else 1)


main()
