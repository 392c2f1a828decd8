"""Pcap over FIFOs: both byte orders, any cut, writers and readers that come and go."""

from __future__ import annotations

import asyncio
import os
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotspot.radio import pcap
from hotspot.radio.pcap import FifoPair, FifoReader, FifoWriter, PipeError, Reader
from tests.hotspot.clocks import until

FRAMES = [b"one", b"", b"x" * 300]


def stream(*frames: bytes, order: str = "<", magic: int = pcap.MAGIC, link_type: int = 127) -> bytes:
    header = struct.pack(f"{order}IHHiIII", magic, 2, 4, 0, 0, 65_535, link_type)
    records = [struct.pack(f"{order}IIII", 1, 2, len(one), len(one)) + one for one in frames]
    return header + b"".join(records)


@given(st.integers(1, 40), st.sampled_from("<>"), st.sampled_from([pcap.MAGIC, pcap.MAGIC_NS]))
def test_frames_arrive_however_the_stream_is_cut(piece: int, order: str, magic: int) -> None:
    data, reader = stream(*FRAMES, order=order, magic=magic), Reader()
    pieces = [data[at : at + piece] for at in range(0, len(data), piece)]
    assert [frame for one in pieces for frame in reader.feed(one)] == FRAMES
    assert reader.broken == ""


def test_what_it_writes_it_reads() -> None:
    written = pcap.file_header() + b"".join(pcap.record(one, 5_000_001) for one in FRAMES)
    assert list(Reader().feed(written)) == FRAMES


def test_a_second_writer_may_begin_with_its_own_header() -> None:
    assert list(Reader().feed(stream(b"a", order="<") + stream(b"b", order=">"))) == [b"a", b"b"]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"no pcap at all, but long enough", "not_pcap"),
        (stream(link_type=1), "pcap_link_type"),
        (stream() + struct.pack("<IIII", 1, 2, pcap.MAX_FRAME_BYTES + 1, 1), "pcap_record_length"),
    ],
)
def test_a_stream_that_cannot_be_followed_is_named_and_taken_up_at_the_next_header(data: bytes, reason: str) -> None:
    for piece in (1, 7, 500):
        reader = Reader()
        assert list(reader.feed(data)) == []
        assert reader.broken == reason
        assert list(reader.feed(b"more of it" * 100)) == []
        later = stream(b"later", b"last")
        pieces = [later[at : at + piece] for at in range(0, len(later), piece)]
        assert [frame for one in pieces for frame in reader.feed(one)] == [b"later", b"last"]
        assert reader.broken == ""


def test_a_good_file_behind_a_fault_is_read_at_once() -> None:
    reader = Reader()
    fault = stream(b"good") + struct.pack("<IIII", 1, 2, 2**31, 1) + b"rubbish"
    assert list(reader.feed(fault + stream(b"later"))) == [b"good", b"later"]
    assert (reader.take_fault(), reader.take_fault(), reader.broken) == ("pcap_record_length", "", "")


def test_a_broken_stream_is_not_kept() -> None:
    reader = Reader()
    for _ in range(100):
        assert list(reader.feed(b"no pcap at all, but long enough")) == []
    assert len(reader._unread) < 100


@given(st.binary(max_size=300))
def test_any_bytes_give_frames_or_a_reason(data: bytes) -> None:
    reader = Reader()
    assert all(len(one) <= len(data) for one in reader.feed(data))


def test_a_reader_outlives_its_writers(tmp_path: Path) -> None:
    path = tmp_path / "air"
    pcap.make_fifo(path)
    reader = FifoReader(path)
    try:
        for number in (b"1", b"2"):
            path_write(path, stream(number))
            assert reader.read() == ([number], "")
            assert reader.read() == ([], "")  # the end of that writer
        path_write(path, stream(b"3")[:-1])
        assert reader.read() == ([], "")
        assert reader.read() == ([], "pcap_cut_short")
        path_write(path, stream(b"4"))
        assert reader.read() == ([b"4"], "")
    finally:
        reader.close()


def path_write(path: Path, data: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_NONBLOCK)
    os.write(descriptor, data)
    os.close(descriptor)


def test_a_writer_says_why_a_frame_went_nowhere(tmp_path: Path) -> None:
    path = tmp_path / "air"
    pcap.make_fifo(path)
    writer = FifoWriter(path)
    assert writer.write(b"nobody", 1) == "nobody_reads_the_pipe"
    reader = FifoReader(path)
    assert writer.write(b"first", 1) == ""
    refused = [one for one in (writer.write(bytes(4_000), 1) for _ in range(100)) if one]
    assert set(refused) == {"pipe_full"}
    reader.close()
    assert writer.write(b"gone", 1) == "nobody_reads_the_pipe"
    writer.close()


def test_a_new_reader_gets_a_file_header_again(tmp_path: Path) -> None:
    async def act() -> None:
        pair = FifoPair(tmp_path / "in", tmp_path / "out")
        pair.start(lambda frame: None, lambda problem: None)
        try:
            for number in (b"1", b"2"):
                reader = FifoReader(tmp_path / "out")
                assert pair.write(number) == ""
                assert reader.read() == ([number], "")
                reader.close()
                await until(lambda: pair._writer.fileno() is None)
        finally:
            pair.close()

    asyncio.run(act())


def test_what_is_no_fifo_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "in").write_text("mine")
    with pytest.raises(PipeError, match="no FIFO"):
        FifoPair(tmp_path / "in", tmp_path / "out")
    with pytest.raises(PipeError, match="Check the directory"):
        FifoPair(tmp_path / "none" / "in", tmp_path / "out")
    assert (tmp_path / "in").read_text() == "mine"
