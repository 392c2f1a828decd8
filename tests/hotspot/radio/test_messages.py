"""The bridge's messages: round trips however they are cut, and hostile streams, which are refused by name."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotspot.radio import messages
from hotspot.radio.messages import (
    Counts,
    Decoder,
    Heard,
    Hello,
    Listen,
    Message,
    Problem,
    Refused,
    Sent,
    Transmit,
    encode,
)

U16, U32, U64 = st.integers(0, 2**16 - 1), st.integers(0, 2**32 - 1), st.integers(0, 2**64 - 1)
I16 = st.integers(-(2**15), 2**15 - 1)
SHORT, PAYLOAD = st.text(max_size=40), st.binary(max_size=messages.MAX_PAYLOAD_BYTES)
MESSAGES = st.one_of(
    st.builds(Hello, st.integers(0, 255), st.booleans(), SHORT),
    st.builds(Listen, U16, st.binary(max_size=4 * messages.MAX_CHANNELS)),
    st.builds(Transmit, U32, U64, I16, I16, U64, U16, U32, PAYLOAD),
    st.builds(Sent, U32, I16, U64, SHORT),
    st.builds(Heard, U64, I16, I16, U64, U32, PAYLOAD),
    st.builds(Counts, SHORT),
    st.builds(Problem, SHORT),
)


@given(st.lists(MESSAGES, max_size=5), st.integers(1, 50))
def test_what_is_sent_arrives_however_the_stream_is_cut(sent: list[Message], piece: int) -> None:
    stream, decoder = b"".join(encode(one) for one in sent), Decoder()
    pieces = [stream[at : at + piece] for at in range(0, len(stream), piece)]
    assert [message for one in pieces for message in decoder.feed(one)] == sent
    assert not decoder.broken


@given(st.binary(max_size=200))
def test_any_bytes_give_messages_or_refusals_and_never_an_exception(stream: bytes) -> None:
    decoder = Decoder()
    found = list(decoder.feed(stream))
    assert all(isinstance(one, (Message, Refused)) for one in found)
    assert list(decoder.feed(stream)) == [] if decoder.broken else True


@pytest.mark.parametrize("length", [0, messages.MAX_BODY_BYTES + 2, 0xFFFF])
def test_a_length_out_of_bounds_ends_the_stream(length: int) -> None:
    decoder = Decoder()
    assert list(decoder.feed(length.to_bytes(2, "big") + b"\x05")) == [Refused("frame_length")]
    assert decoder.broken


def test_a_kind_of_a_later_version_is_passed_over() -> None:
    later = (3).to_bytes(2, "big") + b"\x63ab"
    assert list(Decoder().feed(later + encode(Problem("x")))) == [Refused("unknown_message"), Problem("x")]


@pytest.mark.parametrize("message", [Heard(1, 2, 3, 4, 5, b"x" * 24), Hello(1, False, "mon0")])
def test_a_message_cut_short_or_too_long_is_refused(message: Message) -> None:
    whole = encode(message)
    for body in (b"", whole[3:][:1], whole[3:] + bytes(messages.MAX_TEXT_BYTES + 1)):
        frame = messages.PREFIX.pack(1 + len(body), message.kind) + body
        assert list(Decoder().feed(frame)) == [Refused("wrong_length")]


def test_a_long_text_is_cut_and_long_bytes_are_an_error() -> None:
    (told,) = Decoder().feed(encode(Problem("x" * 1_000)))
    assert told == Problem("x" * messages.MAX_TEXT_BYTES)
    with pytest.raises(ValueError):
        encode(Heard(1, 2, 3, 4, 5, bytes(messages.MAX_PAYLOAD_BYTES + 1)))
    with pytest.raises(ValueError):
        encode(Sent(1, 40_000, 3, ""))


def test_channels_go_there_and_back() -> None:
    wanted = (2_412_000_000, 2_484_000_000)
    assert Listen.on(wanted, 300).channels_hz == wanted


@pytest.mark.parametrize("deep", [False, True])
def test_an_address_names_the_same_file(tmp_path: Path, *, deep: bool) -> None:
    folder = tmp_path / ("d" * 100) if deep else tmp_path
    folder.mkdir(exist_ok=True)
    (folder / "x").write_text("found")
    with messages.address(folder / "x") as where:
        assert len(where) <= messages.SOCKET_PATH_BYTES
        assert Path(where).read_text() == "found"
