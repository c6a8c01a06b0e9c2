"""`sic`: a sparse interpretable audio codec. The public Python API; names are imported when first used.

>>> import sparsecodec_cli as sic
>>> table = sic.encode(audio, 16000)                # float32 [n] or [n, channels] -> EventTable
>>> sic.write(table, open("talk.sic", "wb"))
>>> audio, sample_rate = sic.decode(sic.read(open("talk.sic", "rb")))
"""

from __future__ import annotations

from sparsecodec_formats import weights_source

TYPE_CHECKING = False  # as typing has it, which takes time to import
if TYPE_CHECKING:
    from typing import Any

    import numpy as np
    from numpy.typing import NDArray

    from sparsecodec_formats.errors import SicError
    from sparsecodec_formats.header import Header
    from sparsecodec_formats.shape_maps import ShapeMap
    from sparsecodec_formats.table import EventTable

    from .api import (
        cat,
        compare,
        decode,
        decode_blocks,
        encode,
        encode_live,
        encode_parts,
        export,
        import_,
        mix,
        morph,
        read,
        read_tags,
        render_report,
        render_stems,
        replace,
        retag,
        salvage,
        segments_of,
        selected,
        similar,
        verify,
        write,
        write_parts,
    )
    from .io.sounds import InputSound

__version__ = "0.1.0"
__all__ = [
    "EventTable",
    "Header",
    "InputSound",
    "SicError",
    "__version__",
    "cat",
    "compare",
    "decode",
    "decode_blocks",
    "encode",
    "encode_live",
    "encode_parts",
    "export",
    "import_",
    "mix",
    "morph",
    "read",
    "read_tags",
    "render_report",
    "render_stems",
    "replace",
    "retag",
    "salvage",
    "segments_of",
    "selected",
    "similar",
    "verify",
    "write",
    "write_parts",
]

# Lazy (PEP 562): `sic --help` must not pay for numpy, nor `sic inspect` for torch.
_HOME = {
    "EventTable": "sparsecodec_formats.table",
    "Header": "sparsecodec_formats.header",
    "InputSound": "sparsecodec_cli.io.sounds",
    "SicError": "sparsecodec_formats.errors",
    **dict.fromkeys(
        [
            "cat",
            "compare",
            "decode",
            "decode_blocks",
            "encode",
            "encode_live",
            "encode_parts",
            "export",
            "import_",
            "mix",
            "morph",
            "read",
            "read_tags",
            "render_report",
            "render_stems",
            "replace",
            "retag",
            "salvage",
            "selected",
            "segments_of",
            "similar",
            "verify",
            "write",
            "write_parts",
        ],
        "sparsecodec_cli.api",
    ),
}


def _has_pitch(table: EventTable) -> NDArray[np.bool_]:
    from .models import codec_for

    return codec_for(table).has_pitch(table)


weights_source.find_has_pitch = _has_pitch  # for selections from tables, which know no weights


def _shape_map(header: Header) -> ShapeMap:
    from .models import shape_map_for

    return shape_map_for(header)


weights_source.find_shape_map = _shape_map  # for edits of tables, which know no weights


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(set(globals()) | set(__all__))
