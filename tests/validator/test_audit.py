"""The audit: over real gRPC, from the chain and public evidence alone; the first difference by name."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from protocol.encoding import U32, Record
from protocol.epoch import OutcomeTable, Summary, decode_outcomes, decode_summary
from protocol.keys import Available, EpochRoot, ManifestSigned, sign_quorum
from protocol.reasons import Reason
from protocol.records import OutcomeHead, SummaryHead
from protocol.state import State, decode_state
from protocol.tables import encode_table
from tests.factories import validator_key
from tests.validator.fakes import DOMAIN
from tests.validator.nodes import (
    CELLS_FILE,
    ENGINE,
    LocalNetwork,
    Node,
    all_hear_all,
    owner_of,
    run,
    start_ms,
    three_devices,
)
from tests.validator.server import served
from validator import audit as audit_module
from validator.assembly import compute, genesis
from validator.audit import Audit, AuditImpossibleError, Auditor, OtherVersionError
from validator.explain import explain

DEVICES = three_devices()


@asynccontextmanager
async def settled(directory: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[LocalNetwork]:
    """Four validators that have settled epoch 1, serving on real ports; the auditor's chain is the fake one."""
    network = LocalNetwork(directory)
    network.chain.register(*DEVICES)
    network.clock.time_ms = start_ms(2) - 1_000
    async with AsyncExitStack() as stack:
        stack.push_async_callback(network.stop)
        await network.start()
        await network.feed(all_hear_all(network.world(1, *DEVICES)))
        await network.run_until(lambda: bool(network.chain.submitted), 60_000)
        await network.run(network.clock.time_ms + 4_000)
        for node in network.nodes.values():
            node.store.put(node.rules.params_file)
            node.store.put(CELLS_FILE)
            client = await stack.enter_async_context(served(node))
            network.chain.endpoints[node.owner] = f"127.0.0.1:{client.port}"
        monkeypatch.setattr(audit_module, "ChainReader", lambda network_file: network.chain)
        monkeypatch.setattr(audit_module, "History", lambda reader: network.chain)
        yield network


async def audited(network: LocalNetwork, epoch: int = 1) -> Audit:
    auditor = Auditor(network.chain.network, network.directory / "auditor", ENGINE)
    try:
        return await auditor.audit(epoch)
    finally:
        await auditor.close()


