"""Lay the general English texts of the vaderSentiment source distribution into an environment.

    python infra/general_text.py SDIST SITE_PACKAGES SHA256

The texts (four `*_GroundTruth.txt` files, MIT licence, Hutto & Gilbert, ICWSM 2014) lie in an archive inside the
archive and are not part of the wheel. This program runs nothing of the distribution (`pip download`, which fetches it,
does: once the sha256 is found right, its setup.py for the metadata). The texts come to
`SITE_PACKAGES/vaderSentiment/hutto_ICWSM_2014/`. Files that are there already are left alone if they are the same.
"""

from __future__ import annotations

import hashlib
import io
import sys
import tarfile
from pathlib import Path

INNER = "vaderSentiment-3.3.2/additional_resources/hutto_ICWSM_2014.tar.gz"
FOLDER = "hutto_ICWSM_2014"
WANTED = tuple(
    f"{FOLDER}/{name}_GroundTruth.txt"
    for name in ("amazonReviewSnippets", "movieReviewSnippets", "nytEditorialSnippets", "tweets")
)
LIMIT = 16 << 20  # bytes a member may unpack to


def main(sdist: Path, site_packages: Path, sha256: str) -> str:
    """Unpack what is wanted; return an error message, or nothing."""
    content = sdist.read_bytes()
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        return f"{sdist}: sha256 is {found}, expected {sha256}. Delete the file and fetch it again."
    with tarfile.open(fileobj=io.BytesIO(content)) as outer:
        inner = _member(outer, INNER)
    target = site_packages / "vaderSentiment" / FOLDER
    target.mkdir(parents=True, exist_ok=True)
    with tarfile.open(fileobj=io.BytesIO(inner)) as archive:
        for wanted in WANTED:
            text = _member(archive, wanted)
            path = target / Path(wanted).name
            if not path.is_file() or path.read_bytes() != text:
                path.write_bytes(text)
    return ""


def _member(archive: tarfile.TarFile, wanted: str) -> bytes:
    """The bytes of the regular file of that name; paths in the archive never become paths on disk."""
    for member in archive:
        if member.isfile() and member.size <= LIMIT and member.name == wanted:
            file = archive.extractfile(member)
            assert file is not None
            return file.read()
    raise SystemExit("the archive does not hold the texts; expected vaderSentiment 3.3.2.")


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit("usage: python infra/general_text.py SDIST SITE_PACKAGES SHA256")
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]) or 0)
