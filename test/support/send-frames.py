#!/usr/bin/env python3
"""Puts the frames of a pcap file (little-endian, Ethernet) on a link: send-frames.py LINK FILE."""
import socket
import struct
import sys

SHORTEST = 14  # the kernel sends nothing shorter than an Ethernet header


def main():
    link, path = sys.argv[1:]
    with open(path, "rb") as file:
        data = file.read()
    out = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    out.bind((link, 0))
    offset, sent = 24, 0
    while offset < len(data):
        (length,) = struct.unpack_from("<I", data, offset + 8)
        frame = data[offset + 16 : offset + 16 + length]
        if len(frame) < SHORTEST:
            sys.exit(f"send-frames: frame {sent + 1} has {len(frame)} bytes, a link carries {SHORTEST} or more")
        out.send(frame)
        sent += 1
        offset += 16 + length
    print(f"{sent} frames sent")


main()