def test_an_audit_from_public_evidence_alone_is_identical(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def test() -> None:
        async with settled(tmp_path, monkeypatch) as network:
            found = await audited(network)
            assert (found.difference, found.exit_code) == ("", 0)
            assert found.on_chain == found.audited == network.chain.submitted[0].root.hex()
            assert found.data_hash == network.chain.submitted[0].data_hash.hex()

    run(test)


def test_an_audit_gives_its_connections_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def test() -> None:
        async with settled(tmp_path, monkeypatch) as network:
            await audited(network)
            assert network.chain.closed

    run(test)


def test_an_audit_needs_one_validator_that_serves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def test() -> None:
        async with settled(tmp_path, monkeypatch) as network:
            for number in (1, 2, 3):
                network.chain.endpoints[owner_of(number)] = "127.0.0.1:1"
            assert (await audited(network)).exit_code == 0

    run(test)


def test_epochs_between_roots_are_computed_on_the_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def test() -> None:
        async with settled(tmp_path, monkeypatch) as network:
            network.clock.time_ms = start_ms(4) - 1_000
            await network.feed(all_hear_all(network.world(3, *DEVICES)))
            await network.run_until(lambda: len(network.chain.submitted) == 2, 80_000)
            await network.run(network.clock.time_ms + 4_000)
            assert [one.epoch for one in network.chain.submitted] == [1, 3]
            assert (await audited(network, 3)).exit_code == 0

    run(test)


def test_an_epoch_of_other_params_is_not_judged_by_these(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Holders may vote other params in; who does not have them says so instead of finding a difference."""

    async def test() -> None:
        async with settled(tmp_path, monkeypatch) as network:
            monkeypatch.setattr(network.chain, "params_hash_at", lambda block: b"\x77" * 32)
            with pytest.raises(AuditImpossibleError, match="judged by other params, voted in since"):
                await audited(network)

    run(test)


# --- what differs -------------------------------------------------------------------------------------------------


class Signed:
    """What the validators would have signed, taken apart: a majority that lies publishes tables that fit each other."""

    def __init__(self, network: LocalNetwork) -> None:
        self._network, [self._root] = network, network.chain.submitted
        self._node: Node = network.nodes[1]
        self.summary = self._get(decode_summary, self._root.data_hash)
        self.outcomes = self._get(decode_outcomes, self.summary.head.outcomes)
        self.state = self._get(decode_state, self.summary.head.state_after)
        self.root: dict[str, Any] = {}

    def _get(self, decode: Callable[[bytes], Any], digest: bytes) -> Any:
        data = self._node.store.get(digest)
        assert data is not None
        decoded = decode(data)
        assert decoded is not None
        return decoded

    def outcome_row(self, place: int = 0, **fields: Any) -> None:
        rows = list(self.outcomes.outcomes)
        rows[place] = replace(rows[place], **fields)
        self.outcomes = replace(self.outcomes, outcomes=tuple(rows))

    def site_row(self, place: int = 0, **fields: Any) -> None:
        rows = list(self.outcomes.sites)
        rows[place] = replace(rows[place], **fields)
        self.outcomes = replace(self.outcomes, sites=tuple(rows))

    def account_row(self, **fields: Any) -> None:
        first = min(self.state.accounts)
        changed = replace(self.state.accounts[first], **fields)
        self.state = replace(self.state, accounts={**self.state.accounts, first: changed})

    def head(self, **fields: Any) -> None:
        self.summary = replace(self.summary, head=replace(self.summary.head, **fields))

    def publish(self) -> None:
        """Puts the bent tables into a validator's store and their hashes, through the summary, on chain."""
        table: OutcomeTable = self.outcomes
        head = OutcomeHead(table.epoch, len(table.outcomes), len(table.sites))
        state: State = self.state
        self.head(
            outcomes=self._node.store.put(encode_table(head, table.outcomes, table.sites)),
            state_after=self._node.store.put(state.encode()),
        )
        summary: Summary = self.summary
        data_hash = self._node.store.put(encode_table(summary.head, summary.manifests))
        fields = {
            "epoch": 1,
            "set_id": 1,
            "root": self._root.root,
            "data_hash": data_hash,
            "cumulative_total": self._root.cumulative_total,
        }
        self._network.chain.submitted.clear()
        self._network.chain.accept(EpochRoot(**{**fields, **self.root}))
        self._network.clock.time_ms += 4_000


def drop_manifest(signed: Signed) -> None:
    manifests = signed.summary.manifests[1:]
    signed.summary = replace(signed.summary, manifests=manifests)
    signed.head(manifests=len(manifests))


BENT: dict[str, tuple[Callable[[Signed], None], str]] = {
    "params": (lambda signed: signed.head(params=bytes(32)), "params: "),
    "registry": (lambda signed: signed.head(registry=bytes(32)), "registry: "),
    "need map": (lambda signed: signed.head(need_map=bytes(32)), "need map: "),
    "state before": (lambda signed: signed.head(state_before=bytes(32)), "state before: "),
    "manifests": (drop_manifest, "counted manifests, row 0: "),
    "a reason": (lambda signed: signed.outcome_row(3, reason=Reason.TOO_FAR), "outcomes, row 3: "),
    "a number compared": (lambda signed: signed.outcome_row(0, measured=1), "outcomes, row 0: "),
    "points": (lambda signed: signed.site_row(2, points=1), "sites, row 2: "),
    "an amount": (lambda signed: signed.account_row(cumulative=1), "accounts, row 0: "),
    "uptime": (lambda signed: signed.account_row(uptime_bits=0x55), "accounts, row 0: "),
    "reserve": (
        lambda signed: setattr(signed, "state", replace(signed.state, reserve=1)),
        "reserve: ",
    ),
    "the next need map": (
        lambda signed: setattr(signed, "state", replace(signed.state, need_map_after=bytes(32))),
        "need map after: ",
    ),
    "a position": (
        lambda signed: setattr(signed, "state", replace(signed.state, positions={})),
        "positions, row 0: ",
    ),
    "the root alone": (lambda signed: signed.root.update(root=bytes(32)), "root over the same data"),
    "the total": (lambda signed: signed.root.update(cumulative_total=1), "sum of all amounts"),
}


@pytest.mark.parametrize("name", BENT)
def test_a_changed_value_in_any_table_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    async def test() -> None:
        async with settled(tmp_path, monkeypatch) as network:
            bend, expected = BENT[name]
            signed = Signed(network)
            bend(signed)
            signed.publish()
            found = await audited(network)
            assert found.exit_code == 7
            assert found.difference.startswith(expected)

    run(test)


def flip(record: Record, place: int) -> bytes:
    data = bytearray(record.encode())
    data[place] ^= 1
    return bytes(data)


def test_one_changed_byte_anywhere_in_an_account_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def test() -> None:
        async with settled(tmp_path, monkeypatch) as network:
            signed = Signed(network)
            honest = decode_state(signed.state.encode())
            assert honest is not None
            hotspot = max(honest.accounts)
            account = honest.accounts[hotspot]
            for place in range(32, account.width(), 7):
                bent = type(account).decode(flip(account, place))
                signed.state = replace(honest, accounts={**honest.accounts, hotspot: bent})
                found = await audited_with(network, signed)
                assert found.exit_code == 7
                assert found.difference.startswith("accounts, row ")

    async def audited_with(network: LocalNetwork, signed: Signed) -> Audit:
        signed.publish()
        return await audited(network)

    run(test)


def test_a_summary_nobody_serves_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def test() -> None:
        async with settled(tmp_path, monkeypatch) as network:
            signed = Signed(network)
            signed.root["data_hash"] = bytes(32)
            signed.publish()
            found = await audited(network)
            assert found.exit_code == 7
            assert "no validator serves the summary that was signed" in found.difference

    run(test)


def test_evidence_that_breaks_the_rules_is_a_difference_with_its_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More than 2/3 of stake certified a manifest that is none: the audit says what is wrong with it."""

    async def test() -> None:
        async with settled(tmp_path, monkeypatch) as network:
            digest = network.nodes[1].store.put(b"not a manifest")
            posts = network.chain.posts
            posts[0] = certified(network, posts[0], digest)
            found = await audited(network)
            assert found.exit_code == 7
            assert "the certified manifest" in found.difference
            assert found.result is None

    run(test)


def certified(network: LocalNetwork, post: Any, digest: bytes) -> Any:
    """The post with another manifest, signed by everybody, whatever their journals say."""
    keys = {owner_of(number): validator_key(f"v{number}") for number in network.numbers}
    own = sign_quorum(keys[post.validator], DOMAIN.digest(ManifestSigned(1, digest)))
    available = DOMAIN.digest(Available(1, post.validator, digest))
    others = [sign_quorum(key, available) for owner, key in keys.items() if owner != post.validator]
    return replace(post, manifest_hash=digest, signatures=(own, *others))


# --- what cannot be audited ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("longer", [False, True], ids=["the same layout", "another layout"])
def test_another_protocol_version_names_the_release_that_judges_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, longer: bool
) -> None:
    async def test() -> None:
        async with settled(tmp_path, monkeypatch) as network:
            signed = Signed(network)
            if longer:
                data = U32.encode(99) + bytes(SummaryHead.width())
                signed.root["data_hash"] = network.nodes[2].store.put(data)
            else:
                signed.head(protocol_version=99)
            signed.publish()
            with pytest.raises(OtherVersionError, match="Install the release of Farfield whose PROTOCOL_VERSION is 99"):
                await audited(network)

    run(test)


@pytest.mark.parametrize(("epoch", "known"), [(2, "The newest root is of epoch 1."), (99, "The newest root")])
def test_an_epoch_without_a_root_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, epoch: int, known: str
) -> None:
    async def test() -> None:
        async with settled(tmp_path, monkeypatch) as network:
            with pytest.raises(AuditImpossibleError, match=f"Epoch {epoch} has no root on chain.*{known}"):
                await audited(network, epoch)

    run(test)


def test_a_network_without_any_root_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def test() -> None:
        async with settled(tmp_path, monkeypatch) as network:
            network.chain.submitted.clear()
            with pytest.raises(AuditImpossibleError, match="There is no root at all yet"):
                await audited(network)

    run(test)


def test_no_validator_that_answers_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def test() -> None:
        async with settled(tmp_path, monkeypatch) as network:
            network.chain.endpoints.update({owner_of(number): "127.0.0.1:1" for number in network.numbers})
            with pytest.raises(AuditImpossibleError, match="No validator serves a params file"):
                await audited(network)

    run(test)


def test_a_chain_that_is_wrong_or_silent_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def test() -> None:
        async with settled(tmp_path, monkeypatch) as network:
            network.chain.findings = ["The params hash on chain is another than the file's."]
            with pytest.raises(AuditImpossibleError, match="The params hash on chain is another"):
                await audited(network)
            network.chain.findings, network.chain.down = [], True
            with pytest.raises(AuditImpossibleError, match="No RPC address answers"):
                await audited(network)

    run(test)


def test_a_segment_that_was_lost_everywhere_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def test() -> None:
        async with settled(tmp_path, monkeypatch) as network:
            digest = network.chain.posts[0].manifest_hash
            for node in network.nodes.values():
                node.store._path(digest).unlink()
            with pytest.raises(AuditImpossibleError, match=r"The audit cannot be made now: the manifest .* is missing"):
                await audited(network)

    run(test)


# --- the chain of numbers -----------------------------------------------------------------------------------------


def test_explaining_prints_the_numbers_behind_a_hotspot_a_cell_and_a_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def test() -> None:
        async with settled(tmp_path, monkeypatch) as network:
            result = (await audited(network)).result
            assert result is not None
            table = decode_outcomes(result.outcome_table)
            assert table is not None
            [report, *_], [site, *_] = table.outcomes, table.sites
            assert explain(result, "report", report.report_id) == [
                f"report {report.report_id.hex()}: ACCEPTED. Accepted."
            ]
            hotspot = explain(result, "hotspot", site.hotspot_id)
            assert any(str(site.points) in line for line in hotspot)
            assert hotspot[-1] == f"earned in epoch 1: {result.earned[site.hotspot_id]} base units"
            cell = explain(result, "cell", site.cell.to_bytes(8, "big"))
            assert f"{site.weight_u // 1_000_000}.{site.weight_u % 1_000_000:06d}" in cell[1]
            assert explain(result, "report", bytes(32)) == explain(result, "cell", bytes(8)) == []

    run(test)


def test_explaining_a_refused_report_prints_what_was_compared(tmp_path: Path) -> None:
    async def test() -> None:
        network = LocalNetwork(tmp_path)
        network.chain.register(*DEVICES)
        network.clock.time_ms = start_ms(2) - 1_000
        await network.start()
        world = network.world(1, *DEVICES)
        world.beacon(DEVICES[0])
        refused = world.hears(DEVICES[1], DEVICES[0], rssi_cdb=0)
        await network.feed(world)
        await network.run_until(lambda: network.settled()[1] == 1, 60_000)
        node = network.nodes[1]
        before = genesis(node.rules, node.view.genesis_ms)
        result = await compute(node.view, node.rules, node.source, before, ENGINE)
        [first, second] = explain(result, "report", refused)
        assert "ABOVE_FREE_SPACE" in first
        assert second.startswith("  measured ")
        await network.stop()

    run(test)
