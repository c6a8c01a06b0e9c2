"""Exports recordings' events as JSON, CSV, NPZ and Parquet, imports them again, and compares the bytes.

    python docs/scripts/exchange_files.py IN...     # recordings, which are encoded first, or .sic files

Prints a line for each format: files that came back to the byte, bytes of the table for a byte of the .sic, CPU seconds
for a thousand events. Exits with 1 if a file did not come back.
"""

from __future__ import annotations

import io
import sys
import time

import sparsecodec_cli as sic

FORMATS = ("json", "csv", "npz", "parquet")


def sic_bytes(path: str) -> bytes:
    if path.endswith(".sic"):
        with open(path, "rb") as file:
            return file.read()
    out = io.BytesIO()
    sic.write(sic.encode(path, effort=0), out)
    return out.getvalue()


def main() -> int:
    files = [sic_bytes(path) for path in sys.argv[1:]]
    n_events = sum(len(sic.read(io.BytesIO(data))) for data in files)
    print(f"{len(files)} files, {n_events} events, {sum(map(len, files))} bytes")
    n_lost = 0
    for kind in FORMATS:
        n_same = n_bytes = 0
        start_s = time.process_time()
        for data in files:
            table, back = io.BytesIO(), io.BytesIO()
            sic.export(io.BytesIO(data), table, format=kind)
            sic.import_(io.BytesIO(table.getvalue()), back, format=kind)
            n_same += back.getvalue() == data
            n_bytes += len(table.getvalue())
        cpu_s = time.process_time() - start_s
        n_lost += len(files) - n_same
        print(
            f"{kind:8} {n_same} of {len(files)} the same, {n_bytes / sum(map(len, files)):.1f} bytes a byte,"
            f" {1000 * cpu_s / n_events:.3f} s CPU a thousand events out and in"
        )
    return int(n_lost > 0)


if __name__ == "__main__":
    sys.exit(main())
