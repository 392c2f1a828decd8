"""Old evidence goes: validators promise the last 90 epochs, and a disk is finite.

Summaries, need maps and the epoch's own record stay. So does everything of two epochs, however old: the newest one with
a root before those promised, because an audit of the next one starts from its state; and the newest one that was not
empty, because its root may still come.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from protocol.epoch import decode_summary
from protocol.limits import SERVED_EPOCHS
from protocol.manifest import decode_manifest
from validator.blobs import BlobStore
from validator.epoch_files import EpochFiles, EpochRecord


def prune(files: EpochFiles, store: BlobStore, settled_epoch: int, roots: Sequence[int]) -> None:
    """Deletes the evidence that is not needed any more now that `settled_epoch` is settled.

    `roots` are the epochs with a root on chain, oldest first.
    """
    last, earning = settled_epoch - SERVED_EPOCHS, files.last_earning()
    started_from = [epoch for epoch in roots if epoch <= last][-2:]
    spared = {*started_from[-1:], *([earning.epoch] if earning else [])}
    for epoch in sorted({last, *started_from} - spared):
        for digest in _evidence_of(files.get(epoch), store):
            store.delete(digest)


def _evidence_of(record: EpochRecord, store: BlobStore) -> Iterator[bytes]:
    """Segments before the manifests that name them, so that a crash between leaves nothing unnamed."""
    summary_bytes = store.get(bytes.fromhex(record.summary)) if record.summary else None
    summary = None if summary_bytes is None else decode_summary(summary_bytes)
    counted = [one.digest for one in summary.manifests] if summary else []
    manifests = sorted({*counted, *([bytes.fromhex(record.manifest)] if record.manifest else [])})
    for digest in manifests:
        data = store.get(digest)
        manifest = None if data is None else decode_manifest(data)
        yield from (reference.digest for reference in (manifest.segments if manifest else ()))
    yield from manifests
    yield from (bytes.fromhex(text) for text in (record.outcomes, record.state) if text)
