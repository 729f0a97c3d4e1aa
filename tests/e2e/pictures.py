"""The pictures of docs/tour.md, taken of the real pages of a workspace whose road has been run.

    python -m tests.e2e.pictures WORKSPACE [FOLDER [key=value …]]

It starts the servers of the workspace and the deployment of the whole road, with `promotion.manual` and the overrides
that are given, unless a run waits for its approval already. What the workspace has no page for (no run that waits, say)
is left out.
"""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

from PIL import Image
from playwright.sync_api import Page, sync_playwright

from tests.browser import CHROMIUM, FLAGS, keep_local
from tests.e2e.workspace import ROOT, bare_environment, wait_for

WIDTH, HEIGHT = 1280, 860
SHOWN = 960
"""Pixels across in the documentation."""
LARGEST = 80_000
FINAL = {"COMPLETED", "FAILED", "CRASHED", "CANCELLED", "PAUSED"}


def textmill(root: Path, *arguments: str) -> str:
    command = [sys.executable, "-P", "-m", "flows", *arguments]
    done = subprocess.run(command, cwd=root, env=bare_environment(), capture_output=True, text=True, check=True)
    return done.stdout


def ask(url: str, body: Any = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    with urlopen(Request(url, data, {"Content-Type": "application/json"}), timeout=30) as answer:
        return json.load(answer)


def road_run(api: str, deployment: dict[str, Any], overrides: list[str]) -> dict[str, Any]:
    """A run of the road that waits for approval, or else the newest, made now."""
    mine = {"deployments": {"id": {"any_": [deployment["id"]]}}}
    waits = ask(f"{api}/flow_runs/filter", mine | {"flow_runs": {"state": {"type": {"any_": ["PAUSED"]}}}})
    if waits:
        return waits[0]
    wanted = {"state": {"type": "SCHEDULED"}, "parameters": {"overrides": ["promotion.manual=true", *overrides]}}
    made = ask(f"{api}/deployments/{deployment['id']}/create_flow_run", wanted)
    return wait_for(lambda: (run := ask(f"{api}/flow_runs/{made['id']}"))["state_type"] in FINAL and run, 1800)


def save(page: Page, file: Path) -> None:
    """Small enough for a repository: scaled down, with as many colours as there is room for."""
    picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    picture = picture.resize((SHOWN, picture.height * SHOWN // picture.width), Image.Resampling.LANCZOS)
    for colours in (256, 128, 64, 32, 16):
        data = io.BytesIO()
        picture.quantize(colours, dither=Image.Dither.NONE).save(data, "PNG", optimize=True)
        if data.tell() <= LARGEST:
            break
    file.write_bytes(data.getvalue())
    print(f"{file.name}: {data.tell() // 1000} kB, {colours} colours")


def main(root: Path, folder: Path, overrides: list[str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    report = Path(textmill(root, "report").split()[-1])
    servers = json.loads(textmill(root, "server", "start", "--json"))
    prefect, mlflow = servers["url"], servers["mlflow_url"]
    name = servers["deployment"].partition("/")[2]
    deployment = ask(f"{servers['api_url']}/deployments/name/{servers['deployment']}")
    run = road_run(servers["api_url"], deployment, overrides)
    aliases = ask(f"{mlflow}/api/2.0/mlflow/registered-models/get?name={name}")["registered_model"]["aliases"]
    version = {one["alias"]: one["version"] for one in aliases}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        context = browser.new_context(viewport={"width": WIDTH, "height": HEIGHT}, color_scheme="light")
        keep_local(context)
        page = context.new_page()

        page.goto((root / report).resolve().as_uri())
        save(page, folder / "report.png")

        page.goto(f"{prefect}/deployments/deployment/{deployment['id']}/run")
        page.get_by_text("Overrides").first.wait_for()
        page.get_by_text("Config file").first.scroll_into_view_if_needed()
        page.wait_for_timeout(1000)
        save(page, folder / "form.png")

        page.goto(f"{prefect}/runs/flow-run/{run['id']}")
        page.get_by_text("Task Runs", exact=True).click()
        page.get_by_text("evaluate").first.wait_for()
        page.wait_for_timeout(3000)  # the graph is drawn by and by
        save(page, folder / "run.png")

        if run["state_type"] == "PAUSED":
            page.get_by_role("button", name="Resume").click()
            page.get_by_text("passed all its gates").wait_for()
            page.wait_for_timeout(500)
            save(page, folder / "approve.png")

        page.goto(f"{mlflow}/#/models/{name}/versions/{version.get('champion', version['challenger'])}")
        page.get_by_text("gate", exact=False).first.wait_for()
        page.wait_for_timeout(1500)
        page.get_by_role("button", name="Close").first.click()  # of MLflow's assistant, which nobody asked for
        page.wait_for_timeout(500)
        save(page, folder / "version.png")
        browser.close()


if __name__ == "__main__":
    given = Path(sys.argv[2]) if len(sys.argv) > 2 else ROOT / "docs" / "pictures"
    main(Path(sys.argv[1]).resolve(), given, sys.argv[3:])
