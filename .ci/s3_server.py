"""Moto's S3 server on a free port of the loopback interface; writes the port to the file that is named."""

import pathlib
import signal
import sys

from moto.server import ThreadedMotoServer

server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
port = pathlib.Path(sys.argv[1])
part = port.with_suffix(".part")
part.write_text(str(server.get_host_and_port()[1]))
part.rename(port)
signal.pause()
