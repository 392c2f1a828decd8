// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Faults} from "../src/Faults.sol";
import {Manifests} from "../src/Manifests.sol";
import {Roots} from "../src/Roots.sol";
import {ValidatorSet} from "../src/ValidatorSet.sol";
import {Network} from "./Network.sol";
import {vm} from "./Vm.sol";

/// @dev Attacks on stakes, slashing and suspension. Each test is one, named by what must not work;
/// attackers are whoever forge chooses.
contract StakeAttacks is Network {
    function setUp() public {
        deploy(4, 1_000);
        vm.warp(endOf(1));
    }

    function one(uint256 key, bytes32 digest) private pure returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, digest);
        return bytes.concat(r, s, bytes1(v));
    }

    function contradiction(uint64 setA, uint64 setB)
        private
        view
        returns (Roots.EpochRoot memory a, Roots.EpochRoot memory b, bytes memory sigA, bytes memory sigB)
    {
        a = Roots.EpochRoot(1, setA, bytes32("a"), 0, 1);
        b = Roots.EpochRoot(1, setB, bytes32("b"), 0, 1);
        (sigA, sigB) = (one(keys[0], epochs.rootDigest(a)), one(keys[0], epochs.rootDigest(b)));
    }

    function test_equivocationCostsTheStakeOnce() public {
        address owner = epochs.validatorOf(vm.addr(keys[0]));
        (Roots.EpochRoot memory a, Roots.EpochRoot memory b, bytes memory sigA, bytes memory sigB) =
            contradiction(1, 1);
        vm.prank(PAYEE);
        epochs.slashEquivocation(a, b, sigA, sigB);
        require(token.balanceOf(owner) == 0 && token.lockedOf(owner) == 0, "stake");
        require(token.balanceOf(PAYEE) == 100 ether && token.burned() == 900 ether, "a tenth");
        vm.expectRevert(abi.encodeWithSelector(ValidatorSet.NothingStaked.selector, owner));
        epochs.slashEquivocation(a, b, sigA, sigB);
        vm.expectRevert(abi.encodeWithSelector(ValidatorSet.NothingStaked.selector, owner));
        epochs.slashEquivocation(b, a, sigB, sigA);
        // It belongs to the set until the boundary, which nobody can move, and not any longer.
        require(epochs.isMember(vm.addr(keys[0])) && epochs.totalStake() == 4_000 ether, "the set stands still");
        vm.warp(endOf(2));
        require(!epochs.isMember(vm.addr(keys[0])) && epochs.totalStake() == 3_000 ether, "the set moved on");
        require(!epochs.accountOf(owner).admitted, "may return unasked");
    }

    /// @dev Holders take a slashed validator back; what it was slashed for takes nothing more.
    function test_evidenceIsSpentWithTheStakeItTook() public {
        address owner = epochs.validatorOf(vm.addr(keys[0]));
        (Roots.EpochRoot memory a, Roots.EpochRoot memory b, bytes memory sigA, bytes memory sigB) =
            contradiction(1, 1);
        epochs.slashEquivocation(a, b, sigA, sigB);
        vm.prank(address(epochs));
        token.mint(owner, 500 ether);
        vm.prank(address(timelock));
        epochs.admit(owner, true);
        vm.prank(owner);
        epochs.join(vm.addr(777), 500 ether);
        vm.expectRevert(abi.encodeWithSelector(ValidatorSet.NothingStaked.selector, owner));
        epochs.slashEquivocation(a, b, sigA, sigB);
        require(token.lockedOf(owner) == 500 ether, "the new stake");
        // What it signs with its new key, and with the one after, still costs it everything.
        vm.prank(owner);
        epochs.setKey(vm.addr(778));
        (sigA, sigB) = (one(777, epochs.rootDigest(a)), one(777, epochs.rootDigest(b)));
        epochs.slashEquivocation(a, b, sigA, sigB);
        require(token.lockedOf(owner) == 0, "the new key");
    }

    function test_aStakeThatWasFreedAnswersForNoLaterOne() public {
        address owner = epochs.validatorOf(vm.addr(keys[0]));
        vm.prank(owner);
        epochs.leave();
        vm.warp(epochs.unlocksAt(owner));
        vm.prank(owner);
        epochs.unlockStake();
        vm.prank(owner);
        epochs.join(vm.addr(777), 1_000 ether);
        (Roots.EpochRoot memory a, Roots.EpochRoot memory b, bytes memory sigA, bytes memory sigB) =
            contradiction(1, 1);
        vm.expectRevert(abi.encodeWithSelector(ValidatorSet.NothingStaked.selector, owner));
        epochs.slashEquivocation(a, b, sigA, sigB);
    }

    /// @dev A stake that is still locked answers for the keys it had before, whoever returns with it.
    function test_returningWithTheSameStakeDoesNotClearIt() public {
        address owner = epochs.validatorOf(vm.addr(keys[0]));
        vm.prank(owner);
        epochs.leave();
        vm.prank(owner);
        epochs.join(vm.addr(777), 1_000 ether);
        (Roots.EpochRoot memory a, Roots.EpochRoot memory b, bytes memory sigA, bytes memory sigB) =
            contradiction(1, 1);
        epochs.slashEquivocation(a, b, sigA, sigB);
        require(token.lockedOf(owner) == 0, "the old key");
    }

    function test_signingAgainForAnotherSetIsHonest() public {
        (Roots.EpochRoot memory a, Roots.EpochRoot memory b, bytes memory sigA, bytes memory sigB) =
            contradiction(1, 2);
        vm.expectRevert(Faults.NoContradiction.selector);
        epochs.slashEquivocation(a, b, sigA, sigB);
    }

    function test_signingTheSameTwiceIsHonest() public {
        (Roots.EpochRoot memory a,, bytes memory sigA,) = contradiction(1, 1);
        vm.expectRevert(Faults.NoContradiction.selector);
        epochs.slashEquivocation(a, a, sigA, sigA);
    }

    function test_signingTwoEpochsIsHonest() public {
        (Roots.EpochRoot memory a, Roots.EpochRoot memory b, bytes memory sigA,) = contradiction(1, 1);
        b.epoch = 2;
        bytes memory sigB = one(keys[0], epochs.rootDigest(b));
        vm.expectRevert(Faults.NoContradiction.selector);
        epochs.slashEquivocation(a, b, sigA, sigB);
    }

    function test_twoSignersContradictNobody() public {
        (Roots.EpochRoot memory a, Roots.EpochRoot memory b, bytes memory sigA,) = contradiction(1, 1);
        bytes memory sigB = one(keys[1], epochs.rootDigest(b));
        vm.expectRevert(
            abi.encodeWithSelector(Faults.NotOneSigner.selector, vm.addr(keys[0]), vm.addr(keys[1]))
        );
        epochs.slashEquivocation(a, b, sigA, sigB);
    }

    function testFuzz_noiseSlashesNobody(bytes calldata a, bytes calldata b) public {
        (Roots.EpochRoot memory ra, Roots.EpochRoot memory rb,,) = contradiction(1, 1);
        vm.expectRevert();
        epochs.slashEquivocation(ra, rb, a, b);
    }

    /// @dev Leaving first does not save a stake, nor does another key.
    function test_evidenceWorksWhileTheStakeUnbonds() public {
        address owner = epochs.validatorOf(vm.addr(keys[0]));
        (Roots.EpochRoot memory a, Roots.EpochRoot memory b, bytes memory sigA, bytes memory sigB) =
            contradiction(1, 1);
        vm.prank(owner);
        epochs.setKey(vm.addr(77_001));
        vm.prank(owner);
        epochs.leave();
        uint256 free = epochs.unlocksAt(owner);
        require(free >= GENESIS + FOUNDER_LOCK, "founders wait a year");
        vm.warp(free - 1);
        vm.expectRevert(abi.encodeWithSelector(ValidatorSet.StillBonded.selector, free));
        vm.prank(owner);
        epochs.unlockStake();
        epochs.slashEquivocation(a, b, sigA, sigB);
        require(token.balanceOf(owner) == 0, "kept");
        vm.warp(free);
        vm.expectRevert(abi.encodeWithSelector(ValidatorSet.NothingStaked.selector, owner));
        vm.prank(owner);
        epochs.unlockStake();
    }

    function test_stakesBuyNoVoteTwice() public {
        address owner = epochs.validatorOf(vm.addr(keys[0]));
        vm.expectRevert(abi.encodeWithSelector(ValidatorSet.AlreadyMember.selector, owner));
        vm.prank(owner);
        epochs.join(vm.addr(77_001), 1_000 ether);
        vm.prank(owner);
        epochs.leave();
        vm.expectRevert(abi.encodeWithSelector(ValidatorSet.StakeBelowLocked.selector, 1 ether, 1_000 ether));
        vm.prank(owner);
        epochs.join(vm.addr(77_001), 1 ether);
        vm.prank(owner);
        epochs.join(vm.addr(77_001), 1_000 ether);
        require(token.lockedOf(owner) == 1_000 ether, "locked twice");
        vm.warp(endOf(2));
        require(epochs.totalStake() == 4_000 ether && epochs.isMember(vm.addr(77_001)), "counted twice");
        require(!epochs.isMember(vm.addr(keys[0])), "two keys");
    }

    // --- suspending -------------------------------------------------------------------------------------------------

    function post(uint256 mask, uint64 from, uint64 to) private {
        bytes[] memory signatures = new bytes[](1);
        signatures[0] = new bytes(65);
        for (uint256 i = 0; i < keys.length; ++i) {
            for (uint64 epoch = from; (mask >> i) & 1 == 1 && epoch <= to; ++epoch) {
                vm.prank(vm.addr(keys[i]));
                epochs.postManifest(epoch, bytes32("m"), signatures);
            }
        }
    }

    function owner3() private view returns (address) {
        return epochs.validatorOf(vm.addr(keys[3]));
    }

    function testFuzz_suspendPurgesNobodyWhileAThirdOrLessPosts(uint256 mask) public {
        mask = mask % 8; // never the last
        vm.warp(endOf(8));
        post(mask, 2, 8);
        vm.warp(endOf(8) + 12);
        address owner = owner3();
        uint256 posters = (mask & 1) + (mask >> 1 & 1) + (mask >> 2 & 1);
        if (posters <= 1) {
            vm.expectRevert(
                abi.encodeWithSelector(Manifests.TooFewPosted.selector, 2, posters * 1_000 ether, 4_000 ether)
            );
        }
        epochs.suspend(owner);
        require((epochs.memberOf(vm.addr(keys[3])).until == type(uint24).max) == (posters <= 1), "suspended");
        require(token.lockedOf(owner) == 1_000 ether, "a suspended stake is not touched");
    }

    function testFuzz_whoPostedOnceInSevenStays(uint64 epoch) public {
        epoch = 2 + epoch % 7;
        vm.warp(endOf(8) + 12);
        post(7, 2, 8);
        post(8, epoch, epoch);
        address owner = owner3();
        vm.expectRevert(abi.encodeWithSelector(Manifests.StillPosting.selector, owner, epoch));
        epochs.suspend(owner);
    }

    function test_oneEpochWithoutTheOthersIsNoEvidence() public {
        vm.warp(endOf(8) + 12);
        post(7, 2, 4);
        post(7, 6, 8);
        address owner = owner3();
        vm.expectRevert(abi.encodeWithSelector(Manifests.TooFewPosted.selector, 5, 0, 4_000 ether));
        epochs.suspend(owner);
    }

    /// @dev Stake that left does not make the posts of earlier epochs weigh more.
    function test_aShrinkingSetDoesNotLowerTheBar() public {
        vm.warp(endOf(8) + 12);
        post(1, 2, 8);
        for (uint256 i = 1; i < 3; ++i) {
            vm.prank(epochs.validatorOf(vm.addr(keys[i])));
            epochs.leave();
        }
        address owner = owner3();
        vm.expectRevert(abi.encodeWithSelector(Manifests.TooFewPosted.selector, 2, 1_000 ether, 4_000 ether));
        epochs.suspend(owner);
    }

    function test_whoJustJoinedIsNotJudgedByWhatWasBefore() public {
        address owner = owner3();
        vm.prank(owner);
        epochs.leave();
        vm.prank(owner);
        epochs.join(vm.addr(77_001), 1_000 ether);
        vm.warp(endOf(8) + 12);
        post(7, 2, 8);
        vm.expectRevert(abi.encodeWithSelector(Manifests.MemberForTooShort.selector, owner, 3));
        epochs.suspend(owner);
    }

    function test_theSuspendedReturnWithTheirOldStake() public {
        vm.warp(endOf(8) + 12);
        post(7, 2, 8);
        address owner = owner3();
        epochs.suspend(owner);
        vm.prank(owner);
        epochs.join(vm.addr(77_001), 1_000 ether);
        vm.warp(endOf(9));
        require(epochs.isMember(vm.addr(77_001)) && epochs.totalStake() == 4_000 ether, "not back");
    }
}
