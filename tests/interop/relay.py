"""A relay before a gateway that looks at what passes."""

import socket
import threading

# What a client of HTTP/2 begins with, and what the head of each frame has.
PREFACE_BYTES = 24
HEAD_BYTES = 9
PING, ACK = 6, 1


class Relay:
    """Passes one connection on, in plain, and counts the pings that come from the client; `with` ends it."""

    def __init__(self, gateway_address: str):
        host, port = gateway_address.rsplit(":", 1)
        self._to = (host, int(port))
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = "127.0.0.1:{}".format(self._listener.getsockname()[1])
        self.pings = 0
        threading.Thread(target=self._serve, daemon=True).start()

    def __enter__(self) -> "Relay":
        return self

    def __exit__(self, *_) -> None:
        self._listener.close()

    def _serve(self) -> None:
        with self._listener.accept()[0] as client, socket.create_connection(self._to) as gateway:
            back = threading.Thread(target=pump, args=(gateway, client), daemon=True)
            back.start()
            # The client's end is the end of both.
            pump(client, gateway, self._look())
            gateway.shutdown(socket.SHUT_RDWR)
            back.join()

    def _look(self):
        """Takes the client's bytes as they come, and finds the pings among its frames."""
        seen = b""
        skip = PREFACE_BYTES
        while True:
            seen += yield
            seen, skip = seen[skip:], max(0, skip - len(seen))
            while len(seen) >= HEAD_BYTES and not skip:
                kind, flags = seen[3], seen[4]
                self.pings += kind == PING and not flags & ACK
                end = HEAD_BYTES + int.from_bytes(seen[:3], "big")
                seen, skip = seen[end:], max(0, end - len(seen))


def pump(source: socket.socket, sink: socket.socket, look=None) -> None:
    """Passes on what comes, until nothing more does."""
    if look:
        next(look)
    try:
        while data := source.recv(65536):
            if look:
                look.send(data)
            sink.sendall(data)
    except OSError:
        # One of them is gone, which is an end as well.
        pass
