"""The peers' environment: a virtual environment under the cache, with every peer at the version that is compared."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

PEERS = (
    "datatrove[io,processing]==0.10.1",
    "datasets==5.2.0",
    "datasketch==2.0.0",
    "gaoya==0.2.2",
    "rensa==0.5.0",
    "spacy==3.8.14",  # datatrove's words and sentences
    "numpy==2.4.4",
    "pyarrow==25.0.0",
    "tokenizers==0.23.3",
)


def python(cache: Path) -> str:
    """The interpreter of the environment, which is made unless it is there."""
    folder = cache / "peers"
    interpreter = folder / "bin" / "python"
    ready = folder / "ready"
    wanted = "\n".join(PEERS)
    if not ready.exists() or ready.read_text() != wanted:
        print(f"setting up {folder} (once): {', '.join(PEERS)}", flush=True)
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        subprocess.run([str(interpreter), "-m", "pip", "install", "--quiet", *PEERS], check=True)
        ready.write_text(wanted)
    return str(interpreter)
