"""`textmill server start`: Prefect, MLflow and a worker, with real processes and real runs."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from playwright.sync_api import Page

from flows.operation.server import start_server
from tasks.runtime.workspace import Workspace
from tests.browser import browser, page  # noqa: F401  # fixtures, found by name
from tests.e2e.workspace import CONFIG, NODES, Textmill, write_base, write_data
from tests.server.services import QUICK, Api, ago, processes_of, wait_for

pytestmark = [pytest.mark.long, pytest.mark.slow, pytest.mark.timeout(600)]

MEMBERS = {
    "flows.operation.supervisor",
    "flows.operation.server_process",
    "flows.operation.worker_process",
    "tasks.runtime.mlflow_server",
}
FLOW = "flows.operation.flow_process"


@pytest.fixture(scope="module")
def textmill(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Textmill]:
    """In a workspace whose server a run had started before `server start` was called."""
    root = tmp_path_factory.mktemp("services") / "shop"
    root.mkdir()
    write_data(root / "data")
    write_base(root / "base")
    (root / "textmill.yaml").write_text(CONFIG)
    textmill = Textmill(root, {"TEXTMILL_LEASES": str(root.parent / "leases")})
    alone = start_server(Workspace(root), started_by="run")
    said = textmill("server", "start").out.splitlines()
    assert said[0] == f"Prefect {alone.url}"
    assert said[1].startswith("MLflow http://127.0.0.1:")
    assert said[2] == "worker waits for runs of corpus-to-model/tiny (work pool shop)"
    assert len(said) == 3
    yield textmill
    textmill("server", "stop", code=None)


@pytest.fixture
def api(textmill: Textmill) -> Api:
    """Of the standing servers, started again if the test before has ended them."""
    return Api(textmill("server", "start", "--json").json["api_url"])


def members(root: Path) -> dict[str, int]:
    return {module: found[0].pid for module, found in processes_of(root).items() if module in MEMBERS}


@pytest.mark.usefixtures("api")
def test_start_is_harmless_twice_and_every_page_answers(textmill: Textmill) -> None:
    before = members(textmill.root)
    assert set(before) == MEMBERS
    report = textmill("server", "start", "--json").json
    assert members(textmill.root) == before
    assert textmill("server", "status", "--json").json == report
    for url in (report["url"], report["mlflow_url"]):
        answer = httpx.get(f"{url}/", follow_redirects=True)
        assert answer.is_success
        assert "<html" in answer.text
    experiments = httpx.post(f"{report['mlflow_url']}/api/2.0/mlflow/experiments/search", json={"max_results": 9})
    assert experiments.is_success
    assert set(processes_of(textmill.root)) == MEMBERS  # none has started more
    memory = sum(found[0].memory_info().rss for found in processes_of(textmill.root).values())
    assert memory < 900e6
    for log in ("services.log", "mlflow-server.log", "prefect-server.log"):
        assert (textmill.root / "logs" / log).read_text() == ""


def test_the_road_and_each_stage_are_deployed(api: Api) -> None:
    deployments = api.deployments()
    stages = {node.partition(".")[0] for node in NODES}
    assert set(deployments) == {"tiny", *(f"tiny-{stage}" for stage in stages)}
    assert deployments["tiny"]["tags"] == ["shop", "road"]
    assert deployments["tiny-pretrain"]["parameters"] == {"only": "pretrain"}
    assert "finetune.adapted" in deployments["tiny"]["parameter_openapi_schema"]["properties"]["until"]["enum"]
    assert api.get("work_pools/shop")["concurrency_limit"] == 1


def test_the_forms_follow_the_config(textmill: Textmill, api: Api) -> None:
    file = textmill.root / "textmill.yaml"

    def names() -> list[str]:
        return list(api.deployments()["tiny"]["parameter_openapi_schema"]["properties"]["until"].get("enum", []))

    assert "finetune.base.s43" not in names()
    file.write_text(CONFIG.replace("finetune:\n", "finetune:\n  seeds: [42, 43]\n"))
    wait_for(lambda: "finetune.base.s43" in names())
    file.write_text("model: {nme: tiny}")
    status = wait_for(
        lambda: said if "textmill.yaml does not hold" in (said := textmill("server", "status").out) else ""
    )
    assert "nme" in status
    assert "tiny" in api.deployments()
    assert "shop" not in api.deployments()
    file.write_text(CONFIG)
    wait_for(lambda: "finetune.base" in names() and "finetune.base.s43" not in names())


def test_runs_of_the_form_the_schedule_and_the_command_line_share_the_cache(textmill: Textmill, api: Api) -> None:
    assert api.ended(api.run("tiny", **QUICK)) == ("Completed", "")
    reused = textmill.run("--until", "ingest.labels")
    assert {node["action"] for node in reused["nodes"]} == {"reused"}

    road = api.deployments()["tiny"]["id"]
    schedule = api.schedule(road, interval=5)
    fired = wait_for(
        lambda: [
            run
            for run in api.runs(deployment_id={"any_": [road]}, state={"type": {"any_": ["COMPLETED"]}})
            if run["auto_scheduled"]
        ]
    )
    assert fired[0]["parameters"] | QUICK == fired[0]["parameters"]
    api.delete(schedule)


@pytest.mark.needs_browser
def test_a_run_is_started_from_the_form_in_the_browser(api: Api, page: Page) -> None:  # noqa: F811  # a fixture
    outside: list[str] = []
    page.on("request", lambda request: outside.append(request.url) if not is_local(request.url) else None)
    road = api.deployments()["tiny"]["id"]
    pages = api.url.removesuffix("/api")
    page.goto(f"{pages}/deployments/deployment/{road}/run")
    page.get_by_text("Stage or node after which to stop.").wait_for()
    fields = [
        text.removesuffix(" (Optional)") for text in page.locator(".schema-form-property__label").all_inner_texts()
    ]
    assert fields == ["Config file", "Overrides", "Start from", "Until", "Force"]
    page.locator(".p-select-button").nth(1).click()
    page.keyboard.press("ArrowDown")
    page.locator(".p-select-option", has_text="ingest.labels").click()
    page.get_by_role("button", name="Submit").click()
    page.get_by_text("scheduled to start").first.wait_for()
    run = api.runs(deployment_id={"any_": [road]})[-1]
    assert run["parameters"]["until"] == "ingest.labels"
    assert api.ended(run["id"])[0] == "Completed"
    page.goto(f"{pages}/runs/flow-run/{run['id']}")
    page.get_by_text("Completed").first.wait_for()
    assert page.get_by_text("Switch to V2 UI").count() == 0  # that edition calls an analytics host
    assert outside == []


def test_a_stage_alone_and_a_mistake_in_the_form(textmill: Textmill, api: Api) -> None:
    assert api.ended(api.run("tiny-ingest"))[0] == "Completed"
    name, message = api.ended(api.run("tiny", overrides=["pretrain.learnig_rate=1"]))
    assert name == "Failed"
    assert "'pretrain.learnig_rate' is no setting" in message
    assert "Did you mean 'pretrain.learning_rate'?" in message
    assert "Traceback" not in (textmill.root / "logs" / "worker.log").read_text()
    refused = httpx.post(
        f"{api.url}/deployments/{api.deployments()['tiny']['id']}/create_flow_run",
        json={"parameters": {"until": "nonsense"}},
    )
    assert refused.status_code == 409
    assert "'nonsense' is not one of" in refused.text


def test_missed_schedules_are_skipped_and_queued_runs_go_one_by_one(textmill: Textmill, api: Api) -> None:
    """50 runs of each kind: what a schedule missed while no worker was there, and what a person has asked for."""
    road = api.deployments()["tiny"]["id"]
    os.kill(members(textmill.root)["flows.operation.worker_process"], signal.SIGSTOP)
    schedule = api.schedule(road, interval=60, anchor_date=ago(hours=5))
    api(
        f"deployments/{road}/schedule",
        start_time=ago(hours=2),
        end_time=ago(minutes=70),
        min_runs=50,
        max_runs=50,
    )
    late = {"any_": [road]}
    missed = [run["id"] for run in api.runs(deployment_id=late, expected_start_time={"before_": ago(minutes=69)})]
    missed = [run for run in missed if api.state(run)[0] in ("Scheduled", "Late")]
    assert len(missed) >= 50
    api.delete(schedule)
    queued = [api.run("tiny", **QUICK) for _ in range(50)]
    os.kill(members(textmill.root)["flows.operation.worker_process"], signal.SIGCONT)

    try:
        wait_for(lambda: all(api.state(run)[0] == "Skipped" for run in missed if known(api, run)))
        most = 0

        def completed() -> int:
            nonlocal most
            most = max(most, len(api.runs(state={"type": {"any_": ["PENDING", "RUNNING"]}})))
            return sum(api.state(run)[0] == "Completed" for run in queued[:3])

        wait_for(lambda: completed() == 3)
        assert most == 1
        assert {api.state(run)[0] for run in queued[10:]} <= {"Scheduled", "Late"}
    finally:
        for run in queued[3:]:
            api.delete(f"flow_runs/{run}")


def is_local(url: str) -> bool:
    return urlsplit(url).hostname in ("127.0.0.1", "localhost", None)


def known(api: Api, run: str) -> bool:
    """Prefect deletes the runs of a schedule that is deleted, where they are still to come."""
    return httpx.get(f"{api.url}/flow_runs/{run}").status_code == 200


def test_cancelling_in_the_ui_ends_the_process_within_seconds(textmill: Textmill, api: Api) -> None:
    run = api.run("tiny", until="pretrain", force=["ingest.corpus"])
    child = wait_for(lambda: processes_of(textmill.root).get("tasks.runtime.child"))[0]
    api(f"flow_runs/{run}/set_state", state={"type": "CANCELLING"})
    wait_for(lambda: not child.is_running(), 15)
    assert api.ended(run, 30)[0] == "Cancelled"


@pytest.mark.parametrize("module", sorted(MEMBERS - {"flows.operation.supervisor"}))
@pytest.mark.usefixtures("api")
def test_what_is_killed_is_started_again(textmill: Textmill, module: str) -> None:
    before, report = members(textmill.root), textmill("server", "status", "--json").json
    os.kill(before[module], signal.SIGKILL)
    wait_for(lambda: members(textmill.root).get(module, before[module]) != before[module])
    wait_for(lambda: textmill("server", "status", "--json").json["running"])
    after = textmill("server", "status", "--json").json
    assert (after["url"], after["mlflow_url"]) == (report["url"], report["mlflow_url"])
    assert {name: pid for name, pid in members(textmill.root).items() if name != module} == {
        name: pid for name, pid in before.items() if name != module
    }


def test_a_killed_worker_s_run_is_crashed_and_the_next_goes_on(textmill: Textmill, api: Api) -> None:
    run = api.run("tiny", until="pretrain", force=["ingest.corpus"])
    wait_for(lambda: processes_of(textmill.root).get("tasks.runtime.child"))
    following = api.run("tiny", **QUICK)
    ended = [process for module in (FLOW, "tasks.runtime.child") for process in processes_of(textmill.root)[module]]
    os.kill(members(textmill.root)["flows.operation.worker_process"], signal.SIGKILL)
    wait_for(lambda: not any(process.is_running() for process in ended), 10)
    assert api.ended(run)[0] == "Crashed"
    assert api.ended(following)[0] == "Completed"


@pytest.mark.usefixtures("api")
def test_nothing_is_left_when_the_supervisor_is_killed_or_all_is_stopped(textmill: Textmill) -> None:
    supervisor = members(textmill.root)["flows.operation.supervisor"]
    os.kill(supervisor, signal.SIGKILL)
    wait_for(lambda: not processes_of(textmill.root), 30)
    assert "No server runs here." in textmill("server", "status").out
    textmill("server", "start")  # what the killed one has left behind is replaced
    assert set(members(textmill.root)) == MEMBERS
    run = Api(textmill("server", "status", "--json").json["api_url"]).run("tiny", until="pretrain", force=["ingest"])
    wait_for(lambda: processes_of(textmill.root).get("tasks.runtime.child"))
    assert textmill("server", "stop").out == "Stopped: Prefect, MLflow, worker.\n"
    assert processes_of(textmill.root) == {}
    assert textmill("server", "stop").out == "No server runs here.\n"
    again = Api(textmill("server", "start", "--json").json["api_url"])
    assert again.ended(run)[0] == "Crashed"


@pytest.mark.usefixtures("api")
def test_a_copy_and_a_second_workspace_have_servers_of_their_own(textmill: Textmill, tmp_path: Path) -> None:
    before = members(textmill.root)
    copy = Textmill(shutil.copytree(textmill.root, tmp_path / "shop", symlinks=True), textmill.environment)
    assert "No server runs here." in copy("server", "status").out
    assert copy("server", "stop").out == "No server runs here.\n"
    assert members(textmill.root) == before
    try:
        report = copy("server", "start", "--json").json
        assert report["url"] != textmill("server", "status", "--json").json["url"]
        assert set(members(copy.root)) == MEMBERS
        assert Api(report["api_url"]).ended(Api(report["api_url"]).run("tiny", **QUICK))[0] == "Completed"
    finally:
        copy("server", "stop")
    assert members(textmill.root) == before


def test_with_servers_of_one_s_own_only_a_worker_is_started(textmill: Textmill, api: Api, tmp_path: Path) -> None:
    report = textmill("server", "status", "--json").json
    copied = shutil.copytree(
        textmill.root, tmp_path / "shop", ignore=shutil.ignore_patterns(".prefect", "server.json", "mlflow*", "logs")
    )
    other = Textmill(
        copied,
        {
            **textmill.environment,
            "PREFECT_API_URL": report["api_url"],
            "MLFLOW_TRACKING_URI": report["mlflow_url"],
        },
    )
    try:
        said = other("server", "start").out.splitlines()
        assert said[0] == f"Prefect {report['api_url']} (PREFECT_API_URL)"
        assert said[1] == f"MLflow {report['mlflow_url']} (MLFLOW_TRACKING_URI)"
        assert set(members(other.root)) == {"flows.operation.supervisor", "flows.operation.worker_process"}
        named = other("server", "status", "--json").json
        assert named["pool"].startswith("shop-")  # the other workspace of that name keeps its own
        assert named["deployment"].startswith("corpus-to-model/tiny-")
        assert not (other.root / "mlflow.db").exists()
        before = members(other.root)
        other("server", "start", "--cron", "0 4 * * *")
        assert members(other.root) == before
        deployed = api.deployments()[named["deployment"].partition("/")[2]]["id"]
        assert [one["schedule"]["cron"] for one in api.get(f"deployments/{deployed}/schedules")] == ["0 4 * * *"]
        run = api.run(named["deployment"].partition("/")[2], **QUICK)
        assert api.ended(run)[0] == "Completed"
    finally:
        assert other("server", "stop").out == "Stopped: worker.\n"
    assert json.loads((textmill.root / ".prefect" / "services.json").read_text())["pid"] == report["pid"]


def test_the_schedule_of_the_command_line(textmill: Textmill, api: Api) -> None:
    road = api.deployments()["tiny"]["id"]

    def schedules(api: Api) -> list[tuple[str, str]]:
        found = [one["schedule"] for one in api.get(f"deployments/{road}/schedules")]
        return sorted((one["cron"], one["timezone"]) for one in found if "cron" in one)

    api.schedule(road, cron="1 1 1 1 *", timezone="UTC")
    before = members(textmill.root)
    said = textmill("server", "start", "--cron", "0 2 * * *", "--timezone", "Europe/Berlin").out
    assert said.splitlines()[-1] == "corpus-to-model/tiny runs at 0 2 * * * (Europe/Berlin)."
    textmill("server", "start", "--cron", "0 3 * * *")
    assert members(textmill.root) == before
    textmill("server", "stop")
    api = Api(textmill("server", "start", "--json").json["api_url"])
    assert schedules(api) == [("0 3 * * *", "UTC"), ("1 1 1 1 *", "UTC")]
    assert textmill("server", "start", "--cron", "off").out.endswith("The schedule of the command line is removed.\n")
    assert schedules(api) == [("1 1 1 1 *", "UTC")]
