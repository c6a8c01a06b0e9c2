"""Which presets there are: a row for each, and nothing else here knows one by its name or class.

Listing the rows imports no torch; the codec, the renderer and the training that a row names are imported when they are
asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar

from sparsecodec_formats.errors import SicError
from sparsecodec_formats.header import Header
from sparsecodec_formats.presets import LAYOUTS

from .errors import OtherWeights, UnknownModel

if TYPE_CHECKING:
    from .codec import Codec
    from .renderer import Renderer
    from .training.plan import PresetTraining

Made = TypeVar("Made")
WEIGHTS = Path(__file__).parent / "weights"
MAX_KEPT = 8  # codecs, by `kept_codecs`


@dataclass(frozen=True)
class Preset:
    """A preset: what `list_models` tells of it, and where its parts are.

    Attributes:
        name: as in `Header.model` and in weights files.
        description, licence: for people.
        codec_class: "module:class" below this package, a `Codec`.
        renderer_class: the same of a `Renderer` that decodes on the CPU without torch, made from a weights file's
            bytes; None: its codec's renderer does.
        training_class: the same of a `PresetTraining`; None: `Training` does not train this preset.
        weights: the shipped weights file; None: none is shipped, and the codec without a file is untrained.
        untrained_parameters: numbers in the encoder and in the decoder of that codec, which only torch could count.
        training_options: the fields of a `TrainingPlan` that not every preset has, and this one has.
        least_kbps: the bitrate below which little of a recording can be told, kbit/s; 0: not measured.
    """

    name: str
    description: str
    licence: str
    codec_class: str
    renderer_class: str | None = None
    training_class: str | None = None
    weights: Path | None = None
    untrained_parameters: tuple[int, int] = (0, 0)
    training_options: tuple[str, ...] = ()
    least_kbps: float = 0.0

    def codec(self) -> type[Codec]:
        """Its class of codecs; imports torch."""
        codec: type[Codec] = _imported(self.codec_class)
        return codec

    def earlier_weights(self, weights_hash: bytes) -> Path | None:
        """The decoder of weights that were shipped before today's, a small file beside these; None: of no such."""
        if self.weights is None or self.renderer_class is None:
            return None
        path = self.weights.with_name(f"{self.name}-{weights_hash.hex()}.safetensors")
        return path if path.is_file() else None

    def renderer_of(self, data: bytes, device: str) -> Renderer:
        """Its decoder with the weights of a file's bytes; SicError when they are not this preset's."""
        if device != "cpu" or self.renderer_class is None:
            return self.codec().from_bytes(data, device=device).renderer
        renderer: Renderer = _imported(self.renderer_class).from_bytes(data)
        return renderer

    def training(self) -> PresetTraining:
        """How it is trained; imports torch. SicError where it is not one of `trained_presets()`."""
        if self.training_class is None:
            raise SicError(f"preset {self.name!r} is not trained this way; name {' or '.join(trained_presets())}")
        training: PresetTraining = _imported(self.training_class)()
        return training


DEFAULT_PRESET = "speech"  # where no name is given and no sound to choose by
_ROWS = (
    Preset(
        name="speech",
        description="linked events of harmonics, noise and room, phase running on; trained on speech",
        licence="MIT (trained on GPL and BSD recordings: see the model card)",
        codec_class="speech.codec:SpeechCodec",
        renderer_class="speech.renderer:SpeechRenderer",
        training_class="training.speech_task:SpeechTraining",
        weights=WEIGHTS / "speech.safetensors",
        training_options=("seconds", "imitation_steps"),
        least_kbps=0.6,
    ),
    Preset(
        name="music",
        description="every note an event: damped partials, noise, room; trained on rendered notes",
        licence="MIT (trained on notes rendered with an MIT font: see the model card)",
        codec_class="music.codec:MusicCodec",
        renderer_class="music.renderer:MusicRenderer",
        weights=WEIGHTS / "music.safetensors",
        least_kbps=0.2,
    ),
    Preset(
        name="reference",
        description="Vinyard 2025 as published; to be trained",
        licence="MIT",
        codec_class="reference.codec:ReferenceCodec",
        training_class="training.reference_task:ReferenceTraining",
        untrained_parameters=(9_209_377, 5_009_648),
    ),
)
PRESETS: Mapping[str, Preset] = MappingProxyType({row.name: row for row in _ROWS})


def trained_presets() -> list[str]:
    """The names of the presets that a `TrainingPlan` can be of."""
    return [row.name for row in PRESETS.values() if row.training_class is not None]


def presets_with(training_option: str) -> list[str]:
    """The names of the presets that have this field of a `TrainingPlan`."""
    return [row.name for row in PRESETS.values() if training_option in row.training_options]


@dataclass(frozen=True)
class ModelInfo:
    """What is told of a preset. weights_hash: hex digits, or None where no weights are shipped."""

    name: str
    description: str
    sample_rate: int
    parameters: int
    encoder_parameters: int
    decoder_parameters: int
    weights_hash: str | None
    licence: str
    shipped: bool


