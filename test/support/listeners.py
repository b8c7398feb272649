"""Sockets of every kind for tests: `listeners.py serve JSON` listens, `listeners.py try JSON` connects; see listeners.ts."""
import json
import socket
import sys
import threading

KINDS = {"tcp": socket.SOCK_STREAM, "udp": socket.SOCK_DGRAM}


def open_socket(protocol, address):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    return socket.socket(family, KINDS[protocol])


def serve(entries):
    """Answers with what it was sent, or greets; v6only as given."""
    for protocol, address, port, v6only in entries:
        server = open_socket(protocol, address)
        if v6only is not None:
            server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(v6only))
        server.bind((address, port))
        if protocol == "tcp":
            server.listen(64)
        threading.Thread(target=greet if protocol == "tcp" else echo, args=(server,), daemon=True).start()
    print("ready", flush=True)
    sys.stdin.read()  # ends with whoever started it


def greet(server):
    while True:
        client, _ = server.accept()
        client.sendall(b"hello")
        client.close()


def echo(server):
    while True:
        data, peer = server.recvfrom(2048)
        server.sendto(data, peer)


def try_all(attempts):
    """Whether each attempt [protocol, source, destination, port, seconds] gets an answer in time; all at once."""
    results = [False] * len(attempts)

    def attempt(index, protocol, source, destination, port, seconds):
        with open_socket(protocol, destination) as client:
            client.settimeout(seconds)
            client.bind((source, 0))
            try:
                client.connect((destination, port))
                if protocol == "udp":
                    client.send(b"hello")
                results[index] = client.recv(16) == b"hello"
            except OSError:
                results[index] = False

    threads = [threading.Thread(target=attempt, args=(i, *entry)) for i, entry in enumerate(attempts)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(json.dumps(results))


{"serve": serve, "try": try_all}[sys.argv[1]](json.loads(sys.argv[2]))
