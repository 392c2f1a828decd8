// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Which 64-bit numbers are H3 cells.
/// @notice An H3 index is, from the top: 1 bit 0 · 4 bits mode (1 for a cell) · 3 bits 0 · 4 bits resolution · 7 bits base
/// cell (0-121) · fifteen 3-bit digits, one for each resolution, 7 where the cell has none. Twelve base cells are
/// pentagons; they have no child in direction 1, so below them the first digit that is not 0 is never 1.
library H3Cell {
    uint256 private constant BASE_CELLS = 122;
    uint256 private constant DIGITS_BITS = 45;
    /// @dev The lowest bit of each of the fifteen digits.
    uint256 private constant LOW_BITS = ((uint256(1) << DIGITS_BITS) - 1) / 7;
    /// @dev Bit b is set for a pentagon base cell: 4, 14, 24, 38, 49, 58, 63, 72, 83, 97, 107, 117.
    uint256 private constant PENTAGONS = (1 << 4) | (1 << 14) | (1 << 24) | (1 << 38) | (1 << 49) | (1 << 58)
        | (1 << 63) | (1 << 72) | (1 << 83) | (1 << 97) | (1 << 107) | (1 << 117);

    /// @notice True if `index` is an H3 cell whose resolution lies between the two given, both included.
    function isCell(uint64 index, uint256 minResolution, uint256 maxResolution) internal pure returns (bool) {
        if (index >> 56 != 0x08) return false;
        uint256 resolution = (index >> 52) & 0xF;
        if (resolution < minResolution || resolution > maxResolution) return false;
        uint256 baseCell = (index >> DIGITS_BITS) & 0x7F;
        if (baseCell >= BASE_CELLS) return false;

        uint256 unusedBits = DIGITS_BITS - 3 * resolution;
        uint256 unused = (uint256(1) << unusedBits) - 1;
        if (index & unused != unused) return false;

        uint256 digits = (index & ((uint256(1) << DIGITS_BITS) - 1)) >> unusedBits;
        // A digit of 7 has all three bits set.
        if (digits & (digits >> 1) & (digits >> 2) & LOW_BITS != 0) return false;
        return (PENTAGONS >> baseCell) & 1 == 0 || !_startsWithOne(digits);
    }

    /// @dev True if the first digit that is not 0, from the coarsest, is 1.
    function _startsWithOne(uint256 digits) private pure returns (bool) {
        while (digits > 7) digits >>= 3;
        return digits == 1;
    }
}
