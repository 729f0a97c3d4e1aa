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
def set_clock(tmp_path: Path) -> Callable[[int], None]:
    """`set_clock(-3)`: by so many days the clock is off from now on, in every process that is on."""

    def change(days: int) -> None:
        partial = tmp_path / "clock.partial"
        partial.write_text(f"{days * 86400}\n")
        partial.rename(tmp_path / "clock")

    change(0)
    return change


@pytest.fixture
def faked(road: Road, tmp_path: Path, set_clock: Callable[[int], None]) -> Iterator[Textmill]:  # noqa: ARG001
    source, library = tmp_path / "clock.c", tmp_path / "clock.so"
    source.write_text(SOURCE)
    subprocess.run([str(COMPILER), "-shared", "-fPIC", "-O1", "-o", library, source, "-ldl"], check=True)
    variables = {"LD_PRELOAD": str(library), "CLOCK_OFFSET": str(tmp_path / "clock")}
    textmill = clone(road.textmill, tmp_path / "workspace").with_environment(**variables)
    yield textmill
    textmill("server", "stop")


def test_a_clock_that_jumps(faked: Textmill, set_clock: Callable[[int], None]) -> None:
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


def test_a_schedule_fires_after_the_clock_was_set(faked: Textmill, set_clock: Callable[[int], None]) -> None:
    api = Api(faked("server", "start", "--json").json["api_url"])
    road = api.deployments()["tiny"]["id"]
    schedule = api.schedule(road, interval=20)
    for days in (5, 2):
        before = {run["id"] for run in fired(api, road)}
        wait_for(lambda seen=before: {run["id"] for run in fired(api, road)} - seen, 200)
        set_clock(days)
        now = datetime.now(UTC) + timedelta(days=days)
        run = wait_for(lambda moment=now: [one for one in fired(api, road) if near(one["start_time"], moment)], 240)[0]
        assert run["parameters"]["until"] == QUICK["until"]
    api.delete(schedule)


def fired(api: Api, deployment: str) -> list[dict[str, str]]:
    found = api.runs(deployment_id={"any_": [deployment]}, state={"type": {"any_": ["COMPLETED"]}})
    return [run for run in found if run["auto_scheduled"]]


def near(start: str, moment: datetime) -> bool:
    return abs(datetime.fromisoformat(start) - moment) < timedelta(hours=12)
