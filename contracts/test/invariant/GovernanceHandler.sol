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
        (Proposal memory p, bool found) = some(seed, IGovernor.ProposalState.Active);
        if (!found) {
            (p, found) = some(seed, IGovernor.ProposalState.Pending);
            if (!found) return;
            vm.warp(governor.proposalSnapshot(p.id) + 1);
        }
        uint8 support = seed % 8 == 0 ? 0 : 1;
        bytes memory data = seed % 2 == 0
            ? abi.encodeCall(governor.castVote, (p.id, support))
            : abi.encodeCall(governor.castVoteWithReason, (p.id, support, "because"));
        if (!attempt(ownerOf(0), address(governor), data)) return;
        mustRefuse(ownerOf(0), address(governor), data);
        done("castVote");
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
