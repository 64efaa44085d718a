# SPDX-License-Identifier: Apache-2.0
"""A whole cage on one machine: a "host" network namespace with some addresses of the internet on its lo, and inside it
an "enclave" namespace with nothing but lo, where the data plane and the service live. Unix sockets stand for vsock.

    clients ── tcp 127.0.0.1:8443 ── control plane ══ unix sockets ══ data plane ── 127.0.0.1:8008 service
                                          │                               │
    upstreams (93.184.216.34 …) ──────────┘                    127.0.0.1:53, redirect, routes (real ones)

The script that uses it must run under `unshare -rnm`. Without namespaces all of it runs on loopback, without egress."""
import json, os, signal, subprocess, sys, time

from peers import GOOD4, GOOD6, OTHER4, cbor, sh, wait_for

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BIN = os.environ.get("EIFGEN_BIN", TOP + "/build/rel/bin")


class Cage:
    """tmp: a short path, for unix sockets are named below it."""

    def __init__(self, tmp, allow="", host_allow=None, egress=True, ports=("443",), redirect=4444, protocol="http", dns="127.0.0.1:5353",
                 tls=True, extra=(), namespaces=True):
        self.tmp, self.children, self.dns, self.holder = tmp, {}, dns, None
        self.allow, self.host_allow, self.egress, self.extra = allow, allow if host_allow is None else host_allow, egress, extra
        if namespaces:
            self.make_enclave()
        config = {
            "ingress": {"listen": "unix:%s/ingress" % tmp, "protocol": protocol, "tls": tls},
            "service": {"address": "tcp:127.0.0.1:8008"},
            "health": {"listen": "unix:%s/health" % tmp},
            "report": {"metrics": "unix:%s/metrics" % tmp, "interval_ms": 500, "transactions": True,
                       "transactions_to": "unix:%s/control" % tmp},
        }
        if tls:
            config["ingress"].update(certificate=tmp + "/cert.pem", key=tmp + "/key.pem")
            sh("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout %s/key.pem -out %s/cert.pem -days 2 "
               "-subj /CN=cage.example -addext subjectAltName=DNS:cage.example 2>/dev/null" % (tmp, tmp))
        if egress:
            config["egress"] = {"enabled": True, "allow": allow, "ports": list(ports), "host": "unix:%s/egress" % tmp,
                                "dns": "tcp:127.0.0.1:53", "redirect_port": redirect}
        open(tmp + "/config.cbor", "wb").write(cbor(config))

    def make_enclave(self):
        self.holder = subprocess.Popen(["unshare", "-nm", "sleep", "3600"])
        wait_for(lambda: os.readlink("/proc/%d/ns/net" % self.holder.pid) != os.readlink("/proc/self/ns/net"))
        open(self.tmp + "/resolv.conf", "w").write("nameserver 127.0.0.1\noptions timeout:2 attempts:1\n")
        self.inside("mount", "--bind", self.tmp + "/resolv.conf", "/etc/resolv.conf").wait()
        if not self.egress:  # net set-up is egress's; otherwise lo is the boot script's
            self.inside("ip", "link", "set", "lo", "up").wait()

    def inside(self, *argv, **kw):
        """A program in the enclave; without namespaces, beside us."""
        if not self.holder:
            return subprocess.Popen(argv, **kw)
        return subprocess.Popen(["nsenter", "-t", str(self.holder.pid), "-n", "-m", "--", *argv], **kw)

    def run(self, name, process_of, ready):
        log = open("%s/%s.log" % (self.tmp, name), "a")
        start = log.tell()
        self.children[name] = process_of(log)
        if not wait_for(lambda: ready in self.log(name)[start:] or self.children[name].poll() is not None, 10) or \
                self.children[name].poll() is not None:
            raise SystemExit("%s did not start: %s" % (name, self.log(name)))

    def control_plane(self, *more):
        argv = [BIN + "/cage-control-plane" + ("" if self.egress else "-no-egress"), "--ingress=tcp:127.0.0.1:8443",
                "--enclave=unix:%s/ingress" % self.tmp, "--health=tcp:127.0.0.1:3032",
                "--enclave-health=unix:%s/health" % self.tmp, "--control=unix:%s/control" % self.tmp,
                "--metrics-in=unix:%s/metrics" % self.tmp, *self.extra, *more]
        if self.egress:
            argv += ["--egress=unix:%s/egress" % self.tmp, "--dns=" + self.dns, "--allow=" + self.host_allow]
        self.run("control-plane", lambda log: subprocess.Popen(argv, stdout=log, stderr=log), '"control.ready"')

    def data_plane(self):
        argv = [BIN + "/cage-data-plane" + ("" if self.egress else "-no-egress"), "--config", self.tmp + "/config.cbor"]
        self.run("data-plane", lambda log: self.inside(*argv, stdout=log, stderr=log), '"plane.ready"')

    def service(self, script):
        self.run("service", lambda log: self.inside(sys.executable, "-u", "-c", script, stdout=log, stderr=log), "serving")

    def log(self, name):
        try:
            return open("%s/%s.log" % (self.tmp, name)).read()
        except FileNotFoundError:
            return ""

    def events(self, name, event):
        return [e for e in map(json.loads, filter(lambda x: x.startswith("{"), self.log(name).splitlines())) if e["event"] == event]

    def ask(self, script, timeout=60):
        """Runs a piece of Python in the enclave as any program there would; what it printed."""
        p = self.inside(sys.executable, "-c", script, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        try:
            return p.communicate(timeout=timeout)[0].strip()
        except subprocess.TimeoutExpired:
            p.kill()
            return "timeout"

    def curl(self, path, *more):
        p = subprocess.run(["curl", "-sS", "--max-time", "20", "--cacert", self.tmp + "/cert.pem", "--resolve",
                            "cage.example:8443:127.0.0.1", "https://cage.example:8443" + path, *more],
                           capture_output=True, text=True)
        return p.stdout if p.returncode == 0 else "curl %d: %s" % (p.returncode, p.stderr)

    def stop(self, name, signum=signal.SIGTERM, patience=10):
        p = self.children.pop(name, None)
        if not p:
            return None
        p.send_signal(signum)
        try:
            return p.wait(patience)
        except subprocess.TimeoutExpired:
            p.kill()
            return "killed"

    def end(self):
        for name in list(self.children):
            self.stop(name, signal.SIGKILL)
        if self.holder:
            self.holder.kill()
            self.holder.wait()


def host_world():
    """Addresses of the internet on the host's lo."""
    sh("ip link set lo up; ip addr add %s/32 dev lo; ip addr add %s/32 dev lo; ip -6 addr add %s/128 dev lo nodad" %
       (GOOD4, OTHER4, GOOD6))
    time.sleep(0.1)
