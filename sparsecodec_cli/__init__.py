"""`sic`: a sparse interpretable audio codec. The public Python API; names are imported when first used.

>>> import sparsecodec_cli as sic
>>> table = sic.encode(audio, 16000)                # float32 [n] or [n, channels] -> EventTable
>>> sic.write(table, open("talk.sic", "wb"))
>>> audio, sample_rate = sic.decode(sic.read(open("talk.sic", "rb")))
"""

from __future__ import annotations

TYPE_CHECKING = False  # as typing has it, which takes time to import
if TYPE_CHECKING:
    from typing import Any

    from sparsecodec_formats.errors import SicError
    from sparsecodec_formats.header import Header
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


def let_tables_ask() -> None:
    """Lets selections and edits of tables, which know no weights, ask for what those tell. Whoever makes tables calls
    it; it is no part of importing this package, which `sic --help` and a Ctrl-C at the start wait for."""
    from importlib import import_module

    from sparsecodec_formats import weights_source

    weights_source.find_has_pitch = lambda table: import_module("sparsecodec_cli.models").has_pitch_for(table)
    weights_source.find_phase_cycles = lambda table: import_module("sparsecodec_cli.models").phase_cycles_for(table)
    weights_source.find_shape_map = lambda header: import_module("sparsecodec_cli.models").shape_map_for(header)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    let_tables_ask()
    value = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(set(globals()) | set(__all__))
