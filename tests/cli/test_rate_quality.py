"""docs/scripts/rate_quality.py and measure_rates.py: means as the bench takes them, pictures that stay the same."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from cli_support import ENV, ROOT

pytest.importorskip("matplotlib")
SCRIPTS = ROOT / "docs" / "scripts"
PEERS = """codec\tsetting\tkbps\tpayload_kbps\testoi\tpesq_wb\tvisqol\tdistill
codec2\t1200\t1.2\t1.2\t0.72\t1.18\t2.02\t1.59
codec2\t700C\t0.8\t0.7\t0.62\t1.14\t1.28\t1.79
opus\t6k\t8.0\t6.0\t0.87\t1.93\t1.79\t2.44
opus\t6k WB\t8.3\t6.2\t0.73\t1.26\t1.5\t1.49
newcomer\tx\t3.0\t3.0\t0.9\t2.0\t3.0\t3.0
vorbis\tq-1\t29.0\t22.8\t0.96\t2.86\t4.28\t3.96
pcm\tcopy\t353\t353\t1\t4.64\t4.54\t4.25
"""


def result(path: Path, kbps: float, **changes: float) -> Path:
    row = dict(kbps=kbps, estoi=0.8, pesq_wb=1.5, visqol=2.5, distill=2.0, seconds=1.0, rtf_enc=0.5, rtf_dec=0.1)
    path.write_text(json.dumps([row | changes, row | changes | dict(seconds=3.0, kbps=kbps + 0.4, estoi=0.9)]))
    return path


def run(script: str, *args: object, check: bool = True) -> subprocess.CompletedProcess:
    command = [sys.executable, str(SCRIPTS / script), *map(str, args)]
    return subprocess.run(command, env=ENV, capture_output=True, text=True, check=check, timeout=120)


@pytest.fixture
def peers(tmp_path: Path) -> Path:
    (tmp_path / "peers.tsv").write_text(PEERS)
    return tmp_path / "peers.tsv"


def test_table_and_pictures(peers: Path, tmp_path: Path) -> None:
    rates = [result(tmp_path / f"rate-{kbps}.json", kbps) for kbps in (2.4, 1.2)]
    efforts = [result(tmp_path / f"effort-{n}.json", 2.0, rtf_enc=0.1 * 2**n) for n in (9, 0)]
    asks = ["--ask", "rate-1.2:kbps=1.6,estoi=0.86", "--ask", "effort-9:rtf_enc=10"]
    table = run("rate_quality.py", peers, tmp_path / "a", *rates, "--effort", *efforts, *asks).stdout.splitlines()
    assert [row.split()[1] for row in table[2:]] == ["rate-1.2", "rate-2.4", "effort-0", "effort-9"]
    assert table[2].startswith("| rate-1.2 (2 clips) | 1.500 (≤ 1.6) | **0.850 (≥ 0.86)** | 1.500 | 2.500 | 2.000 |")
    assert "**51.200 (≤ 10)**" in table[5]
    run("rate_quality.py", peers, tmp_path / "b", *rates, "--effort", *efforts)
    for name in ("rate-quality.svg", "effort.svg"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    picture = (tmp_path / "a" / "rate-quality.svg").read_text()
    for text in ("ESTOI", "PESQ-WB", "ViSQOL", "DistillMOS", "sic", "Codec2", "Opus WB", "newcomer"):
        assert f">{text}</text>" in picture
    assert "vorbis" not in picture and "pcm" not in picture and "<dc:date>" not in picture


def test_wrong_use(peers: Path, tmp_path: Path) -> None:
    rate = result(tmp_path / "rate.json", 2.4)
    assert "no such row" in run("rate_quality.py", peers, tmp_path, rate, "--ask", "x:estoi=1", check=False).stderr
    assert "loudness" in run("rate_quality.py", peers, tmp_path, rate, "--ask", "rate:loudness=1", check=False).stderr
    assert "effort-3.json" in run("rate_quality.py", peers, tmp_path, rate, "--effort", rate, check=False).stderr


def test_measuring_goes_on_where_it_stopped(tmp_path: Path) -> None:
    bench = tmp_path / "bench.py"
    bench.write_text(
        "import sys\n"
        "name, encode, decode, json, path = sys.argv[1:6]\n"
        "sys.exit('no') if '--effort 9' in encode else open(path, 'w').write(encode)\n"
    )
    out = tmp_path / "out"
    out.mkdir()
    (out / "rate-1.2.json").write_text("there")
    args = ["measure_rates.py", out, "--bench", bench, "--rates", "1.2", "2.4", "--efforts", "0", "9"]
    done = run(*args, check=False)
    assert done.returncode == 1 and "failed: effort-9" in done.stderr
    assert sorted(path.name for path in out.iterdir()) == [
        "effort-0.json", "log.txt", "rate-1.2.json", "rate-2.4.json",
    ]  # fmt: skip
    assert (out / "rate-1.2.json").read_text() == "there"
    assert (out / "rate-2.4.json").read_text() == "sic encode {in} {bit} -q --bitrate 2.4"
    assert (out / "effort-0.json").read_text() == "sic encode {in} {bit} -q --effort 0"
    run(*args, "--efforts", "0", "--effort-rate", "2")
    assert (out / "log.txt").read_text().count("is there already") == 4
