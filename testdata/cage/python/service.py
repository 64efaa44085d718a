import os
import socket

listener = socket.create_server(("127.0.0.1", 9000))
print("python service is up, HOME", os.environ["HOME"], flush=True)
while True:
    connection, _ = listener.accept()
    connection.sendall(b"hello\n")
    connection.close()
