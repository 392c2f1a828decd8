// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC1155Errors} from "@openzeppelin/contracts/interfaces/draft-IERC6093.sol";
import {Epochs} from "../src/Epochs.sol";
import {Hotspots} from "../src/Hotspots.sol";
import {Roots} from "../src/Roots.sol";
import {Devices} from "./Devices.sol";
import {Network} from "./Network.sol";
import {vm} from "./Vm.sol";

/// @dev Attacks on claims, shares and deposits, also by contracts that call back. Each test is one, named by what must not work;
/// attackers are whoever forge chooses.
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
