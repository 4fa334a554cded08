"""A service under load, on this machine: python -m benchmarks.load MODEL [--clients 200]

It starts the service, lets many clients ask at once, each as soon as it was answered, then sends
further requests one after the other in few connections, and prints errors, times and memory. Linux.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import aiohttp
import numpy as np

# Given away before the first measure, so that what is loaded once is loaded.
WARM = 20


def patient_of(document: dict) -> dict:
    """One patient that fits the model: the middle of every range, each first code."""
    schema = document["components"]["schemas"]["Patient"]
    found = {}
    for name, field in schema["properties"].items():
        if "enum" in field:
            found[name] = field["enum"][0]
        elif "minimum" in field:
            found[name] = (field["minimum"] + field["maximum"]) // 2
    return found


async def ask(session: aiohttp.ClientSession, address: str, body: dict, times: list[float]) -> bool:
    started = time.perf_counter()
    try:
        async with session.post(f"{address}/predict", json=body) as answer:
            right = answer.status == 200 and "patients" in await answer.json()
    except (aiohttp.ClientError, TimeoutError):
        right = False
    times.append(time.perf_counter() - started)
    return right


async def crowd(address: str, body: dict, clients: int, seconds: float) -> tuple[list[float], int]:
    """Answer times, and how many were no answer, of clients who ask again and again."""
    times: list[float] = []
    wrong = 0
    end = time.perf_counter() + seconds
    limits = aiohttp.TCPConnector(limit=0)
    patience = aiohttp.ClientTimeout(total=600)

    async def client(session: aiohttp.ClientSession) -> None:
        nonlocal wrong
        while time.perf_counter() < end:
            wrong += not await ask(session, address, body, times)

    async with aiohttp.ClientSession(connector=limits, timeout=patience) as session:
        await asyncio.gather(*(client(session) for _ in range(clients)))
    return times, wrong


async def many(address: str, body: dict, requests: int, pid: int) -> tuple[list[float], int]:
    """Memory of the service, MB, at each tenth of many requests, and how many failed."""
    memory, wrong = [resident(pid)], 0
    async with aiohttp.ClientSession() as session:
        for _ in range(10):
            waiting = iter(range(requests // 10))

            async def client(waiting: object = waiting) -> int:
                return sum([not await ask(session, address, body, []) for _ in waiting])  # type: ignore[attr-defined]

            wrong += sum(await asyncio.gather(*(client() for _ in range(8))))
            memory.append(resident(pid))
    return memory, wrong


def resident(pid: int) -> float:
    text = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+)", text)[1]) / 1024


async def measure(address: str, pid: int, clients: int, seconds: float, requests: int) -> None:
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{address}/openapi.json") as answer,
    ):
        body = patient_of(await answer.json())
    print(f"one patient: {json.dumps(body)}")
    async with aiohttp.ClientSession() as session:
        alone: list[float] = []
        for _ in range(WARM):
            await ask(session, address, body, alone)
    print(f"alone: median {1000 * np.median(alone):.0f} ms")
    times, wrong = await crowd(address, body, clients, seconds)
    middle, most = np.quantile(times, [0.5, 0.95])
    print(f"{clients} clients, {seconds:g} s: {len(times)} requests, {wrong} errors, "
          f"p50 {1000 * middle:.0f} ms, p95 {1000 * most:.0f} ms")  # fmt: skip
    memory, wrong = await many(address, body, requests, pid)
    print(f"{requests} more: {wrong} errors; memory at each tenth, MB: "
          + " ".join(f"{one:.0f}" for one in memory))  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("--clients", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--requests", type=int, default=100_000)
    given = parser.parse_args()
    environment = {k: v for k, v in os.environ.items() if k != "VENSURV_TOKEN"}
    command = [sys.executable, "-m", "pipelines.serve", "--model", given.model, "--port", "0"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment
    ) as service:
        try:
            address = re.search(r"http://\S+:\d+", service.stdout.readline())[0]
            asyncio.run(measure(address, service.pid, given.clients, given.seconds, given.requests))
        finally:
            service.send_signal(signal.SIGTERM)


if __name__ == "__main__":
    main()
