from __future__ import annotations

from pathlib import Path

from voice_agent.models.kept_prompt import KeptPrompt


def saved(tmp_path: Path) -> Path:
    (tmp_path / "run").mkdir(exist_ok=True)
    file = tmp_path / "run" / "checks.slot"
    file.write_bytes(b"what was read")
    return file


def test_what_was_read_is_kept_for_its_model_and_its_words(tmp_path: Path) -> None:
    kept = KeptPrompt(tmp_path / "prompts", "a model")
    assert not kept.file_of("instruction").exists()
    kept.keep("instruction", saved(tmp_path))
    assert KeptPrompt(tmp_path / "prompts", "a model").file_of("instruction").read_bytes() == b"what was read"
    assert not kept.file_of("another instruction").exists()
    assert not KeptPrompt(tmp_path / "prompts", "another model").file_of("instruction").exists()


def test_few_files_are_kept(tmp_path: Path) -> None:
    for number in range(9):
        KeptPrompt(tmp_path / "prompts", f"model {number}").keep("instruction", saved(tmp_path))
    assert len(list((tmp_path / "prompts").iterdir())) == 4
    assert KeptPrompt(tmp_path / "prompts", "model 8").file_of("instruction").exists()
