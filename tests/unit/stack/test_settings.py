"""Settings: precedence of sources, refused values, and correct documentation."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from voice_agent import settings
from voice_agent.contracts import Role
from voice_agent.errors import Code, Permanent
from voice_agent.rooms.workers import WorkerScope
from voice_agent.stack import livekit, settings_view

REPOSITORY = Path(__file__).parents[3]


def load(folder: Path, env_file: str = "", **environment: str) -> settings.Loaded:
    if env_file:
        (folder / settings.ENV_FILE).write_text(env_file)
    return settings.load({"VOICE_HOME": str(folder / "home"), **environment}, folder)


def test_environment_wins_over_file_wins_over_generated_wins_over_default(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / settings.STACK_FILE).write_text("LETTA_API_KEY=generated\nLIVEKIT_API_KEY=generated\n")
    loaded = load(tmp_path, "VOICE_PORT=1111\nVOICE_LETTA_PORT=2222\nLETTA_API_KEY=mine\n", VOICE_PORT="3333")
    found = loaded.settings
    assert (found.port, found.letta_port, found.models_port) == (3333, 2222, 8290)
    assert (found.letta_api_key, found.livekit_api_key) == ("mine", "generated")
    assert loaded.origin["VOICE_PORT"] == "environment"
    assert loaded.origin["VOICE_LETTA_PORT"] == ".env.local line 2"
    assert loaded.origin["LIVEKIT_API_KEY"] == settings.STACK_FILE
    assert loaded.origin["VOICE_MODELS_PORT"] == "default"


@pytest.mark.parametrize(
    ("url", "withheld"),
    [("LETTA_BASE_URL", "letta_api_key"), ("LIVEKIT_URL", "livekit_api_secret"), ("LIVEKIT_URL", "livekit_api_key")],
)
def test_a_generated_secret_is_never_sent_to_somebody_elses_server(tmp_path: Path, url: str, withheld: str) -> None:
    (tmp_path / "home").mkdir()
    generated = "LETTA_API_KEY=ours\nLIVEKIT_API_KEY=ours\nLIVEKIT_API_SECRET=ours\n"
    (tmp_path / "home" / settings.STACK_FILE).write_text(generated)
    assert getattr(load(tmp_path).settings, withheld) == "ours"
    assert getattr(load(tmp_path, **{url: "https://example.org"}).settings, withheld) == ""


def test_an_unknown_name_is_refused_with_the_nearest_one(tmp_path: Path) -> None:
    for arguments in ({"VOICE_LIVEKIT_PROT": "1"}, {"env_file": "VOICE_LIVEKIT_PROT=1\n"}):
        with pytest.raises(Permanent) as refused:
            load(tmp_path, **arguments)
        assert refused.value.code is Code.SETTING_UNKNOWN
        assert "VOICE_LIVEKIT_PORT" in refused.value.remedy


def test_what_kubernetes_puts_into_a_pod_stops_nothing(tmp_path: Path) -> None:
    service = "tcp://10.96.0.7:9000"
    injected = {
        f"{service_name}_{end}": value
        for service_name in ("VOICE_AGENT", "VOICE", "VOICE_WORKER")
        for end, value in {
            "SERVICE_HOST": "10.96.0.7",
            "SERVICE_PORT": "9000",
            "SERVICE_PORT_HTTP": "9000",
            "PORT": service,
            "PORT_9000_TCP": service,
            "PORT_9000_TCP_PROTO": "tcp",
            "PORT_9000_TCP_PORT": "9000",
            "PORT_9000_TCP_ADDR": "10.96.0.7",
        }.items()
    }
    found = load(tmp_path, **injected).settings
    assert (found.port, found.worker_port) == (9000, 8291)
    for name, value in (("VOICE_AGENT_PORT", "9000"), ("VOICE_SERVICE", "x"), ("VOICE_AGENT_PORT_TCP", service)):
        with pytest.raises(Permanent) as refused:
            load(tmp_path, **{name: value})
        assert refused.value.code is Code.SETTING_UNKNOWN
    for where in ({"VOICE_PORT": "tcp:9000"}, {"env_file": f"VOICE_PORT={service}\n"}):
        with pytest.raises(Permanent) as refused:
            load(tmp_path, **where)
        assert refused.value.code is Code.SETTING_INVALID


HTTP_SETTINGS = (
    "LETTA_BASE_URL",
    "OPENAI_BASE_URL",
    "VOICE_LLM_BASE_URL",
    "VOICE_STT_BASE_URL",
    "VOICE_TTS_BASE_URL",
    "VOICE_EMBEDDING_BASE_URL",
)


@pytest.mark.parametrize("name", [*HTTP_SETTINGS, "LIVEKIT_URL", "LIVEKIT_PUBLIC_URL", "VOICE_CORS_ORIGINS"])
@pytest.mark.parametrize(
    "url",
    [
        "localhost:8000/v1",
        "http://localhost:80a0",
        "http://",
        "http://:8000",
        "http://[",
        "http://[::1",
        "http://[zz]:1",
        "http:/localhost",
        "ftp://localhost",
        "http://local host",
        "http://a..b",
        "http://localhost:99999",
        "http://localhost:0",
        "http://localhost:",
        "http://-a.org",
        f"http://{'a' * 64}.org",
    ],
)
def test_a_mistyped_url_is_named_at_once(tmp_path: Path, name: str, url: str) -> None:
    with pytest.raises(Permanent) as refused:
        load(tmp_path, **{name: url})
    assert refused.value.code is Code.SETTING_INVALID
    assert f"{name} (from environment)" in refused.value.message
    assert "Value error" not in refused.value.message


@pytest.mark.parametrize("name", HTTP_SETTINGS)
def test_urls_of_servers_are_taken_as_they_are(tmp_path: Path, name: str) -> None:
    for url in ("http://127.0.0.1:8000/v1", "https://api.example.org/v1/", "http://[::1]:8000", "http://gpu_1:80",
                "https://user:secret@example.org", "https://m\u00fcnchen.example/v1", "HTTP://LOCALHOST"):  # fmt: skip
        assert getattr(load(tmp_path, **{name: url}).settings, settings.names()[name]) == url
    load(tmp_path, LIVEKIT_URL="wss://x.livekit.cloud", LIVEKIT_PUBLIC_URL="https://voice.example.org/livekit")
    load(tmp_path, VOICE_CORS_ORIGINS="https://shop.test, http://localhost:3000")


@pytest.mark.parametrize(
    "url",
    ["voice.db", "postgresql://u:s3cr3t@h/db", "postgresql+asyncpg://u:s3cr3t@h:80a0/db", "mysql://u:s3cr3t@h/db"],
)
def test_a_mistyped_database_is_named_and_its_password_is_not(tmp_path: Path, url: str) -> None:
    with pytest.raises(Permanent) as refused:
        load(tmp_path, VOICE_DATABASE_URL=url)
    assert refused.value.code is Code.SETTING_INVALID
    assert "VOICE_DATABASE_URL" in refused.value.message
    assert "s3cr3t" not in str(refused.value)
    for right in ("sqlite+aiosqlite:////tmp/voice.db", "postgresql+asyncpg://u:p@h:5432/db"):
        load(tmp_path, VOICE_DATABASE_URL=right)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("VOICE_STT_LANGUAGE", "english!"),
        ("VOICE_TTS_PROVIDER", "Open AI"),
        ("VOICE_VAD_PROVIDER", "a.b"),
        ("VOICE_LLM_MODEL", "m" * 201),
        ("VOICE_CORS_ORIGINS", "https://shop.test/path"),
        ("VOICE_CORS_ORIGINS", "*"),
    ],
)
def test_what_no_provider_can_be_is_refused_before_anybody_is_asked(tmp_path: Path, name: str, value: str) -> None:
    with pytest.raises(Permanent, match=name) as refused:
        load(tmp_path, **{name: value})
    assert refused.value.code is Code.SETTING_INVALID


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("VOICE_PORT 9000\n", 1),
        ("# fine\n\n\nVOICE_PORT=1\nVOICE_HOST\n", 5),
        ("VOICE_PORT=1\r\n\r\n  \r\nthis is not a setting\r\n", 4),
        ('VOICE_PORT=1\nVOICE_HOST="never closed\n', 2),
    ],
)
def test_a_malformed_file_is_named_with_its_line(tmp_path: Path, text: str, line: int) -> None:
    with pytest.raises(Permanent) as refused:
        load(tmp_path, text)
    assert refused.value.code is Code.SETTINGS_FILE_MALFORMED
    assert f"{tmp_path / settings.ENV_FILE}, line {line}:" in refused.value.message


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / settings.ENV_FILE).write_bytes(b"VOICE_PORT=\xff\xfe")
    with pytest.raises(Permanent) as refused:
        load(tmp_path)
    assert refused.value.code is Code.SETTINGS_FILE_MALFORMED


@pytest.mark.parametrize("value", ["abc", "-1", "65536"])
def test_an_unusable_value_is_named_with_its_origin(tmp_path: Path, value: str) -> None:
    with pytest.raises(Permanent) as refused:
        load(tmp_path, f"\nVOICE_PORT={value}\n")
    assert refused.value.code is Code.SETTING_INVALID
    assert "VOICE_PORT (from .env.local line 2)" in refused.value.message


def test_a_child_process_sees_what_its_parent_saw(tmp_path: Path) -> None:
    parent = load(
        tmp_path, VOICE_GREETING="no", VOICE_IDLE_TIMEOUT="2.5", OPENAI_API_KEY="k", VOICE_CACHE="~/x"
    ).settings
    assert settings.load(parent.as_environment(), tmp_path).settings == parent


def test_the_folders_are_absolute_wherever_a_process_runs(tmp_path: Path) -> None:
    found = settings.load({"VOICE_HOME": "state", "VOICE_CACHE": "~/cache"}, tmp_path).settings
    assert found.home == Path.cwd() / "state"
    assert found.cache == Path.home() / "cache"


def test_secrets_are_masked_and_everything_is_shown(tmp_path: Path) -> None:
    loaded = load(tmp_path, OPENAI_API_KEY="s3cr3t-one", LIVEKIT_API_SECRET="s3cr3t-two")
    rows = settings_view.rows(loaded)
    assert {row["name"] for row in rows} == set(settings.names())
    assert "s3cr3t" not in json.dumps([row["value"] for row in rows])


def test_the_documentation_is_what_the_code_says() -> None:
    written = (REPOSITORY / "docs" / "settings.md").read_text()
    assert written == settings_view.markdown(), "run: voice-agent settings --markdown > docs/settings.md"


def test_the_template_is_what_the_code_says_and_changes_nothing(tmp_path: Path) -> None:
    written = (REPOSITORY / ".env.example").read_text()
    assert written == settings_view.env_file(), "run: voice-agent settings --env > .env.example"
    taken = re.sub(r"^#(?=[A-Z_]+=)", "", written, flags=re.MULTILINE)
    for template in (written, taken):
        assert load(tmp_path, template).settings == load(tmp_path, "#").settings
    lines = dict(line.split("=", 1) for line in taken.splitlines() if re.match("[A-Z_]+=", line))
    assert lines.keys() == settings.names().keys()
    assert {lines[name] for name in settings.Settings.secret_names()} == {""}
    assert lines["VOICE_PORT"] == "9000"


def test_settings_can_be_written_down_and_read_again() -> None:
    told = settings.Settings()
    assert settings.Settings.model_validate_json(told.model_dump_json(by_alias=True)) == told


def test_a_mistyped_role_of_a_worker_is_named(tmp_path: Path) -> None:
    with pytest.raises(Permanent) as refused:
        load(tmp_path, VOICE_WORKER_ROLES="owner, custmer")
    assert refused.value.code is Code.SETTING_INVALID
    assert "'custmer'" in refused.value.message
    every = ", ".join(Role)
    assert WorkerScope.of(load(tmp_path, VOICE_WORKER_ROLES=every).settings).roles == frozenset(Role)


@pytest.mark.parametrize(
    ("adopt", "url", "adopts"),
    [
        ("auto", "", True),
        ("auto", "wss://livekit.example", False),
        ("on", "wss://livekit.example", True),
        ("off", "", False),
    ],
)
def test_rooms_of_others_are_served_where_livekit_is_ours(tmp_path: Path, adopt: str, url: str, adopts: bool) -> None:
    found = load(tmp_path, VOICE_ADOPT_ROOMS=adopt, LIVEKIT_URL=url).settings
    assert found.adopts_rooms is adopts
    assert json.loads(livekit.configuration(found))["room"] == {"auto_create": adopts}
