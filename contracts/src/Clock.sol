// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title The network's clock.
/// @notice Time is counted in epochs of one length since genesis. Nothing of it can change.
abstract contract Clock {
    uint256 private constant MAX_EPOCH_LENGTH = 365 days;

    uint64 public immutable genesis;
    uint64 public immutable epochLength;
    uint64 public immutable closeAfter;
    uint64 public immutable finality;
    uint64 public immutable challengeWindow;

    /// @notice D + finality + challenge window do not fit into an epoch, or the epoch's length is not sensible.
    error WindowsDoNotFit(uint256 windows, uint256 epochLength);

    constructor(
        uint64 genesis_,
        uint64 epochLength_,
        uint64 closeAfter_,
        uint64 finality_,
        uint64 challengeWindow_
    ) {
        uint256 windows = uint256(closeAfter_) + finality_ + challengeWindow_;
        require(windows < epochLength_ && epochLength_ <= MAX_EPOCH_LENGTH, WindowsDoNotFit(windows, epochLength_));
        genesis = genesis_;
        epochLength = epochLength_;
        closeAfter = closeAfter_;
        finality = finality_;
        challengeWindow = challengeWindow_;
    }

    /// @notice The epoch that runs now; 0 before genesis too.
    function currentEpoch() public view returns (uint256) {
        return _epochAt(block.timestamp);
    }

    function _epochAt(uint256 time) internal view returns (uint256) {
        return time < genesis ? 0 : (time - genesis) / epochLength;
    }

    function _endOf(uint256 epoch) internal view returns (uint256) {
        return genesis + (epoch + 1) * epochLength;
    }
}
