"""The page's types are made from the server's OpenAPI document: the two cannot drift apart."""

import json
from pathlib import Path

from caesura.studio.app import create_app
from caesura.studio.settings import Settings

DOCUMENT = Path(__file__).parents[1] / "web" / "openapi.json"


def test_the_page_is_built_from_what_the_server_says() -> None:
    served = create_app(Settings()).openapi()
    kept = json.loads(DOCUMENT.read_text(encoding="utf-8"))
    assert kept == json.loads(json.dumps(served)), "run: python -m caesura.studio.openapi > web/openapi.json; make web"
