"""`crossdock plan`, `run`, `work`, `status`, `runs`, `events`, `schedule` and `status-map`."""

from __future__ import annotations

import os
import re
import signal
import sys
import threading
from dataclasses import replace
from typing import Any

import pytest
from command import Cli, page, proposal
from fake_plugins import Shop, install

from crossdock.core.errors import AuthError, Unavailable
from crossdock.core.model import OrderPage, Result
from crossdock.core.store import runs
from crossdock.jobs.registry import JOBS

# --- plan and run ----------------------------------------------------------------------------------------------------


def test_a_plan_sends_nothing(selling: Cli, shop: Shop) -> None:
    plan = selling.json("plan", "north", "stock")
    assert (plan["offers"], plan["changing"], plan["same"], plan["not_counted"]) == (1, 1, 0, [])
    assert plan["changes"] == [{"offer": 1, "sku": "SHIRT", "market": "PL", "scope": "", "before": None, "after": 4}]
    assert "sku\tmarket\tscope\tbefore\tafter\nSHIRT\tPL\t\t\t4\n" in selling("plan", "north", "stock").stdout
    assert [verb for verb, _ in shop.calls if verb == "push_stock"] == []


@pytest.mark.parametrize(
    ("line", "code", "words"),
    [
        ("plan north orders", 3, "The job orders has no plan."),
        (
            "plan north stcok",
            2,
            "Jobs are: accept, feed, offers, orders, resolve, statuses, stock.",
        ),
        ("plan south stock", 2, "no account 'south'"),
        ("run north stcok", 2, "There is no job 'stcok'."),
        ("run south stock", 2, "no account 'south'"),
    ],
)
def test_what_cannot_be_planned_or_run_is_said(selling: Cli, line: str, code: int, words: str) -> None:
    assert words in selling.complains(*line.split(), code=code)


def test_help_names_every_job(cli: Cli) -> None:
    (named,) = re.findall(r"Jobs: (.*?)\.", " ".join(cli("run", "--help").stdout.split()))
    assert set(named.split(", ")) == set(JOBS)


def test_a_run_says_what_it_did(selling: Cli) -> None:
    assert selling("run", "north", "stock").stdout.endswith("(stock of north) is done: 1 seen, 1 changed.\n")
    document = selling.json("run", "north", "stock")
    assert (document["state"], document["asked_by"], document["events"]) == ("done", "person", [])


def test_guards_hold_a_push_until_it_is_forced(selling: Cli) -> None:
    selling("run", "north", "stock")
    selling("account", "set", "north", "--option", "guard_from=1")
    selling("stock", "adjust", "SHIRT", "-4")
    assert selling.json("plan", "north", "stock")["objections"] != []
    result = selling("run", "north", "stock", code=9)
    assert "would go to zero" in result.stderr
    assert "--force" in result.stderr
    assert "is done" in selling("run", "north", "stock", "--force").stdout
    assert selling.json("offers", "list", "north")[0]["stock"] == 0


def test_a_job_that_is_not_allowed_says_what_to_do(north: Cli) -> None:
    result = north("run", "north", "orders", code=2)
    assert result.stdout == "Run 1 (orders of north) failed.\n"
    assert "Run `crossdock account enable north orders` first." in result.stderr


def test_a_run_that_is_put_off_says_so(selling: Cli, shop: Shop) -> None:
    shop.answers["fetch_orders"] = Unavailable("No answer.", retry_after=90)
    result = selling("run", "north", "orders", code=5)
    assert result.stdout.endswith("(orders of north) is put off.\n")
    assert "Attempt 1 of 8; the next one in 90 s." in result.stderr


def test_a_run_that_is_cancelled_says_so(selling: Cli, shop: Shop) -> None:
    def cancel_it(account: Any, cursor: Any) -> OrderPage:
        number = selling.json("runs", "--job", "orders")[0]["id"]
        assert selling("runs", "cancel", number).stdout == f"Run {number} stops soon.\n"
        return OrderPage(orders=(), cursor={"page": 2}, more=True)

    shop.answers["fetch_orders"] = cancel_it
    assert "is cancelled" in selling("run", "north", "orders", code=12).stdout


# --- work ------------------------------------------------------------------------------------------------------------


def test_work_runs_what_is_due(selling: Cli) -> None:
    result = selling("work", "--until-idle")
    assert "(stock of north) is done: 1 seen, 1 changed.\n" in result.stdout
    assert result.stdout.endswith(" run(s).\n")
    assert selling("work", "--until-idle").stdout == "0 run(s).\n"


def test_work_tells_what_failed(selling: Cli, shop: Shop) -> None:
    shop.answers["push_stock"] = lambda account, levels: ()
    result = selling("work", "--until-idle")
    assert "(stock of north) failed" in result.stdout
    assert "push_stock answered with results that do not match" in result.stderr
    assert "failed" in selling("status", code=1).stderr


