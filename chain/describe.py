"""A network in words and as JSON: what its file says, what its contracts say, and what is simulated."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from chain.genesis import allocations
from chain.network import NetworkFile, checksum, dump
from chain.reader import ChainReader, Root
from chain.refusals import far, moment
from chain.verify import chain_rules

MS = 1000


def file_facts(network: NetworkFile) -> dict[str, Any]:
    """The network's file, as JSON has it."""
    return dict(json.loads(dump(network)))


def chain_facts(reader: ChainReader) -> dict[str, Any]:
    """What the contracts say at the final block; amounts as decimal strings of base units, times in milliseconds."""
    config, final = reader.config(), reader.final_block()
    return {
        "genesis_ms": config.genesis_ms,
        "windows_ms": {
            "epoch": config.length_ms,
            "close_after": config.close_after_ms,
            "finality": config.finality_ms,
            "challenge_window": config.challenge_window_ms,
        },
        "emission": {"first": str(config.first_emission), "halving_epochs": config.halving_epochs},
        "genesis": {
            "supply": str(reader.genesis_supply()),
            "locked_until_ms": config.genesis_ms + config.founder_lock_ms,
            "allocations": [
                {"owner": checksum(one.owner), "key": checksum(one.key), "stake": str(one.stake)}
                for one in allocations(reader)
            ],
        },
        "unbonding_epochs": config.unbonding_epochs,
        **_rules(reader),
        "params_hash": "0x" + config.params_hash.hex(),
        "final_block": {"number": final.number, "hash": "0x" + final.hash.hex(), "time_ms": final.timestamp_ms},
        "epoch_now": (final.timestamp_ms - config.genesis_ms) // config.length_ms,
        "supply": {
            "genesis": str(reader.genesis_supply()),
            "minted": str(reader.minted()),
            "burned": str(reader.call("FarfieldToken", "burned", block=final.number)),
            "total": str(reader.total_supply()),
        },
        "total_stake": str(reader.call("Epochs", "totalStake")),
        "live_root": _root(reader.live_root()),
        "pending_root": _root(reader.pending_root()),
    }


def _rules(reader: ChainReader) -> dict[str, dict[str, Any]]:
    """Fees and the vote's rules; amounts as decimal strings of base units."""
    rules = chain_rules(reader)
    fees = {name: str(rules[f"fees.{name}"]) for name in ("registration", "location")}
    vote = {name.removeprefix("governance."): value for name, value in rules.items() if name.startswith("governance.")}
    return {"fees": fees, "governance": vote | {"proposal_threshold": str(vote["proposal_threshold"])}}


def _root(root: Root | None) -> dict[str, Any] | None:
    if root is None:
        return None
    return {
        "epoch": root.epoch,
        "root": "0x" + root.root.hex(),
        "cumulative_total": str(root.cumulative_total),
        "active_at_ms": root.active_at_ms,
    }


def lines(file: Mapping[str, Any], chain: Mapping[str, Any] | None) -> Iterator[str]:
    """The same for people, line by line; `chain` is None when the chain cannot be reached."""
    yield f"{file['name']}: chain {file['chain_id']}, {_finality(file['finality'])}"
    yield f"  simulated    {file['simulated']['what'] if file['simulated'] else 'nothing'}"
    yield f"  first block  {file['genesis_hash']}"
    yield f"  params       {file['params_hash']}"
    for name, address in file["contracts"].items():
        yield f"  {name:12} {address}"
    for url in file["rpc_urls"]:
        yield f"  rpc          {url}"
    yield f"  map          {file['map_url']}"
    for one in file["validators"]:
        yield f"  validator    {one['owner']} at {one['endpoint']}, signs with {one['key']}"
    if chain is not None:
        yield from _chain_lines(chain)


def _finality(stated: Any) -> str:
    return "final by its finalized tag" if stated == "finalized" else f"final after {stated['confirmations']} blocks"


def _chain_lines(chain: Mapping[str, Any]) -> Iterator[str]:
    windows = chain["windows_ms"]
    yield f"  epoch        {_seconds(windows['epoch'])} long; epoch 0 began {moment(chain['genesis_ms'] // MS)}"
    yield f"  manifests    close {_seconds(windows['close_after'])} after an epoch's end at the earliest"
    yield f"  finality     {_seconds(windows['finality'])} behind the newest block"
    yield f"  challenge    a root waits {_seconds(windows['challenge_window'])} before claims may use it"
    emission = chain["emission"]
    yield f"  emission     {far(int(emission['first']))} an epoch, halved every {emission['halving_epochs']} epochs"
    yield from _genesis_lines(chain["genesis"])
    fees, vote = chain["fees"], chain["governance"]
    yield f"  fees         {far(int(fees['registration']))} to register, {far(int(fees['location']))} to move, burned"
    yield f"  vote         begins {vote['voting_delay_s']} s after the proposal and lasts {vote['voting_period_s']} s"
    yield f"  timelock     {vote['timelock_delay_s']} s from a decision to its execution"
    threshold = far(int(vote["proposal_threshold"]))
    yield f"  quorum       {vote['quorum_percent']} % of all tokens; {threshold} of votes to propose"
    yield f"  unbonding    a stake stays locked for {chain['unbonding_epochs']} epochs after its last one"
    final = chain["final_block"]
    yield f"  final block  {final['number']} of {moment(final['time_ms'] // MS)}, in epoch {chain['epoch_now']}"
    supply = chain["supply"]
    yield f"  supply       {far(int(supply['total']))}: {far(int(supply['genesis']))} of genesis, {_flows(supply)}"
    yield f"  stake        {far(int(chain['total_stake']))}"
    for name in ("live", "pending"):
        root = chain[f"{name}_root"]
        if root is not None:
            yield f"  {name + ' root':12} epoch {root['epoch']}, {far(int(root['cumulative_total']))} granted in all"


def _flows(supply: Mapping[str, str]) -> str:
    return f"{far(int(supply['minted']))} minted since, {far(int(supply['burned']))} burned"


def _genesis_lines(genesis: Mapping[str, Any]) -> Iterator[str]:
    until = moment(genesis["locked_until_ms"] // MS)
    yield f"  genesis      {far(int(genesis['supply']))} in all, staked, and locked until {until}"
    for one in genesis["allocations"]:
        yield f"               {far(int(one['stake']))} of {one['owner']}, who first signed with {one['key']}"


def _seconds(time_ms: int) -> str:
    return f"{time_ms // MS} s"
