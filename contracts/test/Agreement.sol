// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Hashes} from "@openzeppelin/contracts/utils/cryptography/Hashes.sol";
import {Epochs} from "../src/Epochs.sol";
import {Hotspots} from "../src/Hotspots.sol";
import {Roots} from "../src/Roots.sol";

/// @dev Asks the deployed contracts about thousands of cases in one call, so that another implementation of the same
/// rules can be held against them. Cases come packed, one after the other; so do the answers.
contract Agreement {
    /// @dev epoch 8 | setId 8 | root 32 | dataHash 32 | cumTotal 16.
    function rootDigests(Epochs epochs, bytes calldata cases) external view returns (bytes memory answers) {
        uint256 count = cases.length / 96;
        answers = new bytes(32 * count);
        for (uint256 i = 0; i < count; ++i) {
            bytes calldata one = cases[96 * i:96 * (i + 1)];
            bytes32 digest = epochs.rootDigest(
                _rootOf(
                    uint64(bytes8(one[0:8])),
                    uint64(bytes8(one[8:16])),
                    bytes32(one[16:48]),
                    bytes32(one[48:80]),
                    uint128(bytes16(one[80:96]))
                )
            );
            _put(answers, i, digest);
        }
    }

    function _rootOf(uint64 epoch, uint64 setId, bytes32 root, bytes32 dataHash, uint128 cumTotal)
        private
        pure
        returns (Roots.EpochRoot memory)
    {
        return Roots.EpochRoot(epoch, setId, root, dataHash, cumTotal);
    }

    /// @dev epoch 8 | root 32.
    function vetoDigests(Epochs epochs, bytes calldata cases) external view returns (bytes memory answers) {
        uint256 count = cases.length / 40;
        answers = new bytes(32 * count);
        for (uint256 i = 0; i < count; ++i) {
            bytes calldata one = cases[40 * i:40 * (i + 1)];
            _put(answers, i, epochs.vetoDigest(uint64(bytes8(one[0:8])), bytes32(one[8:40])));
        }
    }

    /// @dev x 32 | y 32.
    function ids(Hotspots hotspots, bytes calldata cases) external pure returns (bytes memory answers) {
        uint256 count = cases.length / 64;
        answers = new bytes(32 * count);
        for (uint256 i = 0; i < count; ++i) {
            bytes calldata one = cases[64 * i:64 * (i + 1)];
            _put(answers, i, bytes32(hotspots.idOf(uint256(bytes32(one[0:32])), uint256(bytes32(one[32:64])))));
        }
    }

    /// @dev x 32 | y 32 | owner 20 | cell 8 | gain 2 | elevation 2 | kind 1.
    function registrationHashes(Hotspots hotspots, bytes calldata cases) external view returns (bytes memory answers) {
        uint256 count = cases.length / 97;
        answers = new bytes(32 * count);
        for (uint256 i = 0; i < count; ++i) {
            bytes calldata one = cases[97 * i:97 * (i + 1)];
            bytes32 digest = hotspots.registrationHash(
                uint256(bytes32(one[0:32])),
                uint256(bytes32(one[32:64])),
                address(bytes20(one[64:84])),
                uint64(bytes8(one[84:92])),
                int16(uint16(bytes2(one[92:94]))),
                int16(uint16(bytes2(one[94:96]))),
                uint8(one[96])
            );
            _put(answers, i, digest);
        }
    }

    /// @dev id 32 | cumulative 32. The expression of Roots._requireLeaf, whose own answers `claims` gives.
    function leaves(bytes calldata cases) external pure returns (bytes memory answers) {
        uint256 count = cases.length / 64;
        answers = new bytes(32 * count);
        for (uint256 i = 0; i < count; ++i) {
            bytes calldata one = cases[64 * i:64 * (i + 1)];
            bytes32 leaf = keccak256(abi.encode(Hashes.efficientKeccak256(bytes32(one[0:32]), bytes32(one[32:64]))));
            _put(answers, i, leaf);
        }
    }

    /// @dev One byte each: 0 if the contract paid, else the first byte of why not.
    function claims(Epochs epochs, Epochs.Claim[] calldata cases) external returns (bytes memory answers) {
        answers = new bytes(cases.length);
        for (uint256 i = 0; i < cases.length; ++i) {
            try epochs.claim(cases[i].id, cases[i].cumulative, cases[i].proof) {
                answers[i] = 0;
            } catch (bytes memory why) {
                answers[i] = why[0];
            }
        }
    }

    /// @dev One byte each: 1 if the signatures are a quorum.
    function quorums(Epochs epochs, bytes32[] calldata digests, bytes[] calldata signatures)
        external
        view
        returns (bytes memory answers)
    {
        answers = new bytes(digests.length);
        for (uint256 i = 0; i < digests.length; ++i) {
            answers[i] = epochs.quorumValid(digests[i], signatures[i]) ? bytes1(0x01) : bytes1(0x00);
        }
    }

    function _put(bytes memory answers, uint256 i, bytes32 answer) private pure {
        assembly ("memory-safe") {
            mstore(add(add(answers, 32), mul(i, 32)), answer)
        }
    }
}
