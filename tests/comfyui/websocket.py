"""The little of the websocket protocol that following a prompt needs, with the standard library."""

from __future__ import annotations

import base64
import contextlib
import os
import socket
import struct
import time


class WebSocket:
    """A client connection; text comes as str, binary as bytes."""

    def __init__(self, host: str, port: int, path: str) -> None:
        self._socket = socket.create_connection((host, port), timeout=30)
        self._buffer = bytearray()
        key = base64.b64encode(os.urandom(16)).decode()
        lines = [
            f"GET {path} HTTP/1.1", f"Host: {host}:{port}", "Upgrade: websocket", "Connection: Upgrade",
            f"Sec-WebSocket-Key: {key}", "Sec-WebSocket-Version: 13", "", "",
        ]  # fmt: skip
        self._socket.sendall("\r\n".join(lines).encode())
        while b"\r\n\r\n" not in self._buffer:
            self._fill()
        head, _, rest = bytes(self._buffer).partition(b"\r\n\r\n")
        if b" 101 " not in head.split(b"\r\n")[0]:
            raise ConnectionError(head.decode(errors="replace"))
        self._buffer = bytearray(rest)

    def send(self, text: str) -> None:
        """Send one text message."""
        self._send(1, text.encode())

    def receive(self, timeout: float) -> str | bytes | None:
        """The next message, or None when none came in time."""
        end = time.monotonic() + timeout
        kind, parts = 0, []
        while True:
            frame = self._frame()
            if frame is None:
                left = end - time.monotonic()
                if left <= 0 and not parts:
                    return None
                self._socket.settimeout(max(left, 0.05))
                try:
                    self._fill()
                except TimeoutError:
                    continue
                continue
            last, code, data = frame
            if code == 8:
                raise ConnectionError("the server closed the websocket")
            if code == 9:
                self._send(10, data)
                continue
            if code == 10:
                continue
            kind = code or kind
            parts.append(data)
            if last:
                whole = b"".join(parts)
                return whole.decode() if kind == 1 else whole

    def close(self) -> None:
        """Say good-bye and close."""
        with contextlib.suppress(OSError):
            self._send(8, b"")
        self._socket.close()

    def _fill(self) -> None:
        got = self._socket.recv(1 << 18)
        if not got:
            raise ConnectionError("the server closed the connection")
        self._buffer += got

    def _frame(self) -> tuple[bool, int, bytes] | None:
        data = self._buffer
        if len(data) < 2:
            return None
        length, start = data[1] & 127, 2
        if length >= 126:
            size = 2 if length == 126 else 8
            if len(data) < 2 + size:
                return None
            length, start = int.from_bytes(data[2 : 2 + size], "big"), 2 + size
        if len(data) < start + length:
            return None
        frame = bool(data[0] & 128), data[0] & 15, bytes(data[start : start + length])
        del data[: start + length]
        return frame

    def _send(self, code: int, data: bytes) -> None:
        mask, size = os.urandom(4), len(data)
        head = bytes([128 | code])
        if size < 126:
            head += bytes([128 | size])
        elif size < 1 << 16:
            head += bytes([128 | 126]) + struct.pack(">H", size)
        else:
            head += bytes([128 | 127]) + struct.pack(">Q", size)
        self._socket.sendall(head + mask + bytes(byte ^ mask[i % 4] for i, byte in enumerate(data)))
