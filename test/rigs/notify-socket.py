"""The socket that systemd listens on for sd_notify(3): prints every datagram as a line of JSON.

Argument: the path of the socket. Prints "listening" first; ends when standard input closes. File descriptors that come
along (BARRIER=1) are closed once the message is printed, which is what the sender waits for.
"""

import array
import json
import os
import socket
import sys
import threading

listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
listener.bind(sys.argv[1])
print("listening", flush=True)


def end_with_parent():
    sys.stdin.read()
    os._exit(0)


threading.Thread(target=end_with_parent, daemon=True).start()
while True:
    data, ancillary, _, _ = listener.recvmsg(65536, socket.CMSG_SPACE(16 * array.array("i").itemsize))
    print(json.dumps(data.decode()), flush=True)
    for _, _, held in ancillary:
        descriptors = array.array("i")
        descriptors.frombytes(held[: len(held) - len(held) % descriptors.itemsize])
        for descriptor in descriptors:
            os.close(descriptor)
