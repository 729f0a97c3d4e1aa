"""From a corpus to memory-mapped ids and packed rows. Every document ends in `ids`, or is counted as left out."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from pipeline_config.packing import Mixture, PackConfig
from tasks.corpus.document import BATCH_BYTES, iter_documents, read_documents
from tasks.packing.exact_cuts import exact_cuts
from tasks.packing.memo import Memo, encode_plainly
from tasks.packing.mixture import copies as copies_of
from tasks.packing.mixture import hashed
from tasks.packing.rows import cut_windows, pack_rows
from tasks.runtime.artifact import Corpus, Tokenizer
from tasks.runtime.errors import RefusedInput, StageFailed
from tasks.runtime.stage import Context
from tasks.training.packed import Facts, Packed, save_packed

_FRAME = 2  # [CLS] and [SEP]
_CHECKED = 64  # texts of a batch that are encoded both ways,
_CHECKED_BATCHES = 32  # in one of so many batches (of a megabyte)


def pack_corpus(ctx: Context, config: PackConfig, corpus: Corpus, tokenizer: Tokenizer) -> dict[str, Any]:
    """Write the files of `tasks.training.packed` into `ctx.out`; return the metrics."""
    fast, facts = _tokenizer(tokenizer.path / "tokenizer", config)
    folder = corpus.path / "documents"
    index = read_documents(folder, ["id", "source"])
    ids = np.frombuffer(b"".join(index["id"].to_pylist()), dtype=np.uint8).reshape(-1, 16)
    names, codes = np.unique(np.array(index["source"].to_pylist(), dtype=object), return_inverse=True)
    unknown = sorted(set(config.max_documents) - set(names))
    if unknown:
        raise RefusedInput(
            f"pack.max_documents.{unknown[0]}: the corpus has no source {unknown[0]!r}; expected one of "
            f"{', '.join(names)}."
        )
    ledger = _kept(corpus.path / "ledger.parquet")
    assert ledger["id"].equals(index["id"]), "the ledger of another corpus"
    chosen = _sample(ids, codes, {code: config.max_documents.get(name) for code, name in enumerate(names)}, config.seed)
    component = np.frombuffer(b"".join(ledger["component"].to_pylist()), dtype=np.uint8).reshape(-1, 16)
    apart = _apart(ids, component, config.heldout_fraction)
    copies = np.ones(len(ids), np.int64)
    if config.mixture is not None:
        groups = np.array(
            ledger["language"].to_pylist() if config.mixture.by == "language" else index["source"].to_pylist()
        )
        copies = _copies(config.mixture, config.seed, ids, groups, _sizes(folder), chosen & ~apart)
        chosen &= apart | (copies > 0)
    ids, codes, apart, copies = ids[chosen], codes[chosen], apart[chosen], copies[chosen]
    offsets = _tokenise(ctx, fast, folder, chosen, np.dtype(np.uint16 if facts.vocab_size < 65536 else np.uint32))
    heldout = _held_out(ids, apart, np.diff(offsets) > 0)

    copies = np.where(heldout, 1, copies)

    windows, rows, count = [], [], 0
    for split in (0, 1):
        for code in range(len(names)):
            members = np.flatnonzero((codes == code) & (heldout == bool(split)))
            for before in range(int(copies[members].max(initial=0))):  # so no row holds a document twice
                again = members[copies[members] > before]
                cut = cut_windows(offsets, again, config.max_seq_length - _FRAME)
                row = pack_rows(cut[:, 1] + _FRAME, config.max_seq_length)
                windows.append(np.column_stack([cut, row + count])[np.argsort(row, kind="stable")])
                made = int(row.max(initial=-1)) + 1
                rows += [(code, split)] * made
                count += made
    facts = Facts(**{**facts.__dict__, "sources": tuple(names)})
    packed = Packed(
        facts=facts,
        ids=np.zeros(0, np.uint16),  # written already
        offsets=offsets,
        documents=ids,
        sources=codes.astype(np.int32),
        heldout=heldout,
        copies=copies.astype(np.int32),
        windows=np.concatenate(windows),
        rows=np.array(rows, dtype=np.int32).reshape(-1, 2),
    )
    save_packed(packed, ctx.out)
    return _metrics(packed, documents_in=len(chosen))


def _tokenizer(folder: Path, config: PackConfig) -> tuple[Any, Facts]:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    special = {name: getattr(tokenizer, f"{name}_token_id") for name in ("pad", "cls", "sep", "mask")}
    missing = [name for name, value in special.items() if value is None]
    if missing or not tokenizer.is_fast:
        lack = f"has no {missing[0]} token" if missing else "is no fast tokenizer (no tokenizer.json)"
        raise RefusedInput(
            f"the tokenizer {lack}; expected one of an encoder with masked language modelling (such as BERT's). "
            "Choose another model.base, or train one: tokenizer.vocabulary.kind=train."
        )
    fast = tokenizer.backend_tokenizer
    fast.no_truncation()  # a saved tokenizer may cut every text at 128 tokens
    fast.no_padding()
    fast.encode_special_tokens = True  # a document that says "[SEP]" means the word
    facts = Facts(
        sources=(),
        max_seq_length=config.max_seq_length,
        vocab_size=len(tokenizer),
        special_token_ids=tuple(sorted(tokenizer.all_special_ids)),
        **{f"{name}_token_id": value for name, value in special.items()},
    )
    return fast, facts


def _sample(
    ids: NDArray[np.uint8], codes: NDArray[np.integer], limits: dict[int, int | None], seed: int
) -> NDArray[np.bool_]:
    """Of each source the documents with the smallest hash of (seed, id), as many as its limit allows."""
    chosen = np.ones(len(ids), dtype=bool)
    for code, limit in limits.items():
        members = np.flatnonzero(codes == code)
        if limit is not None and len(members) > limit:
            keys = hashed(ids[members], f"sample {seed}")
            chosen[members[np.argsort(keys, kind="stable")[limit:]]] = False
    return chosen


def _kept(ledger: Path) -> pa.Table:
    """Id, language and component of the kept documents, in order of id."""
    return pq.read_table(ledger, columns=["id", "language", "component"], filters=pc.field("decision") == "kept")


def _sizes(folder: Path) -> NDArray[np.int64]:
    """UTF-8 bytes of each document. (N,)"""
    parts = [pc.binary_length(batch["text"]) for batch in iter_documents(folder, ["text"])]
    return np.concatenate([np.zeros(0, np.int64), *(part.to_numpy(zero_copy_only=False) for part in parts)])


def _copies(
    mixture: Mixture,
    seed: int,
    ids: NDArray[np.uint8],
    groups: NDArray[Any],
    sizes: NDArray[np.int64],
    learnt: NDArray[np.bool_],
) -> NDArray[np.int64]:
    """How often each document is read: 0 for those that are not `learnt`.

    Raises:
        RefusedInput: a weight is of a group that has no document, or nothing is left.
    """
    names, codes = np.unique(groups[learnt].astype(str), return_inverse=True)
    unknown = sorted(set(mixture.weights) - set(names.tolist()))
    if unknown:
        raise RefusedInput(
            f"pack.mixture.weights.{unknown[0]}: no document to learn from has the {mixture.by} {unknown[0]!r}; "
            f"expected some of {', '.join(names)}."
        )
    weights = np.array([mixture.weights.get(name, 1.0) for name in names.tolist()])
    result = np.zeros(len(ids), np.int64)
    keys = hashed(ids[learnt], f"mixture {seed}")
    result[learnt] = copies_of(sizes[learnt], codes, weights, mixture.temperature, keys)
    return result


def _apart(ids: NDArray[np.uint8], component: NDArray[np.uint8], fraction: float) -> NDArray[np.bool_]:
    """What is to be held out, by a hash of the component (its lowest id): so a document stays on its side whatever
    joins the corpus, unless that hangs together with it.

    A component of more than half of the documents that are to be held out is for training.
    """
    _, inverse, counts = np.unique(component, axis=0, return_inverse=True, return_counts=True)
    small = counts[inverse.reshape(-1)] <= max(1.0, fraction * len(ids) / 2)
    return small & (hashed(component, "held out") < fraction * 2.0**64)


def _held_out(ids: NDArray[np.uint8], apart: NDArray[np.bool_], has_text: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """`apart`, and if need be one document more or less: at least one with text is on either side.

    Raises:
        StageFailed: fewer than two documents have text.
    """
    keys, heldout = hashed(ids, "held out"), apart.copy()
    full = np.flatnonzero(has_text)
    if len(full) < 2:
        raise StageFailed(
            f"pack: {len(full)} of {len(ids)} documents have text to learn from; expected at least 2, one of them held "
            "out. Select more of the corpus, or raise pack.max_documents."
        )
    if not heldout[full].any():
        heldout[full[keys[full].argmin()]] = True
    if heldout[full].all():
        heldout[full[keys[full].argmax()]] = False
    return heldout


def _tokenise(
    ctx: Context, fast: Any, folder: Path, chosen: NDArray[np.bool_], dtype: np.dtype[Any]
) -> NDArray[np.int64]:
    """Write `ids.npy` document by document; return the offsets. Threads change nothing but the time."""
    os.environ["TOKENIZERS_PARALLELISM"] = "true" if ctx.settings.cores > 1 else "false"
    os.environ.setdefault("RAYON_NUM_THREADS", str(ctx.settings.cores))
    cuts = exact_cuts(fast)
    body = ctx.work / "ids.bin"
    lengths = _encoded(ctx, fast, Memo(fast, cuts) if cuts.any() else None, folder, chosen, dtype, body)
    if lengths is None:
        ctx.say("pack: this tokenizer takes words together that should stand alone; every text goes through it whole")
        lengths = _encoded(ctx, fast, None, folder, chosen, dtype, body)
        assert lengths is not None, "nothing to compare with"
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    with (ctx.out / "ids.npy").open("wb") as target:
        header = {"descr": dtype.str, "fortran_order": False, "shape": (int(offsets[-1]),)}
        np.lib.format.write_array_header_1_0(target, header)
        with body.open("rb") as file:
            while chunk := file.read(1 << 24):
                target.write(chunk)
    body.unlink()
    return offsets


def _encoded(
    ctx: Context,
    fast: Any,
    memo: Memo | None,
    folder: Path,
    chosen: NDArray[np.bool_],
    dtype: np.dtype[Any],
    body: Path,
) -> NDArray[np.int64] | None:
    """Write the ids to `body`; return how many each document has, or None once `memo` has other ids than `fast`, which
    some texts of every 32 MB tell."""
    lengths = [np.zeros(0, np.int64)]
    seen, total, done = 0, int(chosen.sum()), 0
    with body.open("wb") as file:
        for number, batch in enumerate(iter_documents(folder, ["text"], size=BATCH_BYTES)):
            texts = batch["text"].filter(pa.array(chosen[seen : seen + batch.num_rows]))
            seen += batch.num_rows
            ids, counts = memo.encode(texts) if memo else encode_plainly(fast, texts)
            if memo and number % _CHECKED_BATCHES == 0 and len(texts) > 1:
                expected, known = encode_plainly(fast, texts[:_CHECKED])
                if not np.array_equal(counts[: len(known)], known) or not np.array_equal(ids[: known.sum()], expected):
                    return None
            file.write(ids.astype(dtype).tobytes())
            lengths.append(counts)
            done += len(texts)
            ctx.progress(done, total, "documents")
    return np.concatenate(lengths)


def _metrics(packed: Packed, documents_in: int) -> dict[str, Any]:
    lengths = np.diff(packed.offsets)
    by_source = {
        name: {
            "documents": int((packed.sources == code).sum()),
            "heldout_documents": int(((packed.sources == code) & packed.heldout).sum()),
            "tokens": int(lengths[packed.sources == code].sum()),
            "epoch_tokens": int((lengths * packed.copies)[(packed.sources == code) & ~packed.heldout].sum()),
            "rows": int((packed.rows[:, 0] == code).sum()),
        }
        for code, name in enumerate(packed.facts.sources)
    }
    cells = len(packed.rows) * packed.facts.max_seq_length
    return {
        "documents": len(lengths),
        "documents_left_out": documents_in - len(lengths),
        "documents_empty": int((lengths == 0).sum()),
        "heldout_documents": int(packed.heldout.sum()),
        "tokens": int(lengths.sum()),
        "heldout_tokens": int(lengths[packed.heldout].sum()),
        "rows": len(packed.rows),
        "padding_share": 1.0 - int(packed.row_tokens.sum()) / cells if cells else 0.0,
        "by_source": by_source,
    }
