// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IGovernor} from "@openzeppelin/contracts/governance/IGovernor.sol";
import {World} from "./World.sol";
import {vm} from "../Vm.sol";

/// @dev What holders decide, from the proposal to its execution, and everybody who tries to get round it.
abstract contract GovernanceHandler is World {
    struct Proposal {
        address target;
        bytes call;
        string text;
        uint256 id;
    }

    bytes32 private constant BALLOT =
        keccak256("Ballot(uint256 proposalId,uint8 support,address voter,uint256 nonce)");
    bytes32 private constant EXTENDED_BALLOT = keccak256(
        "ExtendedBallot(uint256 proposalId,uint8 support,address voter,uint256 nonce,string reason,bytes params)"
    );
    Proposal[] internal proposals;

    /// @dev From the proposal to its execution in one go; each step may come alone as well.
    function decide(uint256 seed) external {
        propose(seed);
        castVote(seed);
        queue(seed);
        execute(seed);
    }

    function propose(uint256 seed) public {
        if (proposals.length >= 16) return;
        (address target, bytes memory call) = contentOf(seed);
        Proposal memory p = Proposal(target, call, vm.toString(proposals.length), 0);
        (address[] memory to, uint256[] memory values, bytes[] memory calls) = lists(p);
        bytes memory data = abi.encodeCall(governor.propose, (to, values, calls, p.text));
        if (!attempt(ownerOf(0), address(governor), data)) return;
        p.id = governor.getProposalId(to, values, calls, keccak256(bytes(p.text)));
        proposals.push(p);
        done("propose");
    }

    function castVote(uint256 seed) public {
        (Proposal memory p, bool found) = votable(seed);
        if (!found) return;
        uint8 support = seed % 8 == 0 ? 0 : 1;
        bytes memory data = abi.encodeCall(governor.castVote, (p.id, support));
        if (seed % 3 == 1) data = abi.encodeCall(governor.castVoteWithReason, (p.id, support, "because"));
        if (seed % 3 == 2) {
            data = abi.encodeCall(governor.castVoteWithReasonAndParams, (p.id, support, "because", hex"01"));
        }
        if (!attempt(ownerOf(0), address(governor), data)) return;
        mustRefuse(ownerOf(0), address(governor), data);
        done("castVote");
    }

    /// @dev A holder signs, somebody else sends it: once, and never for another holder.
    function castVoteBySig(uint256 seed) external {
        (Proposal memory p, bool found) = votable(seed);
        if (!found) {
            propose(seed);
            (p, found) = votable(seed);
        }
        for (uint256 i = 0; found && i < HOLDERS; ++i) {
            if (!governor.hasVoted(p.id, holder(seed % HOLDERS + i))) return signedVote(p, seed, seed % HOLDERS + i);
        }
    }

    function signedVote(Proposal memory p, uint256 seed, uint256 i) private {
        (address voter, uint256 key, uint256 nonce) =
            (holder(i), FIRST_HOLDER_KEY + i % HOLDERS, governor.nonces(holder(i)));
        (bytes32 head, bytes32 reason) = (keccak256("because"), keccak256(hex"01"));
        bytes32 content = seed % 2 == 0
            ? keccak256(abi.encode(BALLOT, p.id, uint8(1), voter, nonce))
            : keccak256(abi.encode(EXTENDED_BALLOT, p.id, uint8(1), voter, nonce, head, reason));
        bytes memory signature = one(key, typed(address(governor), "FarfieldGovernor", content));
        mustRefuse(address(this), address(governor), ballot(p.id, seed, holder(i + 1), signature));
        bytes memory data = ballot(p.id, seed, voter, signature);
        if (attempt(address(this), address(governor), data)) done("castVoteBySig");
        mustRefuse(address(this), address(governor), data);
    }

    function ballot(uint256 id, uint256 seed, address voter, bytes memory signature)
        private
        view
        returns (bytes memory)
    {
        return seed % 2 == 0
            ? abi.encodeCall(governor.castVoteBySig, (id, 1, voter, signature))
            : abi.encodeCall(
                governor.castVoteWithReasonAndParamsBySig, (id, 1, voter, "because", hex"01", signature)
            );
    }

    /// @dev A proposal that takes votes now; time goes on for one that is about to.
    function votable(uint256 seed) private returns (Proposal memory p, bool found) {
        (p, found) = some(seed, IGovernor.ProposalState.Active);
        if (found) return (p, found);
        (p, found) = some(seed, IGovernor.ProposalState.Pending);
        if (found) vm.warp(governor.proposalSnapshot(p.id) + 1);
    }

    function queue(uint256 seed) public {
        (Proposal memory p, bool found) = some(seed, IGovernor.ProposalState.Succeeded);
        if (!found) {
            (p, found) = some(seed, IGovernor.ProposalState.Active);
            if (!found) return;
            vm.warp(governor.proposalDeadline(p.id) + 1);
        }
        if (governed(p, true)) done("queue");
    }

    function execute(uint256 seed) public {
        (Proposal memory p, bool found) = some(seed, IGovernor.ProposalState.Queued);
        if (!found) return;
        uint256 eta = governor.proposalEta(p.id);
        if (block.timestamp < eta) {
            expect(!governed(p, false), "a decision was carried out before its time");
            vm.warp(eta);
        }
        uint256[5] memory before = untouchable();
        bool ok = governed(p, false);
        uint256[5] memory after_ = untouchable();
        for (uint256 i = 0; i < before.length; ++i) {
            expect(before[i] == after_[i], "governance moved what it must not");
        }
        if (ok) done("execute");
        expect(!ok || p.target != address(token), "governance minted");
    }

    function cancel(uint256 seed) external {
        propose(seed);
        (Proposal memory p, bool found) = some(seed, IGovernor.ProposalState.Pending);
        if (!found) return;
        (address[] memory to, uint256[] memory values, bytes[] memory calls) = lists(p);
        bytes memory data = abi.encodeCall(governor.cancel, (to, values, calls, keccak256(bytes(p.text))));
        mustRefuse(holder(seed), address(governor), data);
        if (attempt(ownerOf(0), address(governor), data)) done("cancel");
    }

    /// @dev Nobody gets into the Timelock, or into the Governor, but by a vote.
    function strangersGovern(uint256 seed) external {
        address who = seed % 3 == 0 ? address(this) : somebody(seed);
        (address target, bytes memory call) = contentOf(seed);
        bytes32 role = seed % 2 == 0 ? bytes32(0) : timelock.PROPOSER_ROLE();
        (address[] memory to, uint256[] memory values, bytes[] memory calls) = lists(Proposal(target, call, "", 0));
        address lock = address(timelock);
        mustRefuse(who, lock, abi.encodeCall(timelock.schedule, (target, 0, call, 0, 0, 100)));
        mustRefuse(who, lock, abi.encodeCall(timelock.scheduleBatch, (to, values, calls, 0, 0, 100)));
        mustRefuse(who, lock, abi.encodeCall(timelock.execute, (target, 0, call, 0, 0)));
        mustRefuse(who, lock, abi.encodeCall(timelock.executeBatch, (to, values, calls, 0, 0)));
        mustRefuse(who, lock, abi.encodeCall(timelock.cancel, (bytes32(seed))));
        mustRefuse(who, lock, abi.encodeCall(timelock.grantRole, (role, who)));
        mustRefuse(who, lock, abi.encodeCall(timelock.revokeRole, (timelock.PROPOSER_ROLE(), address(governor))));
        mustRefuse(who, lock, abi.encodeCall(timelock.renounceRole, (role, address(governor))));
        mustRefuse(who, lock, abi.encodeCall(timelock.updateDelay, (0)));
        mustRefuse(who, address(governor), abi.encodeCall(governor.relay, (target, 0, call)));
        mustRefuse(who, address(governor), abi.encodeCall(governor.updateQuorumNumerator, (1)));
        mustRefuse(who, address(governor), abi.encodeCall(governor.updateTimelock, (timelock)));
        done("strangersGovern");
    }

    function contentOf(uint256 seed) private view returns (address, bytes memory) {
        uint256 kind = (seed >> 8) % 6;
        if (kind == 0) return (address(epochs), abi.encodeCall(epochs.admit, (owner(seed), true)));
        if (kind == 1) return (address(epochs), abi.encodeCall(epochs.setParamsHash, (bytes32(seed))));
        if (kind == 2) return (address(hotspots), abi.encodeCall(hotspots.setFrozen, (ids[seed % DEVICES], 0, true)));
        if (kind == 3) return (address(governor), abi.encodeCall(governor.updateQuorumNumerator, (1 + seed % 10)));
        if (kind == 4) return (address(epochs), abi.encodeCall(epochs.cancelRoot, (epochs.live().epoch)));
        return (address(token), abi.encodeCall(token.mint, (holder(seed), 1 ether)));
    }

    function governed(Proposal memory p, bool queues) private returns (bool) {
        (address[] memory to, uint256[] memory values, bytes[] memory calls) = lists(p);
        bytes32 text = keccak256(bytes(p.text));
        bytes memory data = queues
            ? abi.encodeCall(governor.queue, (to, values, calls, text))
            : abi.encodeCall(governor.execute, (to, values, calls, text));
        return attempt(address(this), address(governor), data);
    }

    function lists(Proposal memory p)
        private
        pure
        returns (address[] memory to, uint256[] memory values, bytes[] memory calls)
    {
        (to, values, calls) = (new address[](1), new uint256[](1), new bytes[](1));
        (to[0], calls[0]) = (p.target, p.call);
    }

    function some(uint256 seed, IGovernor.ProposalState state) private view returns (Proposal memory p, bool found) {
        for (uint256 i = 0; i < proposals.length; ++i) {
            p = proposals[(seed % proposals.length + i) % proposals.length];
            if (governor.state(p.id) == state) return (p, true);
        }
    }

    /// @dev What no vote may change: the supply, an account's balance, what is claimed, the schedule, the live root.
    function untouchable() private view returns (uint256[5] memory) {
        return [
            token.totalSupply(),
            token.balanceOf(holder(0)),
            epochs.claimed(ids[0]),
            epochs.emittedThrough(1_000),
            uint256(epochs.live().root)
        ];
    }
}
