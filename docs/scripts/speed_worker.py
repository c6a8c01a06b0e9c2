"""A codec that docs/scripts/speed.py measures: warm, answering requests, or once, as a command.

    python docs/scripts/speed_worker.py CODEC serve
    python docs/scripts/speed_worker.py CODEC encode IN.wav OUT.pt      # peers, which have no such command of their own
    python docs/scripts/speed_worker.py CODEC decode IN.pt OUT.wav

CODEC is speech, music or reference, in sic's environment, or encodec, snac, dac or mimi, in that of the peers; nothing
of the other one is imported. Peers are built from their published sizes with random weights, which are as fast as
trained ones, and get mono 16-bit WAV files at the rate they code, so that nothing is resampled.

`serve` reads a request a line, in JSON, and answers each with a line:

    {"do": "encode", "audio": "a.wav", "options": {"effort": 0}}      # kept until the next one
    {"do": "decode"}                                                  # what was encoded last
    {"do": "decode", "coded": "a.sic"}                                # sic only: read and decode
"""

from __future__ import annotations

import io
import json
import resource
import sys
import time
import wave
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import numpy as np
import torch
from numpy.typing import NDArray

Audio = NDArray[np.float32]  # [n], full scale 1
SIC = ("speech", "music", "reference")


class Sic:
    """A preset of sic: samples to the bytes of a file, and bytes to samples."""

    def __init__(self, name: str) -> None:
        import sparsecodec_cli
        from sparsecodec_cli import api
        from sparsecodec_models.presets import load_renderer

        self.about = f"sic {sparsecodec_cli.__version__}"
        self._api, self._codec, self._renderer = api, api.load_codec(name), load_renderer(name)

    def encode(self, audio: Audio, rate: int, options: Mapping[str, Any]) -> bytes:
        file = io.BytesIO()
        self._api.write(self._api.encode(audio, rate, model=self._codec, **options), file)
        return file.getvalue()

    def decode(self, coded: bytes) -> int:
        return sum(map(len, self._api.decode_blocks(io.BytesIO(coded), model=self._renderer)))


@dataclass(frozen=True)
class Network:
    """A neural peer: a tensor [1, 1, n] to codes, and codes to a tensor [1, 1, m]."""

    about: str
    rate: int
    of_audio: Callable[[torch.Tensor], Any]
    of_codes: Callable[[Any], torch.Tensor]

    def encode(self, audio: Audio, rate: int, options: Mapping[str, Any]) -> Any:
        if rate != self.rate:
            raise ValueError(f"{self.about} codes {self.rate} Hz, not {rate}")
        return self.of_audio(torch.from_numpy(audio)[None, None])

    def samples(self, codes: Any) -> Audio:
        return self.of_codes(codes)[0, 0].numpy()

    def decode(self, codes: Any) -> int:
        return len(self.samples(codes))


def encodec() -> Network:
    from encodec import EncodecModel

    model = EncodecModel.encodec_model_24khz(pretrained=False)
    model.set_target_bandwidth(1.5)
    return Network(f"encodec {version('encodec')}, 24 kHz, 1.5 kbit/s", 24_000, model.encode, model.decode)


def snac() -> Network:
    from snac import SNAC

    model = SNAC(
        sampling_rate=24_000,
        encoder_dim=48,
        encoder_rates=[2, 4, 8, 8],
        decoder_dim=1024,
        decoder_rates=[8, 8, 4, 2],
        attn_window_size=None,
        codebook_size=4096,
        vq_strides=[4, 2, 1],
    ).eval()
    return Network(f"snac {version('snac')}, 24 kHz, 0.98 kbit/s", 24_000, model.encode, model.decode)


def dac() -> Network:
    from dac import DAC

    model = DAC(encoder_rates=[2, 4, 5, 8], decoder_rates=[8, 5, 4, 2], n_codebooks=32, sample_rate=24_000).eval()
    return Network(
        f"descript-audio-codec {version('descript-audio-codec')}, 24 kHz, 2 of 32 codebooks, 1.5 kbit/s",
        24_000,
        lambda audio: model.encode(model.preprocess(audio, 24_000), n_quantizers=2)[1],
        lambda codes: model.decode(model.quantizer.from_codes(codes)[0]),
    )


def mimi() -> Network:
    from moshi.models.loaders import get_mimi

    model = get_mimi(None, num_codebooks=8)
    return Network(f"moshi's Mimi {version('moshi')}, 24 kHz, 1.1 kbit/s", 24_000, model.encode, model.decode)


NETWORKS = {"encodec": encodec, "snac": snac, "dac": dac, "mimi": mimi}


def network(name: str) -> Network:
    """A peer, built anew."""
    try:
        import torchaudio  # noqa: F401 (encodec and dac read files with it, which is not done here)
    except (ImportError, OSError):  # its wheels want the CUDA that a CPU build of torch does not have
        sys.modules["torchaudio"] = MagicMock()
    torch.manual_seed(0)
    return NETWORKS[name]()


def read_wav(path: str) -> tuple[Audio, int]:
    """Samples of a mono 16-bit WAV file, and their rate in Hz."""
    with wave.open(path) as file:
        if (file.getnchannels(), file.getsampwidth()) != (1, 2):
            raise ValueError(f"{path}: not mono with 16 bits")
        return np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.float32) / 2**15, file.getframerate()


def write_wav(path: str, audio: Audio, rate: int) -> None:
    with wave.open(path, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes((np.clip(audio, -1, 1) * (2**15 - 1)).astype("<i2").tobytes())


def timed(work: Callable[[], Any]) -> tuple[Any, dict[str, float]]:
    wall_s, cpu_s = time.perf_counter(), time.process_time()
    done = work()
    return done, {"wall_s": time.perf_counter() - wall_s, "cpu_s": time.process_time() - cpu_s}


def serve(codec: Sic | Network) -> None:
    """Answers requests until stdin ends."""
    answer(about=codec.about)
    coded: Any = None
    audios: dict[str, tuple[Audio, int]] = {}
    for line in sys.stdin:
        request = json.loads(line)
        if request["do"] == "encode":
            path = request["audio"]
            if path not in audios:
                audios[path] = read_wav(path)
            audio, rate = audios[path]
            coded, times = timed(lambda: codec.encode(audio, rate, request["options"]))  # noqa: B023 (called at once)
        else:
            if "coded" in request:
                coded = Path(request["coded"]).read_bytes()
            _, times = timed(lambda: codec.decode(coded))  # noqa: B023
        peak_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        answer(**times, peak_mb=peak_kib * 1024 / 1e6)


def answer(**values: Any) -> None:
    print(json.dumps(values), flush=True)


def main() -> None:
    torch.set_num_threads(1)
    name, task, *paths = sys.argv[1:]
    with torch.inference_mode(name not in SIC):
        if task == "serve":
            serve(Sic(name) if name in SIC else network(name))
        elif task == "encode":
            codec = network(name)
            torch.save(codec.encode(*read_wav(paths[0]), {}), paths[1])
        else:
            codec = network(name)
            write_wav(paths[1], codec.samples(torch.load(paths[0])), codec.rate)


if __name__ == "__main__":
    main()
