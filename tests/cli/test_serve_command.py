"""`crossdock serve`: where it listens, that it works, and how it ends."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import urllib.request
from typing import Any

import pytest
from command import Cli
from fake_plugins import Shop

from crossdock.core.model import OrderPage

PATIENCE = 30  # seconds
CODE = "from crossdock.cli import main; main()"


def configure(cli: Cli, section: str) -> None:
    cli.config.write_text(f"{cli.config.read_text()}\n[serve]\n{section}\n")


@pytest.mark.parametrize(("sign", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_it_serves_and_works_until_it_is_stopped_and_gives_its_runs_back(
    selling: Cli, shop: Shop, sign: signal.Signals, code: int
) -> None:
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    reading = threading.Event()

    def without_end(account: Any, cursor: Any) -> OrderPage:
        reading.set()
        return OrderPage(orders=(), cursor={"version": 1}, more=True)

    def stop() -> None:
        if reading.wait(PATIENCE):
            os.kill(os.getpid(), sign)

    shop.answers["fetch_orders"] = without_end
    stopper = threading.Thread(target=stop)
    stopper.start()
    with selling.hub() as hub:
        hub.work.ask("north", "orders")
    result = selling("serve", "--port", "0", code=code)
    stopper.join()
    assert re.match(r"http://127\.0\.0\.1:\d+ answers until Ctrl-C\.\n", result.stdout)
    (run,) = selling.json("runs", "--job", "orders", "--limit", "1")
    assert (run["state"], run["ended_at"]) == ("queued", None)
    assert {number: signal.getsignal(number) for number in before} == before


@pytest.mark.parametrize(("sign", "code", "said"), [(signal.SIGTERM, 0, ""), (signal.SIGINT, 130, "Interrupted.\n")])
def test_a_process_of_its_own_answers_and_ends(cli: Cli, sign: signal.Signals, code: int, said: str) -> None:
    configure(cli, 'bind = "127.0.0.1:0"')
    command = [sys.executable, "-c", CODE, "--config", str(cli.config), "serve"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = process.stdout.readline().split()[0]
        with urllib.request.urlopen(f"{url}/health", timeout=PATIENCE) as answer:
            assert answer.status == 200
        process.send_signal(sign)
        _, errors = process.communicate(timeout=PATIENCE)
    assert (process.returncode, errors) == (code, said)


def test_a_place_that_is_taken_is_said(cli: Cli) -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        complaint = cli.complains("serve", "--port", port)
    assert f"127.0.0.1, port {port}, cannot be listened at: Address already in use. Take another" in complaint


def test_a_wrong_section_is_refused_with_every_fault(cli: Cli) -> None:
    configure(cli, 'bind = "8765"\npublic_url = "feeds.example.com"\ntrusted_proxies = ["10.0.0.1/8"]\nport = 1')
    complaint = cli.complains("serve")
    assert "4 setting(s) are wrong" in complaint
    for field in ("serve.bind", "serve.public_url", "serve.trusted_proxies", "serve.port"):
        assert f"- {field}: " in complaint


def test_without_its_extra_it_says_what_to_install(cli: Cli) -> None:
    code = f"import sys; sys.modules['uvicorn'] = None; {CODE}"
    command = [sys.executable, "-c", code, "--config", str(cli.config), "serve"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert "crossdock serve needs uvicorn. Install it: pip install 'crossdock[serve]'." in done.stderr
