"""A Redis of a test's own."""

import pathlib
import signal
import subprocess

import redis

from harness import Server, wait_until


class Redis(Server):
    """A redis-server on a unix socket, that keeps what it was told."""

    def __init__(self, workdir, keep=False, password=None):
        self.dir = pathlib.Path(workdir)
        self.dir.mkdir(parents=True, exist_ok=True)
        self.socket = self.dir / "redis.sock"
        self.address = f"unix:{self.socket}"
        self.options = (["--appendonly", "yes", "--appendfsync", "always"]
                        if keep else [])
        if password:
            self.options += ["--requirepass", password]
        self.client = redis.Redis(unix_socket_path=str(self.socket),
                                  password=password)
        self.start()

    def start(self):
        self.socket.unlink(missing_ok=True)
        with open(self.dir / "log", "a", encoding="utf-8") as log:
            self.process = subprocess.Popen(
                ["redis-server", "--port", "0", "--unixsocket",
                 str(self.socket), "--dir", str(self.dir), "--save", "",
                 "--daemonize", "no", *self.options],
                stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        wait_until(self.answers, what="Redis to answer")

    def answers(self):
        assert self.is_running(), (self.dir / "log").read_text()
        try:
            return self.client.ping()
        except redis.exceptions.RedisError:
            return False

    def stop(self):
        if self.is_running():
            self.send(signal.SIGCONT)
        self.client.connection_pool.disconnect()
        self.end()

    def kill(self):
        self.client.connection_pool.disconnect()
        self.end(signal.SIGKILL)
        self.socket.unlink(missing_ok=True)

    def pause(self):
        self.send(signal.SIGSTOP)

    def resume(self):
        self.send(signal.SIGCONT)

    def restart(self):
        self.stop()
        self.start()

    def records(self, prefix="nc:"):
        """The names of the records of objects."""
        return [k.decode() for k in self.client.keys(prefix + "*:r")]

    def bodies(self):
        """The names of those that hold the object's bytes: by the flags in
        the record (src/lib/content_object.c) behind stamp, name, time."""
        return [name for name in self.records()
                if (self.client.getrange(name, 108, 108) or b"\0")[0] & 1]