def shipped_weights(name_or_path: str) -> Path:
    """The weights file of a preset that has one, by its name; anything else is the path of a file."""
    row = PRESETS.get(name_or_path)
    return Path(name_or_path) if row is None or row.weights is None else row.weights


_kept: dict[tuple[str, str, str], Any] | None = None


@contextmanager
def kept_codecs() -> Iterator[None]:
    """Inside, `load_codec` and `load_renderer` give the same object for the same name and device: for programs that
    code many recordings, and leave codecs and weights files as they are."""
    global _kept
    before, _kept = _kept, {} if _kept is None else _kept
    try:
        yield
    finally:
        _kept = before


def _kept_or_made(kind: str, name_or_path: str, device: str, make: Callable[[], Made]) -> Made:
    if _kept is None:
        return make()
    key = kind, name_or_path, device
    if key not in _kept:
        while len(_kept) >= MAX_KEPT:
            del _kept[next(iter(_kept))]
        _kept[key] = make()
    made: Made = _kept[key]
    return made


def load_codec(name_or_path: str = DEFAULT_PRESET, device: str = "cpu") -> Codec:
    """The codec of a preset's name, or of a .safetensors file that training wrote.

    SicError when there is no such preset, or the file cannot be read or is not such weights.
    """

    def load() -> Codec:
        row = PRESETS.get(name_or_path)
        if row is not None and row.weights is None:
            return row.codec().untrained(device=device)
        return _made(name_or_path, lambda row, data: row.codec().from_bytes(data, device=device))

    return _kept_or_made("codec", name_or_path, device, load)


def load_renderer(name_or_path: str = DEFAULT_PRESET, device: str = "cpu") -> Renderer:
    """The decoder alone, as `load_codec`; on the CPU without torch where the preset can."""

    def load() -> Renderer:
        row = PRESETS.get(name_or_path)
        if row is not None and row.weights is None:
            return load_codec(name_or_path, device).renderer
        return _made(name_or_path, lambda row, data: row.renderer_of(data, device))

    return _kept_or_made("renderer", name_or_path, device, load)


def _made(name_or_path: str, make: Callable[[Preset, bytes], Made]) -> Made:
    """What is made of a weights file, given the row of its preset and its bytes; SicError that names the file."""
    path = shipped_weights(name_or_path)
    if name_or_path not in PRESETS and not path.suffix:
        raise UnknownModel(f"there is no model {name_or_path!r}; name {_names()}, or give a .safetensors file")
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UnknownModel(
            f"{path}: weights cannot be read ({error.strerror}); check the name, or name {_names()}"
        ) from error
    from .weights import preset_of

    try:
        return make(PRESETS.get(preset_of(data) or DEFAULT_PRESET, PRESETS[DEFAULT_PRESET]), data)
    except SicError as error:
        raise SicError(f"{path}: {error}") from error


def codec_for(header: Header, device: str = "cpu", model: str | None = None) -> Renderer:
    """The decoder that a file needs; `model`, a path, where its weights are none that were ever shipped.

    A decoder of earlier weights runs on the CPU, whatever the device. SicError when it is not there.
    """
    if model is None and header.model not in PRESETS:
        raise UnknownModel(f"needs model {header.model!r}, which this version of sic does not have; update it")
    earlier = None if model is not None else PRESETS[header.model].earlier_weights(header.weights_hash)
    if earlier is not None:
        return _earlier_renderer(header, earlier)
    renderer = load_renderer(model or header.model, device)
    from .weights import are_those_of

    if renderer.name != header.model or not are_those_of(renderer.weights_hash, header.weights_hash):
        raise OtherWeights(
            f"needs {header.model!r} with weights {header.weights_hash.hex()}, not {renderer.name!r} with"
            f" {renderer.weights_hash.hex()}; give the weights file it was made with"
        )
    return renderer


def _earlier_renderer(header: Header, path: Path) -> Renderer:
    def load() -> Renderer:
        renderer = _made(str(path), lambda row, data: row.renderer_of(data, "cpu"))
        renderer.weights_hash = header.weights_hash  # of the whole file that it is the decoder of
        return renderer

    return _kept_or_made("renderer", str(path), "cpu", load)


def list_models() -> list[ModelInfo]:
    """Every preset of this version."""
    return [_told(row) for row in PRESETS.values()]


def _told(row: Preset) -> ModelInfo:
    if row.weights is None:
        encoder, decoder = row.untrained_parameters
        rate, counts = LAYOUTS[row.name].sample_rate, (encoder + decoder, encoder, decoder)
        return ModelInfo(row.name, row.description, rate, *counts, None, row.licence, False)
    renderer = load_renderer(row.name)
    rate, counts, weights_hash = renderer.model_rate, renderer.parameters(), renderer.weights_hash.hex()
    return ModelInfo(row.name, row.description, rate, *counts, weights_hash, row.licence, True)


def _names() -> str:
    return " or ".join(PRESETS)


def _imported(place: str) -> Any:
    module, name = place.split(":")
    return getattr(import_module(f".{module}", __package__), name)
