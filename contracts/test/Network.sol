// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ValidatorSet} from "../src/ValidatorSet.sol";
import {Roots} from "../src/Roots.sol";
import {TimelockController} from "@openzeppelin/contracts/governance/TimelockController.sol";
import {Epochs} from "../src/Epochs.sol";
import {FarfieldGovernor} from "../src/FarfieldGovernor.sol";
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
    uint64 internal constant UNBONDING = 9;
    uint64 internal constant FOUNDER_LOCK = 365 days;
    uint128 internal constant REGISTRATION_FEE = 40 ether;
    uint128 internal constant LOCATION_FEE = 10 ether;
    uint48 internal constant VOTING_DELAY = 5;
    uint32 internal constant VOTING_PERIOD = 20;
    uint256 internal constant TIMELOCK_DELAY = 15;

    FarfieldToken internal token;
    Hotspots internal hotspots;
    Epochs internal epochs;
    TimelockController internal timelock;
    FarfieldGovernor internal governor;
    /// @dev Signing keys, ascending by address, and their stakes in whole tokens in the same order.
    uint256[] internal keys;
    uint40[] internal stakes;

    function deploy(uint256 validators, uint40 stake) internal {
        uint40[] memory all = new uint40[](validators);
        for (uint256 i = 0; i < validators; ++i) {
            all[i] = stake;
        }
        deploy(all);
    }

    function deploy(uint40[] memory stakes_) internal {
        vm.warp(GENESIS);
        keys = sortedKeys(stakes_.length);
        stakes = stakes_;
        ValidatorSet.Validator[] memory members = new ValidatorSet.Validator[](stakes_.length);
        for (uint256 i = 0; i < members.length; ++i) {
            members[i] = ValidatorSet.Validator(ownerOf(i), vm.addr(keys[i]), uint128(stakes_[i]) * 1 ether);
        }
        deploy(config(), members);
    }

    function deploy(Epochs.Config memory config_, ValidatorSet.Validator[] memory members) internal {
        address[] memory owners = new address[](members.length);
        uint256[] memory locked = new uint256[](members.length);
        for (uint256 i = 0; i < members.length; ++i) {
            (owners[i], locked[i]) = (members[i].owner, members[i].stake);
        }
        uint64 nonce = vm.getNonce(address(this));
        address predicted = vm.computeCreateAddress(address(this), nonce + 3);
        timelock = timelockOf(vm.computeCreateAddress(address(this), nonce + 4));
        token = FarfieldToken(create("FarfieldToken", abi.encode(predicted, owners, locked)));
        bytes memory registry = abi.encode(token, predicted, timelock, REGISTRATION_FEE, LOCATION_FEE);
        hotspots = Hotspots(create("Hotspots", registry));
        (config_.token, config_.hotspots, config_.timelock) = (token, hotspots, address(timelock));
        epochs = Epochs(create("Epochs", abi.encode(config_, bytes32("params"), members)));
        bytes memory rules = abi.encode(token, timelock, VOTING_DELAY, VOTING_PERIOD, 1 ether, 10);
        governor = FarfieldGovernor(payable(create("FarfieldGovernor", rules)));
    }

    /// @dev Creates from the compiled code rather than with `new`, which would compile it anew into every test.
    function create(string memory name, bytes memory arguments) internal returns (address at) {
        bytes memory code = bytes.concat(vm.getCode(string.concat("out/", name, ".sol/", name, ".json")), arguments);
        assembly ("memory-safe") {
            at := create(0, add(code, 0x20), mload(code))
        }
        require(at != address(0), name);
    }

    function timelockOf(address proposer) internal returns (TimelockController) {
        address[] memory proposers = new address[](1);
        proposers[0] = proposer;
        // Account 0 stands for everybody.
        bytes memory roles = abi.encode(TIMELOCK_DELAY, proposers, new address[](1), address(0));
        return TimelockController(payable(create("TimelockController", roles)));
    }

    function config() internal pure returns (Epochs.Config memory) {
        return Epochs.Config({
            token: FarfieldToken(address(0)),
            hotspots: Hotspots(address(0)),
            timelock: address(0),
            genesis: GENESIS,
            epochLength: LENGTH,
            closeAfter: 12,
            finality: 3,
            challengeWindow: WINDOW,
            firstEmission: FIRST_EMISSION,
            halvingEpochs: HALVING,
            unbondingEpochs: UNBONDING,
            founderLock: FOUNDER_LOCK
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

    function rootOf(uint64 epoch, bytes32 root, uint128 total) internal pure returns (Roots.EpochRoot memory) {
        return Roots.EpochRoot(epoch, 1, root, bytes32("data"), total);
    }

    /// @dev Signatures of the validators whose bit is set in `mask`, in ascending order.
    function signed(bytes32 digest, uint256 mask) internal view returns (bytes memory packed) {
        for (uint256 i = 0; i < keys.length; ++i) {
            if ((mask >> i) & 1 == 0) continue;
            (uint8 v, bytes32 r, bytes32 s) = vm.sign(keys[i], digest);
            packed = bytes.concat(packed, r, s, bytes1(v));
        }
    }

    function submit(Roots.EpochRoot memory r, uint256 mask) internal {
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
