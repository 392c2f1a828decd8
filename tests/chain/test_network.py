"""network.json: what is written is read back, and what is wrong is said in a sentence."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chain.network import (
    CONTRACTS,
    MAX_FILE_BYTES,
    Contracts,
    NetworkFile,
    NetworkFileError,
    ValidatorEntry,
    checksum,
    dump,
    load,
    parse,
    parse_validators,
)
from protocol.encoding import Network
from protocol.ids import Address
from protocol.keys import Domain

addresses = st.binary(min_size=20, max_size=20).map(Address)
hashes = st.binary(min_size=32, max_size=32)
texts = st.text(max_size=20)


def networks() -> st.SearchStrategy[NetworkFile]:
    return st.builds(
        NetworkFile,
        name=texts,
        chain_id=st.integers(1, 2**64 - 1),
        genesis_hash=hashes,
        rpc_urls=st.lists(st.just("http://127.0.0.1:8545"), min_size=1, max_size=3).map(tuple),
        contracts=st.builds(Contracts, *[addresses] * len(CONTRACTS)),
        deployed_block=st.integers(0, 2**40),
        params_hash=hashes,
        validators=st.lists(st.builds(ValidatorEntry, addresses, addresses, texts), max_size=4).map(tuple),
        map_url=texts,
        confirmations=st.none() | st.integers(0, 1_000),
        simulated=st.none() | st.fixed_dictionaries({"what": texts, "channel": texts}),
    )


def tree(**changes: Any) -> dict[str, Any]:
    """A good network file as JSON, with changes."""
    plain = {
        "name": "test",
        "chain_id": 31337,
        "genesis_hash": "0x" + "11" * 32,
        "rpc_urls": ["http://127.0.0.1:8545"],
        "contracts": {name: "0x" + f"0{at}" * 20 for at, name in enumerate(CONTRACTS, 1)},
        "deployed_block": 3,
        "params_hash": "0x" + "22" * 32,
        "validators": [{"owner": "0x" + "04" * 20, "key": "0x" + "05" * 20, "endpoint": "127.0.0.1:7000"}],
        "map_url": "http://127.0.0.1:8080",
        "finality": "finalized",
        "simulated": None,
    }
    return plain | changes


def encoded(value: Any) -> bytes:
    return json.dumps(value).encode()


@given(networks())
def test_a_network_survives_being_written_and_read(network: NetworkFile) -> None:
    assert parse(dump(network).encode()) == network
    assert dump(parse(dump(network).encode())) == dump(network)


def test_gives_what_signatures_are_bound_to() -> None:
    network = parse(encoded(tree()))
    assert network.network == Network(31337, Address(b"\2" * 20))
    assert network.domain == Domain(31337, Address(b"\3" * 20))


def test_says_how_many_blocks_make_one_final() -> None:
    assert parse(encoded(tree(finality={"confirmations": 12}))).confirmations == 12
    assert parse(encoded(tree())).confirmations is None


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"chain_id": 0}, "chain_id should be a whole number"),
        ({"chain_id": True}, "chain_id should be a whole number"),
        ({"chain_id": 2**64}, "chain_id should be a whole number"),
        ({"chain_id": "1"}, "chain_id should be a whole number"),
        ({"genesis_hash": "0x11"}, "genesis_hash should be 0x and 64"),
        ({"genesis_hash": 5}, "genesis_hash should be 0x and 64"),
        ({"params_hash": "22" * 32}, "params_hash should be 0x and 64"),
        ({"rpc_urls": []}, "rpc_urls should be a list of 1 to"),
        ({"rpc_urls": ["ftp://host"]}, "should be an http or https address"),
        ({"rpc_urls": ["http://"]}, "should be an http or https address"),
        ({"rpc_urls": ["http://[::1"]}, "should be an http or https address"),
        ({"rpc_urls": ["http://127.0.0.1:abc"]}, "should be an http or https address"),
        ({"rpc_urls": ["http://127.0.0.1:99999"]}, "should be an http or https address"),
        ({"rpc_urls": ["http://a host:1"]}, "should be an http or https address"),
        ({"contracts": {"token": "0x" + "01" * 20}}, "contracts has no epochs"),
        ({"contracts": tree()["contracts"] | {"token": "0x01"}}, "token should be an address"),
        ({"contracts": []}, "contracts should be an object"),
        ({"deployed_block": -1}, "deployed_block should be a whole number"),
        ({"validators": {}}, "validators should be a list"),
        ({"validators": [{}]}, "has no endpoint"),
        ({"validators": [tree()["validators"][0] | {"key": "0x"}]}, "key should be an address"),
        ({"map_url": None}, "map_url should be a text"),
        ({"finality": "soon"}, "finality should be"),
        ({"finality": {"confirmations": -1}}, "finality.confirmations should be"),
        ({"simulated": True}, "simulated should be null or an object"),
        ({"simulated": {}}, "simulated should be null or an object"),
        ({"extra": 1}, "has the key 'extra', which this release does not know. Update Farfield."),
    ],
)
def test_says_what_is_wrong(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(NetworkFileError, match=words) as refusal:
        parse(encoded(tree(**changes)))
    assert str(refusal.value).endswith(".")


@pytest.mark.parametrize("key", sorted(tree()))
def test_says_which_key_is_missing(key: str) -> None:
    value = tree()
    del value[key]
    with pytest.raises(NetworkFileError, match=f"has no {key}"):
        parse(encoded(value))


@pytest.mark.parametrize("url", ["http://[::1]:8545", "https://node.example/key?a=b", "http://127.0.0.1"])
def test_takes_every_address_of_a_node(url: str) -> None:
    assert parse(encoded(tree(rpc_urls=[url]))).rpc_urls == (url,)


@pytest.mark.parametrize("text", [b"", b"{", b"\xff\xfe", b"[" * 100_000, b"3", b"9" * 5_000])
def test_refuses_what_is_no_json_object(text: bytes) -> None:
    with pytest.raises(NetworkFileError):
        parse(text)


@given(st.binary(max_size=200))
def test_any_bytes_give_a_network_or_a_sentence(text: bytes) -> None:
    with pytest.raises(NetworkFileError):
        parse(text)


def test_a_number_of_thousands_of_digits_is_a_sentence() -> None:
    text = encoded(tree(chain_id="HERE")).replace(b'"HERE"', b"9" * 5_000)
    with pytest.raises(NetworkFileError, match="a number has thousands of digits"):
        parse(text)
    with pytest.raises(NetworkFileError, match="a number has thousands of digits"):
        parse_validators(b"[" + b"9" * 5_000 + b"]")


def test_refuses_an_address_with_a_wrong_capital() -> None:
    good = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"
    assert parse(encoded(tree(contracts=tree()["contracts"] | {"token": good}))).contracts.token == bytes.fromhex(
        good[2:]
    )
    with pytest.raises(NetworkFileError, match="EIP-55"):
        parse(encoded(tree(contracts=tree()["contracts"] | {"token": good.replace("aAeb", "aaeb")})))


@pytest.mark.parametrize(
    "written",
    [
        "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
        "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
        "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB",
        "0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb",
    ],
)
def test_writes_addresses_as_eip_55_has_them(written: str) -> None:
    assert checksum(bytes.fromhex(written[2:])) == written


def test_loads_a_file(tmp_path: Path) -> None:
    path = tmp_path / "network.json"
    path.write_text(json.dumps(tree()))
    assert load(str(path)).name == "test"


def test_names_the_file_and_the_next_step_when_it_is_missing(tmp_path: Path) -> None:
    with pytest.raises(NetworkFileError, match=r"none\.json does not exist.*--network"):
        load(str(tmp_path / "none.json"))


def test_names_the_file_that_is_wrong(tmp_path: Path) -> None:
    path = tmp_path / "network.json"
    path.write_text("{")
    with pytest.raises(NetworkFileError, match=r"network\.json: this is not JSON"):
        load(str(path))


def test_refuses_a_folder_and_a_huge_file(tmp_path: Path) -> None:
    with pytest.raises(NetworkFileError, match="cannot be read"):
        load(str(tmp_path))
    path = tmp_path / "huge.json"
    path.write_bytes(b" " * (MAX_FILE_BYTES + 1))
    with pytest.raises(NetworkFileError, match="larger than 1 MiB"):
        load(str(path))


@pytest.fixture
def served() -> Iterator[str]:
    """The address of a web server that serves a network file, and 404 elsewhere."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/network.json" else 404)
            self.end_headers()
            self.wfile.write(encoded(tree()))

        def log_message(self, *arguments: Any) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_loads_from_an_address(served: str) -> None:
    assert load(f"{served}/network.json").chain_id == 31337


def test_says_when_an_address_does_not_answer(served: str) -> None:
    with pytest.raises(NetworkFileError, match="cannot be fetched"):
        load(f"{served}/other.json")
    with pytest.raises(NetworkFileError, match="cannot be fetched"):
        load("http://127.0.0.1:1/network.json")


@pytest.mark.parametrize("address", ["http://[::1", "http://127.0.0.1:abc/n.json", "http://a host/n.json"])
def test_says_when_an_address_is_none(address: str) -> None:
    with pytest.raises(NetworkFileError, match="cannot be fetched"):
        load(address)


def test_says_when_something_else_than_a_web_server_answers() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def greet() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.recv(65_536)
                connection.sendall(b"220 mail.example ESMTP\r\n")

        thread = threading.Thread(target=greet)
        thread.start()
        with pytest.raises(NetworkFileError, match=r"cannot be fetched.*220 mail\.example"):
            load(f"http://127.0.0.1:{listening.getsockname()[1]}/network.json")
        thread.join()
