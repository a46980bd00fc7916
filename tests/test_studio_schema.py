"""Requests drawn from the OpenAPI document: whatever is sent, the studio answers with words and never with a fault."""

from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings

from caesura.studio.app import create_app
from caesura.studio.settings import Settings
from studio_cases import recording, restoration, studio, upload

DOCUMENT = create_app(Settings()).openapi()
NEVER = ("/api/session",)  # ending the session would end the test
SCHEMA = schemathesis.openapi.from_dict(DOCUMENT).exclude(path=NEVER[0], method="DELETE")


@pytest.fixture(scope="module")
def client() -> Any:
    """A studio with a sound and a result, whose ids take the place of drawn ones now and then."""
    with studio(weights={"notono": "tiny"}, grace_seconds=0.5, most_seconds=20.0) as opened:
        opened.headers["X-Caesura-Session"] = opened.get("/api/session").json()["id"]
        sound = upload(opened, recording())["id"]
        opened.post("/api/restorations", json=restoration(sound)).raise_for_status()
        opened.sound = sound  # type: ignore[attr-defined]
        yield opened


@SCHEMA.parametrize()
@settings(
    max_examples=6, deadline=None, derandomize=True, phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)  # fmt: skip
def test_no_request_is_a_fault(case: Any, client: Any) -> None:
    if "sound" in (case.path_parameters or {}) and case.method != "DELETE":
        case.path_parameters["sound"] = client.sound
    if isinstance(case.body, dict) and "sound" in case.body:
        case.body["sound"] = client.sound
    request = case.as_transport_kwargs(base_url="http://127.0.0.1")
    request.pop("cookies", None)
    request["headers"] = {
        name: value
        for name, value in request.get("headers", {}).items()
        if name.lower() not in ("cookie", "x-caesura-session", "host")
    }
    if isinstance(request.get("data"), bytes | str):
        request["content"] = request.pop("data")
    answer = client.request(**request)
    assert answer.status_code < 500, (case.method, answer.request.url, answer.text)
    if answer.status_code >= 400:
        assert isinstance(answer.json()["detail"], str)
