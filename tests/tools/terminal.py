#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs a command whose stderr is a terminal: terminal.py OUT [--columns N] [--resize N] COMMAND…

OUT gets what was written to it, OUT.screen the lines that stand on it at the end. Of a terminal only this is done here:
a carriage return goes to the start of the row, a line feed to the next row, and text past the last column goes on in the
next row, where a carriage return then goes to. A line in OUT.screen is all its rows.
With --resize the command is stopped when a share was shown, the terminal gets that width, and OUT.after holds what comes
from then on. The command's status is this program's."""
import fcntl, os, pty, re, signal, struct, subprocess, sys, termios, time


def set_columns(fd, n):
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", 24, n, 0, 0))


class Screen:
    def __init__(self, columns):
        self.columns, self.lines, self.row, self.at = columns, [[""]], 0, 0

    def put(self, c):
        if self.at == self.columns:  # the terminal waits for this before it goes to the next row
            self.lines[-1].append("")
            self.at = 0
        row = self.lines[-1][-1]
        self.lines[-1][-1] = row[:self.at].ljust(self.at) + c + row[self.at + 1:]
        self.at += 1

    def take(self, text):
        for c in text:
            if c == "\r":
                self.at = 0
            elif c == "\n":
                self.lines.append([""])
            else:
                self.put(c)

    def text(self):
        return "\n".join("".join(rows).rstrip() for rows in self.lines).rstrip("\n")


def drain(fd):
    """What is there to be read now."""
    got = b""
    os.set_blocking(fd, False)
    try:
        while True:
            piece = os.read(fd, 65536)
            if not piece:
                break
            got += piece
    except OSError:
        pass
    os.set_blocking(fd, True)
    return got


def main():
    out, rest, columns, resize = sys.argv[1], sys.argv[2:], 80, None
    while rest[0] in ("--columns", "--resize"):
        if rest[0] == "--columns":
            columns = int(rest[1])
        else:
            resize = int(rest[1])
        rest = rest[2:]
    master, slave = pty.openpty()
    attr = termios.tcgetattr(slave)
    attr[1] &= ~termios.OPOST  # a line feed stays one byte
    termios.tcsetattr(slave, termios.TCSANOW, attr)
    set_columns(slave, columns)
    p = subprocess.Popen(rest, stderr=slave, stdin=subprocess.DEVNULL)
    os.close(slave)
    shown, mark = b"", None
    while True:
        try:
            shown += os.read(master, 65536)
        except OSError:  # the other end is closed
            break
        if resize and mark is None and re.search(rb"\d %", shown):
            os.kill(p.pid, signal.SIGSTOP)
            time.sleep(0.05)
            shown += drain(master)
            set_columns(master, resize)
            mark = len(shown)
            os.kill(p.pid, signal.SIGCONT)
    status = p.wait()
    open(out, "wb").write(shown)
    if mark is not None:
        open(out + ".after", "wb").write(shown[mark:])
    screen = Screen(columns)
    screen.take(shown.decode().replace("\n", "\n\r"))
    open(out + ".screen", "w").write(screen.text() + "\n")
    sys.exit(status if status >= 0 else 128 - status)


main()
