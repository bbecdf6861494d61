#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A PostgreSQL of one's own for the length of a test.

    private_pg.py [--durable] COMMAND...
        runs COMMAND with a server beside it; exit code is COMMAND's, or 77 when PostgreSQL is not
        installed. --durable: a server as one would run it, synced and with room, for timings

ASSAY_TEST_PG holds its URL. SIGUSR1 to the process ASSAY_TEST_PG_PID makes the server die as in a
power cut and start again. The server listens on a socket in a temporary folder only, ends with this
program however that ends, and cannot write a file of more than 24 MB: a small disk.
"""
import ctypes
import glob
import os
import pathlib
import pwd
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time

FILE_MAX = 24 * 1024 * 1024
PR_SET_PDEATHSIG = 1
SETTINGS = {
    "listen_addresses": "", "fsync": "off", "shared_buffers": "32MB", "max_connections": "100",
    "log_min_messages": "fatal", "max_wal_size": "64MB", "autovacuum": "off",
}
DURABLE = {"fsync": "on", "shared_buffers": "256MB", "max_wal_size": "2GB", "autovacuum": "on"}


def find_bin():
    folders = sorted(glob.glob("/usr/lib/postgresql/*/bin"), reverse=True)
    on_path = shutil.which("initdb")
    if on_path:
        folders.append(os.path.dirname(os.path.realpath(on_path)))
    for folder in folders:
        if os.access(os.path.join(folder, "initdb"), os.X_OK):
            return pathlib.Path(folder)
    return None


class Server:
    def __init__(self, durable=False):
        self.durable = durable
        self.bin = find_bin()
        if not self.bin:
            raise FileNotFoundError("PostgreSQL is not installed")
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="assay-pg-"))
        self.account = {}
        if os.getuid() == 0:  # PostgreSQL refuses to run as root
            names = {entry.pw_name for entry in pwd.getpwall()}
            entry = pwd.getpwnam("postgres" if "postgres" in names else "nobody")
            self.account = {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
            os.chown(self.dir, entry.pw_uid, entry.pw_gid)
        self.dir.chmod(0o755)
        self.process = None
        subprocess.run([self.bin / "initdb", "-D", self.dir / "data", "-U", "assay", "-A", "trust",
                        "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"],
                       check=True, stdout=subprocess.DEVNULL, cwd="/", **self.account)
        self.url = f"postgres://assay@/postgres?host={self.dir}"
        self.start()

    def start(self):
        deadline = time.monotonic() + 60
        while not self.try_to_start():  # what is left of a crashed server may still be in the way
            if time.monotonic() > deadline:
                sys.stderr.write((self.dir / "log").read_text(errors="replace"))
                raise RuntimeError("PostgreSQL did not start")
            time.sleep(0.1)

    def try_to_start(self):
        def prepare():
            if not self.durable:
                resource.setrlimit(resource.RLIMIT_FSIZE, (FILE_MAX, FILE_MAX))
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGQUIT)

        settings = {**SETTINGS, **(DURABLE if self.durable else {})}
        options = [f"--{name}={value}" for name, value in settings.items()]
        with open(self.dir / "log", "ab") as log:
            self.process = subprocess.Popen(
                [self.bin / "postgres", "-D", self.dir / "data", "-k", self.dir, *options],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, preexec_fn=prepare, cwd="/",
                start_new_session=True, **self.account)
        while subprocess.run([self.bin / "pg_isready", "-q", "-h", self.dir]).returncode:
            if self.process.poll() is not None:
                return False
            time.sleep(0.05)
        return True

    def stop(self, how=signal.SIGINT):
        self.process.send_signal(how)
        self.process.wait()

    def crash_and_restart(self, *_):
        self.stop(signal.SIGQUIT)
        self.start()

    def close(self):
        if self.process and self.process.poll() is None:
            self.stop()
        shutil.rmtree(self.dir, ignore_errors=True)


def main():
    command = sys.argv[1:]
    durable = command[:1] == ["--durable"]
    try:
        server = Server(durable)
    except FileNotFoundError as problem:
        print(problem)
        return 77
    try:
        signal.signal(signal.SIGUSR1, server.crash_and_restart)
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
        environment = {**os.environ, "ASSAY_TEST_PG": server.url,
                       "ASSAY_TEST_PG_PID": str(os.getpid())}
        return subprocess.run(command[durable:], env=environment).returncode
    finally:
        server.close()


if __name__ == "__main__":
    sys.exit(main())
