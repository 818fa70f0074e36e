"""Below a sub-path the API is found beside the dashboard, and nowhere else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx2
import pytest

from tests.api.conftest import SECRET, token
from tests.processes import AppProcess, settings_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.hosts import HostWriter

PREFIX = "/admin/run-manager"


@pytest.fixture(params=["tools/rm", "/tools/rm/"])
def app(request: pytest.FixtureRequest, host: HostWriter, tmp_path: Path) -> Iterator[AppProcess]:
    settings = {"STREAMLIT_SERVER_BASE_URL_PATH": request.param, "RUNMANAGER_JWT_SECRET": SECRET}
    app = AppProcess(tmp_path / "app.log", settings_for(host.url) | settings)
    try:
        app.ready("/tools/rm")
        yield app
    finally:
        app.stop()


def test_the_api_and_its_own_links_follow_the_base_path(app: AppProcess, host: HostWriter) -> None:
    host.add_run("a/b")
    with httpx2.Client(
        base_url=app.url, headers={"Authorization": f"Bearer {token(host.admin.user_id)}"}
    ) as client:

        def answer(path: str) -> Any:
            response = client.get(path)
            assert response.headers["content-type"] == "application/json", response.text[:80]
            return response.json()

        base = f"/tools/rm{PREFIX}"
        assert answer(f"{base}/health") == {"status": "ok", "database": True}
        assert answer(f"{base}/nothing") == {"detail": "Not Found"}
        assert answer(f"{base}/openapi.json")["servers"] == [{"url": base}]
        links = answer(f"{base}/runs/a%2Fb")["links"]
        assert links["logs"] == f"{base}/runs/a%2Fb/logs"
        assert answer(links["checkpoints"])["total"] == 0
        assert answer(base)["detail"] == "Not Found"
        # Outside of the base path there is nothing of ours.
        assert client.get(f"{PREFIX}/health").status_code == 404
        assert client.get("/").status_code == 404
