# SPDX-License-Identifier: Apache-2.0
"""
Other users in a laboratory: thieves, who wait for a worker's port and listen there, and what they put
in the place of logs.  Neither may ever get a connection, make root write or read what is not theirs, or
hold up lbd.
"""

import contextlib
import os
import pathlib
import pwd
import shutil

THIEF_USER = "daemon"
LOG_USER = "nobody"  # the workers'
SECRET = "a word of root's alone"


class Thieves:
    def __init__(self, lab, program):
        self.lab, self.program = lab, program
        self.processes = []

    def lurk(self, port):
        command = [
            "setpriv",
            "--reuid",
            THIEF_USER,
            "--clear-groups",
            "/usr/bin/python3",
            "-S",
            "-E",
        ]
        words = [*command, self.program, "thief", "127.0.0.1", port]
        self.processes.append(self.lab.process(*words, log="thief.log"))
        self.processes[-1].wait_output("^lurking")

    def leave(self):
        for process in self.processes:
            process.kill()
        self.processes.clear()

    def stolen(self):
        """A line for each connection that they got and should not have."""
        for process in self.processes:
            for line in process.output().splitlines():
                if line.startswith("stolen:"):
                    yield "thief (pid %d): %s" % (process.pid, line)


def _symlink(path, files):
    path.symlink_to(files.secret)


def _symlink_to_nothing(path, files):
    path.symlink_to(files.nothing)


def _hard_link(path, files):
    os.link(files.secret, path)


def _fifo(path, _):
    os.mkfifo(path, 0o666)


def _directory(path, _):
    path.mkdir()


PLANTS = {
    "symlink": _symlink,
    "symlink to nothing": _symlink_to_nothing,
    "hard link": _hard_link,
    "fifo": _fifo,
    "directory": _directory,
}


class Files:
    """A directory of the workers' user with their logs, and what root has beside it."""

    def __init__(self, directory):
        self.logs = pathlib.Path(directory, "theirs")
        self.secret, self.nothing = directory / "secret", directory / "nothing"
        self.secret.write_text(SECRET + "\n")
        self.secret.chmod(0o600)
        self.logs.mkdir()
        user = pwd.getpwnam(LOG_USER)
        os.chown(self.logs, user.pw_uid, user.pw_gid)
        self.before = self._secret()

    def _secret(self):
        status = self.secret.stat()
        return self.secret.read_bytes(), status.st_mode, status.st_uid, status.st_gid

    def _remove(self, path):
        if path.is_dir() and not path.is_symlink():
            return shutil.rmtree(path)
        with contextlib.suppress(FileNotFoundError):
            path.unlink()

    def plant(self, kind, name):
        path = self.logs / (name + ".log")
        self._remove(path)
        PLANTS[kind](path, self)

    def clean(self):
        for path in self.logs.iterdir():
            if not path.is_file() or path.is_symlink() or path.stat().st_nlink > 1:
                self._remove(path)

    def touched(self):
        if self._secret() != self.before:
            yield "root's file was changed: %s" % (self._secret(),)
        if self.nothing.exists():
            yield "a file was made where a symbolic link led"
