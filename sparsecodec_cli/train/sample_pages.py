"""Pages of samples while a model is in training: recordings that it has not seen, and what it makes of them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from html import escape
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import soundfile
from numpy.typing import NDArray

from sparsecodec_cli import decoding, encoding
from sparsecodec_cli.errors import shown
from sparsecodec_cli.io.audio_writing import format_of, write_audio
from sparsecodec_cli.io.files import open_output
from sparsecodec_formats import container

if TYPE_CHECKING:
    from sparsecodec_models import Codec
    from sparsecodec_models.training.data import TrainingRecording

N_EXCERPTS = 4
MAX_SECONDS = 6.0
MIN_SECONDS = 2.0  # shorter recordings only where there are no others
INDEX = "index.html"
STYLE = "body{font:16px sans-serif;max-width:60em;margin:2em auto;padding:0 1em}audio{width:100%}img{max-width:100%}"

Audio = NDArray[np.float32]


@dataclass(frozen=True)
class Excerpt:
    """name: as the page shows it; audio: float32 [n], mono, at the model's rate."""

    name: str
    audio: Audio


def pick_excerpts(recordings: Sequence[TrainingRecording], sample_rate: int) -> list[Excerpt]:
    """Up to four excerpts from the middle of recordings that lie evenly in the list, 6 s at most each; damaged
    recordings are passed over."""
    from sparsecodec_models.training.data import load

    long = [r for r in recordings if r.seconds >= MIN_SECONDS] or list(recordings)
    indices = np.linspace(0, len(long) - 1, min(N_EXCERPTS, len(long))).round().astype(int)
    excerpts = []
    for recording in (long[i] for i in indices):
        with suppress(soundfile.SoundFileError):
            audio = load(recording, sample_rate, max(0.0, (recording.seconds - MAX_SECONDS) / 2), MAX_SECONDS)
            if len(audio) and np.isfinite(audio).all():
                excerpts.append(Excerpt(recording.path.name, audio))
    return excerpts


def write_page(folder: Path, step: int, facts: str, excerpts: Sequence[Excerpt], codec: Codec) -> None:
    """`folder`/step-…/index.html with sounds and pictures beside it, and `folder`/index.html, which lists all steps.

    facts: losses and validation figures, a line of text.
    """
    page = folder / f"step-{step:06d}"
    page.mkdir(parents=True, exist_ok=True)
    parts = [f"<p>{escape(facts)}</p>"]
    for number, excerpt in enumerate(excerpts, start=1):
        decoded, n_bytes, n_events = _coded(excerpt.audio, codec)
        seconds = len(excerpt.audio) / codec.model_rate
        parts.append(
            f"<h2>{escape(shown(excerpt.name))}</h2>\n"
            f"<p>{seconds:.2f} s, {8e-3 * n_bytes / seconds:.2f} kbit/s, {n_events / seconds:.1f} events a second</p>"
        )
        for what, audio in (("original", excerpt.audio), ("decoded", decoded)):
            name = f"{number}-{what}.flac"
            _write_sound(page / name, audio, codec.model_rate)
            parts.append(f'<p>{what}<br><audio controls preload="none" src="{name}"></audio></p>')
        if find_spec("matplotlib"):
            with open_output(os.fspath(page / f"{number}.png"), force=True) as file:
                from .spectrogram import draw

                draw(file, {"original": excerpt.audio, "decoded": decoded}, codec.model_rate)
            parts.append(f'<p><img src="{number}.png" alt="spectrograms of original and decoded"></p>')
    if not find_spec("matplotlib"):
        parts.append("<p>For spectrograms: pip install 'sparsecodec[train]'</p>")
    parts.append('<p><a href="../index.html">all steps</a></p>')
    _write_html(page / INDEX, f"Step {step}", parts)
    _write_index(folder)


def _coded(audio: Audio, codec: Codec) -> tuple[Audio, int, int]:
    """What comes back from a file of these samples [n], its bytes and its events; the network alone, no search."""
    table = encoding.encode(audio, codec.model_rate, model=codec, effort=0)
    data = container.dumps(table)
    decoded, _ = decoding.decode(container.loads(data), model=codec)
    return decoded[:, 0], len(data), len(table)


def _write_sound(path: Path, audio: Audio, sample_rate: int) -> None:
    name = os.fspath(path)
    audio_format = format_of(name)
    assert audio_format is not None
    with open_output(name, force=True) as file:
        blocks = [audio[:, None]]
        n = len(audio)
        write_audio(file, name, blocks, audio_format=audio_format, sample_rate=sample_rate, channels=1, n_samples=n)


def _write_index(folder: Path) -> None:
    parts = []
    for page in sorted(folder.glob(f"step-*/{INDEX}"), reverse=True):
        name = page.parent.name
        parts.append(
            f'<p><a href="{name}/{INDEX}">step {int(name.removeprefix("step-"))}</a><br>'
            f'<audio controls preload="none" src="{name}/1-decoded.flac"></audio></p>'
        )
    _write_html(folder / INDEX, "Samples by step", parts)


def _write_html(path: Path, title: str, parts: Sequence[str]) -> None:
    text = "\n".join(
        [
            '<!doctype html>\n<html lang="en">\n<meta charset="utf-8">',
            f"<title>{title}</title>\n<style>{STYLE}</style>\n<h1>{title}</h1>",
            *parts,
            "</html>\n",
        ]
    )
    with open_output(os.fspath(path), force=True) as file:
        file.write(text.encode())
