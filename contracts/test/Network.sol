// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Epochs} from "../src/Epochs.sol";
import {FarfieldToken} from "../src/FarfieldToken.sol";
import {Hotspots} from "../src/Hotspots.sol";
import {vm} from "./Vm.sol";

/// @dev A network with up to 64 validators whose keys the test holds.
abstract contract Network {
    uint64 internal constant GENESIS = 1_800_000_000;
    uint64 internal constant LENGTH = 60;
    uint64 internal constant WINDOW = 10;
    uint128 internal constant FIRST_EMISSION = 1_000_000 ether;
    uint64 internal constant HALVING = 4;
    address internal constant PAYEE = address(0xA11CE);

    FarfieldToken internal token;
    Hotspots internal hotspots;
    Epochs internal epochs;
    /// @dev Signing keys, ascending by address, and their stakes in the same order.
    uint256[] internal keys;
    uint96[] internal stakes;

    function deploy(uint256 validators, uint96 stake) internal {
        uint96[] memory all = new uint96[](validators);
        for (uint256 i = 0; i < validators; ++i) {
            all[i] = stake;
        }
        deploy(all);
    }

    function deploy(uint96[] memory stakes_) internal {
        vm.warp(GENESIS);
        keys = sortedKeys(stakes_.length);
        stakes = stakes_;
        Epochs.Validator[] memory members = new Epochs.Validator[](stakes_.length);
        for (uint256 i = 0; i < members.length; ++i) {
            members[i] = Epochs.Validator(ownerOf(i), vm.addr(keys[i]), stakes_[i]);
        }
        deploy(config(), members);
    }

    function deploy(Epochs.Config memory config_, Epochs.Validator[] memory members) internal {
        address[] memory owners = new address[](members.length);
        uint256[] memory locked = new uint256[](members.length);
        for (uint256 i = 0; i < members.length; ++i) {
            (owners[i], locked[i]) = (members[i].owner, members[i].stake);
        }
        address predicted = vm.computeCreateAddress(address(this), vm.getNonce(address(this)) + 2);
        token = new FarfieldToken(predicted, owners, locked);
        hotspots = new Hotspots();
        config_.token = token;
        config_.hotspots = hotspots;
        epochs = new Epochs(config_, bytes32("params"), members);
    }

    function config() internal pure returns (Epochs.Config memory) {
        return Epochs.Config({
            token: FarfieldToken(address(0)),
            hotspots: Hotspots(address(0)),
            genesis: GENESIS,
            epochLength: LENGTH,
            closeAfter: 12,
            finality: 3,
            challengeWindow: WINDOW,
            firstEmission: FIRST_EMISSION,
            halvingEpochs: HALVING
        });
    }

    function ownerOf(uint256 index) internal pure returns (address) {
        return address(uint160(0xB000 + index));
    }

    /// @dev Private keys 1001, 1002, ... in the order of their addresses.
    function sortedKeys(uint256 count) internal pure returns (uint256[] memory sorted) {
        sorted = new uint256[](count);
        for (uint256 i = 0; i < count; ++i) {
            uint256 key = 1001 + i;
            uint256 j = i;
            while (j > 0 && vm.addr(sorted[j - 1]) > vm.addr(key)) {
                sorted[j] = sorted[j - 1];
                --j;
            }
            sorted[j] = key;
        }
    }

    function endOf(uint64 epoch) internal pure returns (uint256) {
        return GENESIS + (uint256(epoch) + 1) * LENGTH;
    }

    function rootOf(uint64 epoch, bytes32 root, uint128 total) internal pure returns (Epochs.EpochRoot memory) {
        return Epochs.EpochRoot(epoch, 1, root, bytes32("data"), total);
    }

    /// @dev Signatures of the validators whose bit is set in `mask`, in ascending order.
    function signed(bytes32 digest, uint256 mask) internal view returns (bytes memory packed) {
        for (uint256 i = 0; i < keys.length; ++i) {
            if ((mask >> i) & 1 == 0) continue;
            (uint8 v, bytes32 r, bytes32 s) = vm.sign(keys[i], digest);
            packed = bytes.concat(packed, r, s, bytes1(v));
        }
    }

    function submit(Epochs.EpochRoot memory r, uint256 mask) internal {
        epochs.submitRoot(r, signed(epochs.rootDigest(r), mask));
    }

    function everybody() internal view returns (uint256) {
        return (uint256(1) << keys.length) - 1;
    }

    /// @dev Makes a root of one leaf live.
    function grant(uint64 epoch, uint256 id, uint128 cumulative) internal {
        if (block.timestamp < endOf(epoch)) vm.warp(endOf(epoch));
        submit(rootOf(epoch, leafOf(id, cumulative), cumulative), everybody());
        vm.warp(block.timestamp + WINDOW);
    }

    function leafOf(uint256 id, uint256 cumulative) internal pure returns (bytes32) {
        return keccak256(bytes.concat(keccak256(abi.encode(id, cumulative))));
    }
}
