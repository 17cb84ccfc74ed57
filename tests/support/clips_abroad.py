"""Human speech in other languages with transcripts: sentences of telephone prompts (CC BY-SA), from Debian packages."""

from __future__ import annotations

import gzip
import hashlib
import os
import re
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import av
import numpy as np

from tests.support.clips import Clip
from tests.support.speech import wav

RATE: Final = 16_000
PACKAGES: Final = {
    "es": {
        "asterisk-core-sounds-es": "9afdab7f559f036649fb406e625899306ca1004df8ebe39c30bfbd5912d66f74",
        "asterisk-core-sounds-es-g722": "e4e3b4281057d3b81b779298fd6be705f57411513955c518eed1bcaabbd615b8",
    },
    "fr": {
        "asterisk-core-sounds-fr": "04c82c78c570c43a7136cbc5e2488d0c470b775468dff9fbce4a131b18cf1056",
        "asterisk-core-sounds-fr-g722": "7add61d5e42279ecff1bbdf842a5a946ac3644fac9a0fe44384731aa7270c8e0",
    },
}
"""Language → package → hash of its archive."""
VOICES: Final = {"es": "es_MX_f_Allison", "fr": "fr_CA_f_June"}
SHORTEST, LONGEST = 5, 30
"""Words of a sentence."""


def prompts(language: str, most: int) -> tuple[Clip, ...]:
    """Evenly taken of all sentences without digits or marks. Empty without apt."""
    with tempfile.TemporaryDirectory() as directory:
        where = Path(directory)
        order = ["apt-get", "-qq", "-o", "APT::Sandbox::User=root", "download", *PACKAGES[language]]
        if subprocess.run(order, cwd=where, check=False).returncode:
            if os.geteuid():
                return ()
            subprocess.run(["apt-get", "-qq", "update"], check=True)
            subprocess.run(order, cwd=where, check=True)
        for package, sha256 in PACKAGES[language].items():
            (archive,) = where.glob(f"{package}_*.deb")
            assert hashlib.sha256(archive.read_bytes()).hexdigest() == sha256, package
            subprocess.run(["dpkg-deb", "-x", archive, where / "here"], check=True)
        found = tuple(_sentences(where / "here", language))
        return tuple(_clip(name, said, path) for name, said, path in found[:: max(1, len(found) // most)][:most])


def _sentences(root: Path, language: str) -> Iterator[tuple[str, str, Path]]:
    name = f"core-sounds-{language}"
    listed = gzip.decompress((root / f"usr/share/doc/asterisk-{name}/{name}.txt.gz").read_bytes()).decode()
    for line in listed.splitlines():
        clip, _, said = line.partition(":")
        path = root / f"usr/share/asterisk/sounds/{VOICES[language]}/{clip}.g722"
        if not re.search(r"[\d\[(*#]", said) and SHORTEST <= len(said.split()) <= LONGEST and path.is_file():
            yield clip, said.strip(), path


def _clip(name: str, said: str, path: Path) -> Clip:
    with av.open(str(path), format="g722") as file:
        resampler = av.AudioResampler(format="s16", layout="mono", rate=RATE)
        frames = [part for frame in file.decode(audio=0) for part in resampler.resample(frame)]
    samples = np.concatenate([frame.to_ndarray()[0] for frame in frames]).astype(np.float32) / 32768.0
    return Clip(name, wav(samples, RATE), said)
