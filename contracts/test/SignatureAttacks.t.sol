// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Epochs} from "../src/Epochs.sol";
import {Manifests} from "../src/Manifests.sol";
import {Roots} from "../src/Roots.sol";
import {ValidatorSet} from "../src/ValidatorSet.sol";
import {Network} from "./Network.sol";
import {vm} from "./Vm.sol";

/// @dev Attacks on a quorum's signatures. Each test is one, named by what must not work;
/// attackers are whoever forge chooses.
contract SignatureAttacks is Network {
    uint256 private constant ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141;

    function setUp() public {
        deploy(4, 1_000);
        vm.warp(endOf(1));
    }

    function root1() private pure returns (Roots.EpochRoot memory) {
        return rootOf(1, bytes32("root"), 1);
    }

    function part(bytes memory packed, uint256 index) private pure returns (bytes memory one) {
        one = new bytes(65);
        for (uint256 i = 0; i < 65; ++i) {
            one[i] = packed[65 * index + i];
        }
    }

    function refuses(bytes memory packed, bytes memory reason) private {
        vm.expectRevert(reason);
        epochs.submitRoot(root1(), packed);
        require(!epochs.quorumValid(epochs.rootDigest(root1()), packed), "counted");
    }

    function testFuzz_forgedSignaturesDoNotCount(uint256 key) public {
        bytes32 digest = epochs.rootDigest(root1());
        bytes memory good = signed(digest, 7);
        key = 1 + key % (ORDER - 1);
        vm.assume(epochs.validatorOf(vm.addr(key)) == address(0));
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, digest);
        bytes memory packed = bytes.concat(part(good, 0), part(good, 1), r, s, bytes1(v));
        bool ordered = vm.addr(key) > vm.addr(keys[1]);
        bytes4 name = ordered ? ValidatorSet.UnknownSigner.selector : ValidatorSet.SignersNotAscending.selector;
        refuses(packed, abi.encodeWithSelector(name, 2));
    }

    function test_oneSignatureManyTimesIsOneSigner() public {
        bytes memory one = part(signed(epochs.rootDigest(root1()), 15), 0);
        refuses(bytes.concat(one, one, one), abi.encodeWithSelector(ValidatorSet.SignersNotAscending.selector, 1));
    }

    function testFuzz_unorderedSignaturesAreRefused(uint256 a, uint256 b) public {
        bytes memory good = signed(epochs.rootDigest(root1()), 15);
        (a, b) = (a % 4, b % 4);
        vm.assume(a < b);
        bytes memory swapped;
        for (uint256 i = 0; i < 4; ++i) {
            swapped = bytes.concat(swapped, part(good, i == a ? b : i == b ? a : i));
        }
        vm.expectRevert();
        epochs.submitRoot(root1(), swapped);
        require(!epochs.quorumValid(epochs.rootDigest(root1()), swapped), "counted");
    }

    /// @dev The second signature that fits the same key and digest: (r, n - s) with the other v.
    function test_highSIsRefused() public {
        bytes memory good = signed(epochs.rootDigest(root1()), 7);
        bytes memory one = part(good, 0);
        bytes32 s;
        assembly ("memory-safe") {
            s := mload(add(one, 64))
        }
        bytes32 flipped = bytes32(ORDER - uint256(s));
        uint8 v = uint8(one[64]) == 27 ? 28 : 27;
        for (uint256 i = 0; i < 32; ++i) {
            one[32 + i] = flipped[i];
        }
        one[64] = bytes1(v);
        bytes memory packed = bytes.concat(one, part(good, 1), part(good, 2));
        refuses(packed, abi.encodeWithSelector(ValidatorSet.BadSignature.selector, 0));
    }

    function test_aRetiredKeyDoesNotSign() public {
        uint256 old = keys[0];
        address owner = epochs.validatorOf(vm.addr(old));
        vm.prank(owner);
        epochs.setKey(vm.addr(77_001));
        // Until the boundary the old key still counts and the new one does not.
        submit(Roots.EpochRoot(1, 1, bytes32("root"), 0, 0), 7);
        vm.warp(endOf(2));
        Roots.EpochRoot memory r = Roots.EpochRoot(2, 2, bytes32("root"), 0, 0);
        bytes memory packed = signed(epochs.rootDigest(r), 7);
        vm.expectRevert(abi.encodeWithSelector(ValidatorSet.UnknownSigner.selector, 0));
        epochs.submitRoot(r, packed);
    }

    function test_aRetiredKeyDoesNotPostAgainstItsOwner() public {
        address old = vm.addr(keys[0]);
        vm.prank(epochs.validatorOf(old));
        epochs.setKey(vm.addr(77_001));
        vm.warp(endOf(2));
        bytes[] memory one = new bytes[](1);
        one[0] = new bytes(65);
        vm.expectRevert(abi.encodeWithSelector(Manifests.NotAValidator.selector, old));
        vm.prank(old);
        epochs.postManifest(1, bytes32("false"), one);
        vm.prank(vm.addr(77_001));
        epochs.postManifest(1, bytes32("true"), one);
    }

    function test_aKeyIsNeverUsedAgain() public {
        address old = vm.addr(keys[0]);
        address owner = epochs.validatorOf(old);
        vm.prank(owner);
        epochs.setKey(vm.addr(77_001));
        address other = epochs.validatorOf(vm.addr(keys[1]));
        for (uint256 i = 0; i < 2; ++i) {
            vm.expectRevert(abi.encodeWithSelector(ValidatorSet.KeyUsed.selector, old));
            vm.prank(i == 0 ? owner : other);
            epochs.setKey(old);
        }
    }

    function test_nobodyBindsTheKeyOfAnother() public {
        address stranger = address(0xBAD);
        vm.prank(address(timelock));
        epochs.admit(stranger, true);
        vm.prank(address(epochs));
        token.mint(stranger, 1 ether);
        vm.expectRevert(abi.encodeWithSelector(ValidatorSet.KeyUsed.selector, vm.addr(keys[2])));
        vm.prank(stranger);
        epochs.join(vm.addr(keys[2]), 1 ether);
    }

    function test_replayOnAnotherChainOrContract() public {
        bytes memory good = signed(epochs.rootDigest(root1()), 15);
        uint256 home = block.chainid;
        vm.chainId(home + 1);
        vm.expectRevert();
        epochs.submitRoot(root1(), good);
        vm.chainId(home);
        Epochs first = epochs;
        deploy(4, 1_000);
        vm.warp(endOf(1));
        vm.expectRevert();
        epochs.submitRoot(root1(), good);
        first.submitRoot(root1(), good);
    }

    /// @dev A veto or a pause is no root, and the other way round, even with all signatures.
    function test_signaturesOfOneKindDoNotServeAsAnother() public {
        submit(root1(), 15);
        bytes memory ofRoot = signed(epochs.rootDigest(root1()), 15);
        bytes memory ofVeto = signed(epochs.vetoDigest(1, bytes32("root")), 15);
        bytes memory ofPause = signed(epochs.pauseDigest(), 15);
        vm.expectRevert();
        epochs.veto(1, bytes32("root"), ofRoot);
        vm.expectRevert();
        epochs.veto(1, bytes32("root"), ofPause);
        vm.expectRevert();
        epochs.pause(ofVeto);
        epochs.veto(1, bytes32("root"), ofVeto);
    }
}
