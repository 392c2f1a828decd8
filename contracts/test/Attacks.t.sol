// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC1155Errors} from "@openzeppelin/contracts/interfaces/draft-IERC6093.sol";
import {Clock} from "../src/Clock.sol";
import {Epochs} from "../src/Epochs.sol";
import {FarfieldToken} from "../src/FarfieldToken.sol";
import {Faults} from "../src/Faults.sol";
import {Hotspots} from "../src/Hotspots.sol";
import {Manifests} from "../src/Manifests.sol";
import {Roots} from "../src/Roots.sol";
import {ValidatorSet} from "../src/ValidatorSet.sol";
import {Devices} from "./Devices.sol";
import {Network} from "./Network.sol";
import {vm} from "./Vm.sol";

/// @dev Each test is one attack, named by what must not work. Attackers are whoever forge chooses.
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

contract ClaimAttacks is Network, Devices {
    bytes32[] private none;

    function setUp() public {
        deploy(4, 1_000);
    }

    function testFuzz_aClaimForSomebodyElsePaysThem(address thief, uint128 amount) public {
        vm.assume(thief != PAYEE && thief != address(0) && token.balanceOf(thief) == 0);
        amount = uint128(1 + amount % FIRST_EMISSION);
        grant(1, uint160(PAYEE), amount);
        vm.prank(thief);
        epochs.claim(uint160(PAYEE), amount, none);
        require(token.balanceOf(PAYEE) == amount && token.balanceOf(thief) == 0, "paid the thief");
        vm.expectRevert(abi.encodeWithSelector(Roots.BadProof.selector, uint256(uint160(thief))));
        vm.prank(thief);
        epochs.claim(uint160(thief), amount, none);
    }

    function test_anUnregisteredHotspotIsNotPaid() public {
        uint256 id = (1 << 255) | 77;
        grant(1, id, 100);
        vm.expectRevert(abi.encodeWithSelector(Hotspots.NotRegistered.selector, id));
        epochs.claim(id, 100, none);
        require(token.minted() == 0 && epochs.claimed(id) == 0, "paid");
    }

    /// @dev The leaves of a root come to more than its total: the last of them is not paid.
    function test_aTreeAboveItsTotalPaysNoMore() public {
        vm.warp(endOf(1));
        bytes32 a = leafOf(uint160(PAYEE), 60);
        bytes32 b = leafOf(0xB0B, 60);
        bytes32 root = a < b ? keccak256(bytes.concat(a, b)) : keccak256(bytes.concat(b, a));
        submit(rootOf(1, root, 100), 15);
        vm.warp(block.timestamp + WINDOW);
        bytes32[] memory proof = new bytes32[](1);
        proof[0] = b;
        epochs.claim(uint160(PAYEE), 60, proof);
        proof[0] = a;
        vm.expectRevert(abi.encodeWithSelector(Epochs.AboveTotal.selector, 120, 100));
        epochs.claim(0xB0B, 60, proof);
    }

    /// @dev Burning makes no room for more minting.
    function test_burningDoesNotRaiseTheCap() public {
        grant(1, uint160(PAYEE), 100);
        epochs.claim(uint160(PAYEE), 100, none);
        vm.prank(PAYEE);
        token.burn(100);
        require(token.minted() == 100 && epochs.totalClaimed() == 100, "minted");
        vm.expectRevert(abi.encodeWithSelector(Epochs.NothingToClaim.selector, uint256(uint160(PAYEE)), 100));
        epochs.claim(uint160(PAYEE), 100, none);
    }

    // --- shares -----------------------------------------------------------------------------------------------------

    /// @dev A device with a key of its own and an owner who never had a coin: somebody relays, the fee is burned from
    /// what comes in first, and the rest is the owner's.
    function test_anOwnerWithNothingRegistersEarnsAndCollects() public {
        uint256 id = register(hotspots, 1, PAYEE);
        require(PAYEE.balance == 0 && token.balanceOf(PAYEE) == 0, "has something");
        grant(1, id, REGISTRATION_FEE / 2);
        epochs.claim(id, REGISTRATION_FEE / 2, none);
        require(hotspots.debtOf(id) == REGISTRATION_FEE / 2 && hotspots.collectable(id, PAYEE) == 0, "debt first");
        grant(2, id, REGISTRATION_FEE + 30_000);
        epochs.claim(id, REGISTRATION_FEE + 30_000, none);
        require(hotspots.debtOf(id) == 0 && token.burned() == REGISTRATION_FEE, "burned");
        uint256[] memory ids = new uint256[](1);
        ids[0] = id;
        hotspots.collectFor(PAYEE, ids);
        require(token.balanceOf(PAYEE) == 30_000, "not paid");
    }

    /// @dev The seller gets all of the first deposit and the buyer its part of the second, to the last unit.
    function testFuzz_aSaleBetweenDepositsPaysBothExactly(uint64 first, uint64 second, uint16 sold) public {
        uint256 id = register(hotspots, 1, PAYEE);
        address buyer = address(0xB0B);
        sold = uint16(1 + sold % 10_000);
        uint256 a = uint256(first) * 10_000;
        uint256 b = uint256(second) * 10_000;
        vm.assume(a > 0 && b > 0);
        grant(1, id, uint128(REGISTRATION_FEE + a));
        epochs.claim(id, REGISTRATION_FEE + a, none);
        vm.prank(PAYEE);
        hotspots.safeTransferFrom(PAYEE, buyer, id, sold, "");
        grant(2, id, uint128(REGISTRATION_FEE + a + b));
        epochs.claim(id, REGISTRATION_FEE + a + b, none);
        require(hotspots.collectable(id, PAYEE) == a + b * (10_000 - sold) / 10_000, "seller");
        require(hotspots.collectable(id, buyer) == b * sold / 10_000, "buyer");
        require(hotspots.operatorOf(id) == (sold > 5_000 ? buyer : PAYEE), "operator");
        uint256[] memory ids = new uint256[](1);
        ids[0] = id;
        hotspots.collectFor(PAYEE, ids);
        hotspots.collectFor(buyer, ids);
        require(token.balanceOf(address(hotspots)) == 0, "something is left");
    }

    function testFuzz_whatCannotBeDividedIsCarriedOn(uint16[8] memory deposits) public {
        uint256 id = register(hotspots, 1, PAYEE);
        uint256 sum = REGISTRATION_FEE;
        for (uint64 i = 0; i < 8; ++i) {
            sum += deposits[i];
            grant(i + 1, id, uint128(sum));
            if (sum > epochs.claimed(id)) epochs.claim(id, sum, none);
        }
        uint256 income = sum - REGISTRATION_FEE;
        require(hotspots.collectable(id, PAYEE) == income - income % 10_000, "something was lost");
        require(token.balanceOf(address(hotspots)) == income, "held");
    }

    function test_theOperatorIsTheLastWithMoreThanHalf() public {
        uint256 id = register(hotspots, 1, PAYEE);
        address a = address(0xA);
        address b = address(0xB);
        vm.prank(PAYEE);
        hotspots.safeTransferFrom(PAYEE, a, id, 5_000, "");
        require(hotspots.operatorOf(id) == PAYEE, "half is not more than half");
        vm.prank(PAYEE);
        hotspots.safeTransferFrom(PAYEE, b, id, 5_000, "");
        require(hotspots.operatorOf(id) == PAYEE, "nobody has more than half: the last one stays");
        vm.prank(b);
        hotspots.safeTransferFrom(b, a, id, 1, "");
        require(hotspots.operatorOf(id) == a, "more than half");
        vm.expectRevert(abi.encodeWithSelector(Hotspots.NotOperator.selector, id, PAYEE));
        vm.prank(PAYEE);
        hotspots.locate(id, HOME, 1, 1);
    }

    function test_registrationIsNotFrontRun() public {
        Registration memory d = registration(hotspots, 1, PAYEE);
        address thief = address(0xBAD);
        vm.expectRevert(abi.encodeWithSelector(Hotspots.BadDeviceSignature.selector, d.id));
        vm.prank(thief);
        hotspots.register(d.x, d.y, thief, HOME, 0, 5, 0, d.r, d.s);
        // Whoever copies the whole transaction registers it for its owner.
        vm.prank(thief);
        hotspots.register(d.x, d.y, PAYEE, HOME, 0, 5, 0, d.r, d.s);
        require(hotspots.operatorOf(d.id) == PAYEE && hotspots.balanceOf(PAYEE, d.id) == 10_000, "not the owner's");
    }

    function test_aDevicesSignatureDoesNotServeAnotherRegistry() public {
        Registration memory d = registration(hotspots, 1, PAYEE);
        deploy(4, 1_000);
        vm.expectRevert(abi.encodeWithSelector(Hotspots.BadDeviceSignature.selector, d.id));
        hotspots.register(d.x, d.y, PAYEE, HOME, 0, 5, 0, d.r, d.s);
    }

    // --- re-entrancy ------------------------------------------------------------------------------------------------

    function test_aReceiverThatCallsBackGetsNothingMore() public {
        Reentrant thief = new Reentrant(hotspots, epochs);
        uint256 id = register(hotspots, 1, PAYEE);
        grant(1, id, uint128(REGISTRATION_FEE + 20_000));
        thief.arm(id, REGISTRATION_FEE + 20_000);
        // The receiver claims, collects and passes shares on while it is told of them.
        vm.prank(PAYEE);
        hotspots.safeTransferFrom(PAYEE, address(thief), id, 6_000, "");
        require(thief.calls() > 0, "was not told");
        require(token.balanceOf(address(thief)) == 12_000, "its part of what was claimed meanwhile");
        require(hotspots.collectable(id, PAYEE) == 8_000, "the seller's part");
        uint256 shares = hotspots.balanceOf(address(thief), id) + hotspots.balanceOf(PAYEE, id);
        require(shares + hotspots.balanceOf(address(1), id) == 10_000, "I4");
        require(hotspots.operatorOf(id) == address(thief), "operator");
    }

    function test_anOwnerThatCallsBackRegistersOnce() public {
        Reentrant thief = new Reentrant(hotspots, epochs);
        Registration memory d = registration(hotspots, 1, address(thief));
        thief.armRegistration(d);
        hotspots.register(d.x, d.y, address(thief), HOME, 0, 5, 0, d.r, d.s);
        require(thief.refused() && hotspots.balanceOf(address(thief), d.id) == 10_000, "twice");
    }

    function test_aReceiverThatRefusesGetsNothing() public {
        uint256 id = register(hotspots, 1, PAYEE);
        vm.expectRevert(abi.encodeWithSelector(IERC1155Errors.ERC1155InvalidReceiver.selector, address(token)));
        vm.prank(PAYEE);
        hotspots.safeTransferFrom(PAYEE, address(token), id, 1, "");
    }
}

