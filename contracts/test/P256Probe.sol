// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {P256} from "@openzeppelin/contracts/utils/cryptography/P256.sol";

/// @dev What Hotspots asks of the library, open to test vectors: with the precompile where there is one, and without.
contract P256Probe {
    function verify(bytes32 digest, bytes32 r, bytes32 s, bytes32 x, bytes32 y) external view returns (bool) {
        return P256.verify(digest, r, s, x, y);
    }

    function verifySolidity(bytes32 digest, bytes32 r, bytes32 s, bytes32 x, bytes32 y) external view returns (bool) {
        return P256.verifySolidity(digest, r, s, x, y);
    }
}
