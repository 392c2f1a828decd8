// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Epochs} from "../src/Epochs.sol";
import {Manifests} from "../src/Manifests.sol";
import {Roots} from "../src/Roots.sol";
import {ValidatorSet} from "../src/ValidatorSet.sol";
import {Network} from "./Network.sol";
import {vm} from "./Vm.sol";

/// @dev Attacks on a root, its window, a veto and a pause. Each test is one, named by what must not work;
/// attackers are whoever forge chooses.
contract RootAttacks is Network {
    bytes32[] private none;

    function setUp() public {
        deploy(4, 1_000);
    }

    function refuses(Roots.EpochRoot memory r, bytes memory reason) private {
        bytes memory good = signed(epochs.rootDigest(r), 15);
        vm.expectRevert(reason);
        epochs.submitRoot(r, good);
    }

    function testFuzz_anEpochThatHasNotEnded(uint64 ahead) public {
        vm.warp(endOf(3));
        uint64 epoch = 4 + ahead % (type(uint64).max - 4);
        uint256 end = uint256(GENESIS) + (uint256(epoch) + 1) * LENGTH;
        refuses(rootOf(epoch, 0, 0), abi.encodeWithSelector(Manifests.EpochNotOver.selector, epoch, end));
    }

    function testFuzz_oneUnitAboveTheCap(uint64 epoch) public {
        epoch = 1 + epoch % 1_000;
        vm.warp(endOf(epoch));
        uint128 cap = uint128(epochs.emittedThrough(epoch));
        refuses(rootOf(epoch, 0, cap + 1), abi.encodeWithSelector(Roots.AboveEmission.selector, cap + 1, cap));
        submit(rootOf(epoch, 0, cap), 15);
    }

    function testFuzz_aPendingRootIsNotOverwritten(uint256 wait) public {
        vm.warp(endOf(1));
        submit(rootOf(1, bytes32("first"), 1), 15);
        uint256 active = block.timestamp + WINDOW;
        vm.warp(endOf(1) + wait % WINDOW);
        refuses(rootOf(1, bytes32("other"), 1), abi.encodeWithSelector(Roots.EpochNotNew.selector, 1, 1));
        vm.warp(active - 1);
        require(epochs.pending().root == bytes32("first"), "overwritten");
        // Even a root of a later epoch, were there one, has to wait.
        Epochs.Config memory c = config();
        require(c.challengeWindow < c.epochLength, "windows");
        vm.warp(active);
        require(epochs.live().root == bytes32("first"), "not live");
    }

    function test_aLaterRootWaitsForThePendingOne() public {
        vm.warp(endOf(5));
        submit(rootOf(1, bytes32("first"), 1), 15);
        uint64 active = uint64(block.timestamp) + WINDOW;
        refuses(rootOf(2, bytes32("second"), 1), abi.encodeWithSelector(Roots.RootPending.selector, 1, active));
    }

    function test_aTotalDoesNotFall() public {
        vm.warp(endOf(5));
        submit(rootOf(1, bytes32("first"), 100), 15);
        vm.warp(block.timestamp + WINDOW);
        refuses(rootOf(2, 0, 99), abi.encodeWithSelector(Roots.TotalFell.selector, 99, 100));
    }

    /// @dev A dropped root must not lower what the next one is compared with, nor be brought again.
    function test_aDroppedRootLeavesNothingBehind() public {
        vm.warp(endOf(5));
        submit(rootOf(1, bytes32("live"), 100), 15);
        vm.warp(block.timestamp + WINDOW);
        Roots.EpochRoot memory bad = rootOf(2, bytes32("bad"), 500);
        submit(bad, 15);
        epochs.veto(2, bytes32("bad"), signed(epochs.vetoDigest(2, bytes32("bad")), 3));
        vm.warp(block.timestamp + 365 days);
        require(epochs.live().root == bytes32("live") && epochs.pending().epoch == 0, "dropped");
        refuses(bad, abi.encodeWithSelector(Roots.EpochNotNew.selector, 2, 2));
        refuses(rootOf(3, 0, 99), abi.encodeWithSelector(Roots.TotalFell.selector, 99, 100));
        submit(rootOf(3, bytes32("next"), 101), 15);
        require(epochs.live().root == bytes32("live") && epochs.pending().root == bytes32("next"), "next");
        vm.warp(block.timestamp + WINDOW);
        require(epochs.live().root == bytes32("next"), "not live");
    }

    function testFuzz_aThirdDoesNotVeto(uint256 mask) public {
        vm.warp(endOf(1));
        submit(rootOf(1, bytes32("root"), 1), 15);
        mask = 1 + mask % 15;
        bytes memory signatures = signed(epochs.vetoDigest(1, bytes32("root")), mask);
        bool alone = mask & (mask - 1) == 0;
        if (alone) vm.expectRevert(abi.encodeWithSelector(ValidatorSet.NotAThird.selector, 1_000 ether, 4_000 ether));
        epochs.veto(1, bytes32("root"), signatures);
        require((epochs.pending().epoch == 0) != alone, "veto");
    }

    function test_exactlyAThirdDoesNotVetoOrPause() public {
        deploy(3, 5);
        vm.warp(endOf(1));
        submit(rootOf(1, bytes32("root"), 1), 7);
        bytes memory veto = signed(epochs.vetoDigest(1, bytes32("root")), 1);
        vm.expectRevert(abi.encodeWithSelector(ValidatorSet.NotAThird.selector, 5 ether, 15 ether));
        epochs.veto(1, bytes32("root"), veto);
        bytes memory pause = signed(epochs.pauseDigest(), 2);
        vm.expectRevert(abi.encodeWithSelector(ValidatorSet.NotAThird.selector, 5 ether, 15 ether));
        epochs.pause(pause);
    }

    function test_nobodyDropsALiveRoot() public {
        grant(1, uint160(PAYEE), 100);
        Roots.Root memory live = epochs.live();
        bytes memory veto = signed(epochs.vetoDigest(1, live.root), 15);
        bytes memory reason = abi.encodeWithSelector(Roots.NotPending.selector, 1, live.root);
        vm.expectRevert(reason);
        epochs.veto(1, live.root, veto);
        vm.expectRevert(abi.encodeWithSelector(Roots.NotPending.selector, 1, bytes32(0)));
        vm.prank(address(timelock));
        epochs.cancelRoot(1);
        vm.expectRevert(abi.encodeWithSelector(Roots.NotPending.selector, 0, bytes32(0)));
        epochs.cancelByProof(uint160(PAYEE), 100, none, 50, none);
        require(epochs.live().root == live.root, "dropped");
    }

    function testFuzz_theProofOfAFallDropsARoot(uint128 before, uint128 after_) public {
        before = uint128(1 + before % FIRST_EMISSION);
        after_ = uint128(after_ % FIRST_EMISSION);
        grant(1, uint160(PAYEE), before);
        vm.warp(endOf(2));
        submit(rootOf(2, leafOf(uint160(PAYEE), after_), before > after_ ? before : after_), 15);
        bool fell = after_ < before;
        if (!fell) {
            vm.expectRevert(
                abi.encodeWithSelector(Roots.DidNotFall.selector, uint256(uint160(PAYEE)), before, after_)
            );
        }
        epochs.cancelByProof(uint160(PAYEE), before, none, after_, none);
        require((epochs.pending().epoch == 0) == fell, "dropped");
        // The honest amount is still claimed from the live root.
        epochs.claim(uint160(PAYEE), before, none);
    }

    function test_theProofMustBeOfTheseTwoRoots() public {
        grant(1, uint160(PAYEE), 100);
        vm.warp(endOf(2));
        submit(rootOf(2, leafOf(uint160(PAYEE), 150), 150), 15);
        bytes memory reason = abi.encodeWithSelector(Roots.BadProof.selector, uint256(uint160(PAYEE)));
        vm.expectRevert(reason);
        epochs.cancelByProof(uint160(PAYEE), 151, none, 150, none);
        vm.expectRevert(reason);
        epochs.cancelByProof(uint160(PAYEE), 100, none, 99, none);
    }

    // --- pausing --------------------------------------------------------------------------------------------------

    function test_aPauseStopsRootsAndClaimsAndExpires() public {
        grant(1, uint160(PAYEE), 100);
        epochs.pause(signed(epochs.pauseDigest(), 3));
        uint256 until = block.timestamp + 7 days;
        require(epochs.pausedUntil() == until, "until");
        vm.warp(endOf(2));
        bytes memory reason = abi.encodeWithSelector(Roots.IsPaused.selector, until);
        refuses(rootOf(2, 0, 100), reason);
        vm.expectRevert(reason);
        epochs.claim(uint160(PAYEE), 100, none);
        vm.expectRevert(reason);
        epochs.claimMany(new Epochs.Claim[](0));
        vm.warp(until);
        epochs.claim(uint160(PAYEE), 100, none);
        submit(rootOf(2, 0, 100), 15);
    }

    function testFuzz_aPauseIsNotRenewed(uint256 wait) public {
        bytes memory first = signed(epochs.pauseDigest(), 15);
        epochs.pause(first);
        uint256 notBefore = block.timestamp + 37 days;
        bytes memory second = signed(epochs.pauseDigest(), 15);
        vm.warp(block.timestamp + wait % 37 days);
        vm.expectRevert(abi.encodeWithSelector(Roots.PauseTooSoon.selector, notBefore));
        epochs.pause(second);
        vm.warp(notBefore);
        // The signatures of the first do not serve again.
        vm.expectRevert();
        epochs.pause(first);
        epochs.pause(second);
    }
}
