"""A stock serial client: serial_client.py URL BAUD hold

Opens the line with pyserial and says "open", or "refused" if the line is not set so. Then sends
what comes on standard input, without the line's end, and says what it reads, until it is cut.
"""

import os
import sys
import threading

import serial

url, baud = sys.argv[1], int(sys.argv[2])
try:
    line = serial.serial_for_url(url, baudrate=baud, timeout=0.2)
except (serial.SerialException, ValueError) as error:
    print(f"refused {error}", flush=True)
    sys.exit(0)
print("open", flush=True)


def send():
    for text in sys.stdin.buffer:
        line.write(text.rstrip(b"\n"))


threading.Thread(target=send, daemon=True).start()
found = b""
try:
    while True:
        found += line.read(1)
        if found.endswith(b"\n"):
            print(f"read {found.hex()}", flush=True)
            found = b""
except (serial.SerialException, OSError):
    print("cut", flush=True)
    # Without waiting for the thread that waits for more to send.
    os._exit(0)
