"""The peer: Locust's own FastHttpUser in a closed loop, users without a pause. Prints requests and CPU seconds as JSON."""

import json
import sys
import time

import gevent
from locust import FastHttpUser
from locust.env import Environment

base_url, users, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])


class Peer(FastHttpUser):
    abstract = True
    host = base_url


def loop(end, served):
    user = Peer(Environment(user_classes=[Peer]))
    while time.perf_counter() < end:
        user.client.get("/api/products", headers={"Authorization": "Bearer t"})
        served.append(1)


done: list[int] = []
began, began_cpu = time.perf_counter(), time.process_time()
gevent.joinall([gevent.spawn(loop, began + seconds, done) for _ in range(users)])
wall, cpu = time.perf_counter() - began, time.process_time() - began_cpu
sys.stdout.write(json.dumps({"requests": len(done), "wall_s": wall, "cpu_s": cpu}) + "\n")
