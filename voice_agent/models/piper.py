"""Piper: TTS model with one fast voice, run by onnxruntime and a phonemiser. No HTTP here."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import phonemizer
import soxr
from kokoro_onnx.tokenizer import Tokenizer

from voice_agent.models.audio import Samples
from voice_agent.models.onnx import Cancellation, open_session, run
from voice_agent.providers.sound import SYNTHESIS_RATE


class Piper:
    def __init__(self, files: Mapping[str, Path], threads: int) -> None:
        self._session = open_session(files["model"], threads)
        config = json.loads(files["config"].read_text())
        self._ids: dict[str, list[int]] = config["phoneme_id_map"]
        self._rate = int(config["audio"]["sample_rate"])
        self._language = config["espeak"]["voice"]
        inference = config["inference"]
        self._noise, self._length, self._width = (inference[key] for key in ("noise_scale", "length_scale", "noise_w"))
        Tokenizer()  # points the phonemiser at the espeak-ng that kokoro-onnx brings

    def clause(self, text: str, voice: str, speed: float, cancellation: Cancellation) -> Iterator[Samples]:
        ids = self._phoneme_ids(text)
        if len(ids) <= 3:  # nothing between the start and end markers
            return
        inputs = {
            "input": np.array([ids], np.int64),
            "input_lengths": np.array([len(ids)], np.int64),
            "scales": np.array([self._noise, self._length / speed, self._width], np.float32),
        }
        audio = np.asarray(run(self._session, inputs, cancellation)[0], np.float32).ravel()
        yield np.asarray(soxr.resample(audio, self._rate, SYNTHESIS_RATE), np.float32)

    def _phoneme_ids(self, text: str) -> list[int]:
        spoken = phonemizer.phonemize(text, self._language, preserve_punctuation=True, with_stress=True, strip=True)
        pad = self._ids["_"]
        ids = [*self._ids["^"], *pad]
        for phoneme in unicodedata.normalize("NFD", spoken):
            if phoneme in self._ids:
                ids += [*self._ids[phoneme], *pad]
        return [*ids, *self._ids["$"]]
