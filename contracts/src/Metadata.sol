// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Base64} from "@openzeppelin/contracts/utils/Base64.sol";
import {Strings} from "@openzeppelin/contracts/utils/Strings.sol";

/// @title What wallets and markets show of a hotspot (ERC-1155 metadata).
library Metadata {
    bytes16 private constant HEX = "0123456789abcdef";
    /// @dev H3 writes a cell as fifteen hexadecimal digits: the topmost of its sixteen is always 0.
    uint256 private constant CELL_DIGITS = 15;
    uint256 private constant SHORT_ID_DIGITS = 8;

    /// @notice A data URI of JSON: name, cell and kind.
    function uri(uint256 id, uint64 cell, uint8 kind) internal pure returns (string memory) {
        bytes memory json = abi.encodePacked(
            "{\"name\":\"Farfield hotspot ",
            _hex(id >> (256 - 4 * SHORT_ID_DIGITS), SHORT_ID_DIGITS),
            "\",\"description\":\"10,000 shares of the income of hotspot ",
            Strings.toHexString(id, 32),
            "\",\"properties\":{\"cell\":\"",
            _hex(cell, CELL_DIGITS),
            "\",\"kind\":\"",
            _nameOf(kind),
            "\"}}"
        );
        return string.concat("data:application/json;base64,", Base64.encode(json));
    }

    function _nameOf(uint8 kind) private pure returns (string memory) {
        if (kind == 0) return "fixed";
        if (kind == 1) return "mapper";
        return kind == 2 ? "fixed Wi-Fi" : "mapper Wi-Fi";
    }

    function _hex(uint256 value, uint256 digits) private pure returns (string memory) {
        bytes memory text = new bytes(digits);
        for (uint256 i = digits; i > 0; --i) {
            text[i - 1] = HEX[value & 0xF];
            value >>= 4;
        }
        return string(text);
    }
}