/// @dev Does all it can while it is told of shares.
contract Reentrant is Devices {
    Hotspots private immutable _hotspots;
    Epochs private immutable _epochs;
    uint256 private _id;
    uint256 private _cumulative;
    Registration private _registration;
    uint256 public calls;
    bool public refused;

    constructor(Hotspots hotspots_, Epochs epochs_) {
        (_hotspots, _epochs) = (hotspots_, epochs_);
    }

    function arm(uint256 id, uint256 cumulative) external {
        (_id, _cumulative) = (id, cumulative);
    }

    function armRegistration(Registration memory d) external {
        _registration = d;
    }

    function onERC1155Received(address, address, uint256 id, uint256, bytes calldata) external returns (bytes4) {
        ++calls;
        if (_cumulative > 0) {
            uint256[] memory ids = new uint256[](2);
            (ids[0], ids[1]) = (id, id);
            _epochs.claim(id, _cumulative, new bytes32[](0));
            _hotspots.collect(ids);
            _hotspots.safeTransferFrom(address(this), address(1), id, 100, "");
            _hotspots.collect(ids);
        } else {
            Registration memory d = _registration;
            try _hotspots.register(d.x, d.y, address(this), HOME, 0, 5, 0, d.r, d.s) {}
            catch {
                refused = true;
            }
        }
        return this.onERC1155Received.selector;
    }
}

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