@pytest.mark.parametrize(("sign", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_work_goes_on_until_it_is_stopped(selling: Cli, shop: Shop, sign: signal.Signals, code: int) -> None:
    before = signal.getsignal(signal.SIGTERM)
    done = threading.Event()

    def taken(account: Any, levels: Any) -> tuple[Result, ...]:
        done.set()
        return tuple(Result(item=level.offer.id, warehouse=level.warehouse, accepted=True) for level in levels)

    def stop() -> None:
        if done.wait(30):
            os.kill(os.getpid(), sign)

    shop.answers["push_stock"] = taken
    stopper = threading.Thread(target=stop)
    stopper.start()
    result = selling("work", code=code)
    stopper.join()
    assert "Working; Ctrl-C stops." in result.stderr
    assert signal.getsignal(signal.SIGTERM) is before


def test_extensions_hear_of_every_run_that_ends(selling: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    source = (
        "from crossdock.plugin import hookimpl\n\nHEARD = []\n\n\n"
        "@hookimpl\ndef run_finished(run_id, account_id, job, state):\n    HEARD.append((job, state))\n"
    )
    module = install(
        selling.folder, monkeypatch, source, name="ears", group="crossdock.extensions", distribution="example-ears"
    )
    text = selling.config.read_text()
    selling.config.write_text(text.replace("extensions = []", 'extensions = ["ears"]'))
    selling("run", "north", "statuses")
    selling("work", "--until-idle")
    heard = sys.modules[module].HEARD
    assert heard[0] == ("statuses", "done")
    assert ("stock", "done") in heard


# --- watching --------------------------------------------------------------------------------------------------------


def test_a_healthy_installation_says_so(selling: Cli) -> None:
    result = selling("status")
    assert result.stdout.startswith("All is well.\naccount\tjob\tlast_success")
    assert result.stderr == ""
    document = selling.json("status")
    assert (document["healthy"], document["levels"]) == (True, {"north": {"pending": 1}})
    job = next(job for job in document["jobs"] if job["job"] == "orders")
    assert (job["account"], job["last_state"], job["late"]) == ("north", "done", False)


def test_what_needs_a_person_is_said_with_what_to_do(selling: Cli, shop: Shop) -> None:
    shop.answers["fetch_orders"] = page(proposal(1), proposal(2, status="odd"))
    selling("run", "north", "orders")
    shop.answers["map_status"] = AuthError("The token is wrong.")
    selling("run", "north", "statuses", code=4)
    result = selling("status", code=1)
    assert result.stdout.startswith("Somebody has to look.\n")
    assert "crossdock account resume north" in result.stderr
    assert "1 order(s) of north wait for you: crossdock orders list --parked --account north" in result.stderr
    assert "The job statuses of north failed: crossdock events --account north" in result.stderr
    document = selling.json("status", code=1)
    assert (document["healthy"], document["parked"]) == (False, {"north": 1})
    assert "The token is wrong." in document["stopped"]["north"]


def test_what_was_sold_without_stock_needs_a_person(selling: Cli, shop: Shop) -> None:
    shop.answers["fetch_orders"] = page(replace(proposal(3, quantity=1000), proposal=False))
    selling("run", "north", "orders")
    result = selling("status", code=1)
    assert "1 sold line(s) of north are not in stock" in result.stderr
    assert selling.json("status", code=1)["short"] == {"north": 1}


def test_a_job_that_is_late_is_said(selling: Cli) -> None:
    selling("schedule", "set", "north", "orders", "--every", "1s")
    with selling.hub() as hub, hub.store.write() as tx:
        (done,) = [run for run in runs.list(tx) if run.job == "orders" and run.state == "done"]
        runs._set(tx, done.id, ended_at=done.ended_at.replace(year=2020))
    assert "The job orders of north is late: is crossdock work running?" in selling("status", code=1).stderr


def test_runs_are_listed_and_shown(selling: Cli) -> None:
    rows = selling.table("runs")
    assert [row["job"] for row in rows if row["state"] == "done"] == ["orders", "offers"]
    assert {row["job"] for row in selling.json("runs", "--job", "offers", "--account", "north")} == {"offers"}
    assert len(selling.json("runs", "--limit", 1)) == 1
    assert selling.json("runs", "show", rows[-1]["id"])["events"] == []
    assert "There is no run 99." in selling.complains("runs", "show", 99)
    assert "no account 'south'" in selling.complains("runs", "--account", "south")


def test_a_run_that_waits_is_cancelled_at_once(selling: Cli) -> None:
    (waits,) = [run for run in selling.json("runs") if run["state"] == "queued"]
    assert (
        selling("runs", "cancel", waits["id"]).stdout == f"Run {waits['id']} ({waits['job']} of north) is cancelled.\n"
    )
    assert selling.json("runs", "show", waits["id"])["state"] == "cancelled"
    assert "There is no run 99." in selling.complains("runs", "cancel", 99)


def test_events_are_found(selling: Cli, shop: Shop) -> None:
    shop.answers["map_status"] = AuthError("The token is wrong.")
    selling("run", "north", "statuses", code=4)
    (event,) = selling.json("events", "--level", "error", "--account", "north")
    assert (event["code"], event["account"], event["detail"]["verb"]) == ("auth_error", "north", "map_status")
    assert selling.json("events", "--run", event["run"]) == [event]
    assert selling.json("events", "--level", "info") == []
    (row,) = selling.table("events")
    assert row["advice"].startswith("Enter the account's credentials again")
    assert "There is no level 'eror'. Here are: info, warning, error." in selling.complains("events", "--level", "eror")


# --- schedules -------------------------------------------------------------------------------------------------------


def test_a_schedule_is_set_listed_and_removed(selling: Cli) -> None:
    assert (
        "The job stock of north runs next at " in selling("schedule", "set", "north", "stock", "--every", "2h").stdout
    )
    cron = ("--cron", "30 2 * * *", "--time-zone", "Europe/Warsaw")
    assert selling.json("schedule", "set", "north", "offers", *cron)["time_zone"] == "Europe/Warsaw"
    rows = {row["job"]: row for row in selling.json("schedule", "list", "north")}
    assert (rows["stock"]["every_seconds"], rows["offers"]["cron"]) == (7200, "30 2 * * *")
    assert selling("schedule", "remove", "north", "stock").stdout.endswith("by itself no more.\n")
    assert "stock" not in {row["job"] for row in selling.table("schedule", "list")}


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (["set", "north", "stock"], "either a number of seconds or a cron line"),
        (
            ["set", "north", "stock", "--every", "5m", "--cron", "* * * * *"],
            "either a number of seconds or a cron line",
        ),
        (["set", "north", "stock", "--every", "5"], "write 30s, 5m, 3h or 1d"),
        (["set", "north", "stock", "--every", "90d"], "is no rhythm"),
        (["set", "north", "stock", "--cron", "never"], "has not five fields"),
        (["set", "north", "stock", "--cron", "0 0 * * *", "--time-zone", "Mars"], "no time zone 'Mars'"),
        (["set", "north", "stcok", "--every", "5m"], "There is no job 'stcok'"),
        (["set", "south", "stock", "--every", "5m"], "no account 'south'"),
        (["remove", "north", "stock"], "has no schedule"),
        (["list", "south"], "no account 'south'"),
    ],
)
def test_a_schedule_that_cannot_be_is_said(north: Cli, line: list[str], words: str) -> None:
    assert words in north.complains("schedule", *line)


# --- statuses --------------------------------------------------------------------------------------------------------


def test_statuses_are_listed_mapped_and_forgotten(selling: Cli, shop: Shop) -> None:
    shop.answers["fetch_orders"] = page(proposal(2, status="odd"))
    selling("run", "north", "orders")
    assert selling.json("orders", "list", "--parked")[0]["parked"] == "unknown_status"
    table = selling.json("status-map", "list", "north")
    assert {"code": "odd", "label": "Odd", "meaning": None, "settable": False} in table["platform"]
    assert {"name": "Confirmed", "meaning": "confirmed", "colour": "#12b5cb"} in table["own"]
    assert selling("status-map", "set", "north", "in", "odd", "Confirmed").stdout == "north: odd is Confirmed.\n"
    assert "Packed is told as sent" in selling("status-map", "set", "north", "out", "sent", "Packed").stdout
    assert selling.json("status-map", "list", "north")["maps"] == [
        {"direction": "in", "code": "odd", "status": "Confirmed"},
        {"direction": "out", "code": "sent", "status": "Packed"},
    ]
    selling("orders", "unpark", 2)
    selling("status-map", "remove", "north", "in", "odd")
    assert len(selling.json("status-map", "list", "north")["maps"]) == 1


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("set north in odd Nonsense", "no status 'Nonsense'"),
        ("set north sideways odd New", "There is no direction 'sideways'. Say in (from the platform) or out."),
        ("set north out odd New", "cannot be set there"),
        ("set south in odd New", "no account 'south'"),
        ("remove north in odd", "nothing is said of status 'odd'"),
        ("remove north sideways odd", "There is no direction"),
        ("list south", "no account 'south'"),
    ],
)
def test_a_map_that_cannot_be_is_said(selling: Cli, line: str, words: str) -> None:
    assert words in selling.complains("status-map", *line.split())
    assert selling.json("status-map", "list", "north")["maps"] == []
