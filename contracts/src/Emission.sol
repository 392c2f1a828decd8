// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title How many tokens there can ever be.
/// @notice E(e) = E0 >> (e / H): so many base units for an epoch, half of it after every H epochs. Nothing of it can
/// change.
abstract contract Emission {
    uint128 public immutable firstEmission;
    uint64 public immutable halvingEpochs;

    /// @notice Emission must be positive.
    error NoEmission();

    constructor(uint128 firstEmission_, uint64 halvingEpochs_) {
        require(firstEmission_ > 0 && halvingEpochs_ > 0, NoEmission());
        firstEmission = firstEmission_;
        halvingEpochs = halvingEpochs_;
    }

    /// @notice Base units emitted for one epoch: E0 >> (epoch / H).
    function emission(uint64 epoch) public view returns (uint256) {
        uint256 halvings = epoch / halvingEpochs;
        return halvings > type(uint8).max ? 0 : uint256(firstEmission) >> halvings;
    }

    /// @notice Base units emitted for epochs 0 to `epoch` together, this one included.
    /// @dev In closed form: n + (n >> 1) + ... + (n >> q - 1) is twice what q halvings take from n, less the bits that
    /// fell off, because each bit of n that falls off was once counted as half of itself too much.
    function emittedThrough(uint64 epoch) public view returns (uint256) {
        uint256 epochs = uint256(epoch) + 1;
        uint256 halvings = epochs / halvingEpochs;
        uint256 first = firstEmission;
        // After 128 halvings nothing is left of 128 bits.
        uint256 rate = halvings > 128 ? 0 : first >> halvings;
        uint256 fallen = halvings > 128 ? first : first & ((uint256(1) << halvings) - 1);
        return halvingEpochs * (2 * (first - rate) - _bits(fallen)) + rate * (epochs % halvingEpochs);
    }

    /// @dev How many bits of a 128-bit number are set.
    function _bits(uint256 x) private pure returns (uint256) {
        x -= (x >> 1) & 0x55555555555555555555555555555555;
        x = (x & 0x33333333333333333333333333333333) + ((x >> 2) & 0x33333333333333333333333333333333);
        x = (x + (x >> 4)) & 0x0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f;
        // The sum of sixteen bytes ends up in the sixteenth.
        return ((x * 0x01010101010101010101010101010101) >> 120) & 0xFF;
    }
}
