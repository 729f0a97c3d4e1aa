"""A clock that jumps by days, forwards and back, while servers stand and runs are on: the work does not depend on it.

A small library, loaded before all others into every process of the workspace, adds what a file says to the time of
day. What the kernel keeps goes on: the time since boot, by which waits are measured, and the times of files.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import Road
from tests.e2e.test_road import REUSED, tracked
from tests.e2e.workspace import Textmill, clone, ran, started, wait_for
from tests.server.services import QUICK, Api

COMPILER = shutil.which("cc")
SOURCE = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static long offset(void) {
    char text[32] = "";
    int file = open(getenv("CLOCK_OFFSET"), O_RDONLY | O_CLOEXEC);
    if (file >= 0) {
        if (read(file, text, sizeof text - 1) < 0) text[0] = 0;
        close(file);
    }
    return atol(text);
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    static int (*real)(clockid_t, struct timespec *);
    if (!real) real = dlsym(RTLD_NEXT, "clock_gettime");
    int failed = real(clock, now);
    if (!failed && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) now->tv_sec += offset();
    return failed;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    struct timespec exact;
    (void)zone;
    int failed = clock_gettime(CLOCK_REALTIME, &exact);
    now->tv_sec = exact.tv_sec;
    now->tv_usec = exact.tv_nsec / 1000;
    return failed;
}

time_t time(time_t *now) {
    struct timespec exact;
    clock_gettime(CLOCK_REALTIME, &exact);
    if (now) *now = exact.tv_sec;
    return exact.tv_sec;
}
"""
pytestmark = [
    pytest.mark.long,
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.skipif(COMPILER is None, reason="no C compiler"),
]


@pytest.fixture
def set_clock(tmp_path: Path) -> Callable[[float], None]:
    """`set_clock(-3)`: by so many days the clock is off from now on, in every process that is on."""

    def change(days: float) -> None:
        partial = tmp_path / "clock.partial"
        partial.write_text(f"{days * 86400:.0f}\n")
        partial.rename(tmp_path / "clock")

    change(0)
    return change


@pytest.fixture
def faked(road: Road, tmp_path: Path, set_clock: Callable[[float], None]) -> Iterator[Textmill]:  # noqa: ARG001  # writes the file
    source, library = tmp_path / "clock.c", tmp_path / "clock.so"
    source.write_text(SOURCE)
    subprocess.run([str(COMPILER), "-shared", "-fPIC", "-O1", "-o", library, source, "-ldl"], check=True)
    variables = {"LD_PRELOAD": str(library), "CLOCK_OFFSET": str(tmp_path / "clock")}
    textmill = clone(road.textmill, tmp_path / "workspace").with_environment(**variables)
    yield textmill
    textmill("server", "stop")


def test_a_clock_that_jumps(faked: Textmill, set_clock: Callable[[float], None]) -> None:
    root = faked.root
    api = Api(faked("server", "start", "--json").json["api_url"])
    runs = {path.name for path in root.glob("runs/*")}
    for days, node in ((5, "ingest.corpus"), (-4, "ingest.labels"), (0, "clean")):
        with started(faked, "run", "--json", "--until", "clean", "--force", node) as process:
            wait_for(lambda name=node: list(root.glob(f"work/{name}/*/out")), 120, process)
            set_clock(days)
            out, err = process.communicate(timeout=300)
        assert process.returncode == 0, err
        report = json.loads(out)
        assert ran(report) == [node]
        assert report["run"] > max(runs), "the newest run has the last id"
        runs.add(report["run"])
        record = json.loads((root / "runs" / report["run"] / "run.json").read_text())
        assert record["status"] == "completed"
        assert f"run {report['run']}" in faked("show").out
        assert faked.plan() == REUSED
        assert "RUNNING" not in tracked(root)
        run = api.run("tiny", **QUICK)
        assert api.ended(run, 120)[0] == "Completed", "the worker goes on"
        runs |= {path.name for path in root.glob("runs/*")}


def test_a_schedule_fires_after_the_clock_was_set(faked: Textmill, set_clock: Callable[[float], None]) -> None:
    """Each day once: also those that were skipped as missed while the clock was wrong."""
    api = Api(faked("server", "start", "--json").json["api_url"])
    road = api.deployments()["tiny"]["id"]
    first = datetime.now(UTC) + timedelta(days=1)
    api.schedule(road, interval=86400, anchor_date=first.isoformat())
    wait_for(lambda: len(waiting(api, road)) >= 3, 120)  # as many as Prefect makes ahead
    for days in (5, 2):
        due = first + timedelta(days=days)
        set_clock((due - datetime.now(UTC)).total_seconds() / 86400 - SOON)
        wait_for(lambda moment=due: "Completed" in states(api, road, moment), 400)
        assert len(states(api, road, due)) == 1
    assert states(api, road, first + timedelta(days=5)) == ["Completed"]


SOON = 120 / 86400
"""Two minutes, in days: a busy machine needs one to start a server again and to plan the runs."""


def states(api: Api, deployment: str, moment: datetime) -> list[str]:
    """Of the runs that a schedule made for a moment."""
    second = timedelta(seconds=1)
    span = {"after_": (moment - second).isoformat(), "before_": (moment + second).isoformat()}
    return [run["state"]["name"] for run in api.runs(deployment_id={"any_": [deployment]}, expected_start_time=span)]


def waiting(api: Api, deployment: str) -> list[Any]:
    return api.runs(deployment_id={"any_": [deployment]}, state={"type": {"any_": ["SCHEDULED"]}})
