// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Governor} from "@openzeppelin/contracts/governance/Governor.sol";
import {TimelockController} from "@openzeppelin/contracts/governance/TimelockController.sol";
import {GovernorCountingSimple} from "@openzeppelin/contracts/governance/extensions/GovernorCountingSimple.sol";
import {GovernorTimelockControl} from "@openzeppelin/contracts/governance/extensions/GovernorTimelockControl.sol";
import {GovernorVotes} from "@openzeppelin/contracts/governance/extensions/GovernorVotes.sol";
import {
    GovernorVotesQuorumFraction
} from "@openzeppelin/contracts/governance/extensions/GovernorVotesQuorumFraction.sol";
import {IVotes} from "@openzeppelin/contracts/governance/utils/IVotes.sol";

/// @title The holders' vote.
/// @notice OpenZeppelin's Governor as it comes: what passes waits in the Timelock, where everybody sees it, and then
/// anyone may carry it out. It can admit validators, set the hash of the parameters, freeze a hotspot and cancel a root
/// that waits. It can move no balance, no claimed amount, no emission and no live root, because nothing asks it about
/// them.
contract FarfieldGovernor is
    Governor,
    GovernorCountingSimple,
    GovernorVotes,
    GovernorVotesQuorumFraction,
    GovernorTimelockControl
{
    uint48 private immutable _votingDelay;
    uint32 private immutable _votingPeriod;
    uint256 private immutable _proposalThreshold;

    /// @notice Nobody could vote, or a proposal could not pass.
    error BadGovernance(uint32 votingPeriodS, uint256 quorumPercent);

    /// @param token_ Whose holders vote.
    /// @param timelock_ What carries decisions out.
    /// @param votingDelayS Seconds from a proposal to its vote.
    /// @param votingPeriodS Seconds a vote lasts.
    /// @param threshold Votes it takes to propose, base units.
    /// @param quorumPercent Part of all tokens that must vote for or abstain, 1 to 100.
    constructor(
        IVotes token_,
        TimelockController timelock_,
        uint48 votingDelayS,
        uint32 votingPeriodS,
        uint256 threshold,
        uint256 quorumPercent
    )
        Governor("FarfieldGovernor")
        GovernorVotes(token_)
        GovernorVotesQuorumFraction(quorumPercent)
        GovernorTimelockControl(timelock_)
    {
        require(votingPeriodS > 0 && quorumPercent > 0, BadGovernance(votingPeriodS, quorumPercent));
        _votingDelay = votingDelayS;
        _votingPeriod = votingPeriodS;
        _proposalThreshold = threshold;
    }

    /// @notice Seconds from a proposal to its vote.
    function votingDelay() public view override returns (uint256) {
        return _votingDelay;
    }

    /// @notice Seconds a vote lasts.
    function votingPeriod() public view override returns (uint256) {
        return _votingPeriod;
    }

    /// @notice Votes it takes to propose, base units.
    function proposalThreshold() public view override returns (uint256) {
        return _proposalThreshold;
    }

    /// @inheritdoc GovernorTimelockControl
    function state(uint256 proposalId)
        public
        view
        override(Governor, GovernorTimelockControl)
        returns (ProposalState)
    {
        return super.state(proposalId);
    }

    /// @inheritdoc GovernorTimelockControl
    function proposalNeedsQueuing(uint256 proposalId)
        public
        view
        override(Governor, GovernorTimelockControl)
        returns (bool)
    {
        return super.proposalNeedsQueuing(proposalId);
    }

    function _queueOperations(
        uint256 proposalId,
        address[] memory targets,
        uint256[] memory values,
        bytes[] memory calldatas,
        bytes32 descriptionHash
    ) internal override(Governor, GovernorTimelockControl) returns (uint48) {
        return super._queueOperations(proposalId, targets, values, calldatas, descriptionHash);
    }

    function _executeOperations(
        uint256 proposalId,
        address[] memory targets,
        uint256[] memory values,
        bytes[] memory calldatas,
        bytes32 descriptionHash
    ) internal override(Governor, GovernorTimelockControl) {
        super._executeOperations(proposalId, targets, values, calldatas, descriptionHash);
    }

    function _cancel(
        address[] memory targets,
        uint256[] memory values,
        bytes[] memory calldatas,
        bytes32 descriptionHash
    ) internal override(Governor, GovernorTimelockControl) returns (uint256) {
        return super._cancel(targets, values, calldatas, descriptionHash);
    }

    function _executor() internal view override(Governor, GovernorTimelockControl) returns (address) {
        return super._executor();
    }
}
