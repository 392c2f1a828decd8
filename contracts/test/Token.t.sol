// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20Errors} from "@openzeppelin/contracts/interfaces/draft-IERC6093.sol";
import {FarfieldToken} from "../src/FarfieldToken.sol";
import {Network} from "./Network.sol";
import {vm} from "./Vm.sol";

contract TokenTest is Network {
    bytes4 private constant ERC20_INSUFFICIENT = IERC20Errors.ERC20InsufficientBalance.selector;

    function setUp() public {
        deploy(2, 5);
    }

    function testFuzz_lockedStakeNeverMoves(uint128 extra, uint128 amount) public {
        vm.prank(address(epochs));
        token.mint(ownerOf(0), extra);
        if (amount > extra && amount <= uint256(extra) + 5 ether) {
            vm.expectRevert(
                abi.encodeWithSelector(
                    FarfieldToken.BalanceLocked.selector, ownerOf(0), uint256(extra) + 5 ether - amount, 5 ether
                )
            );
        } else if (amount > extra) {
            vm.expectRevert();
        }
        vm.prank(ownerOf(0));
        token.transfer(PAYEE, amount);
        require(token.balanceOf(ownerOf(0)) >= token.lockedOf(ownerOf(0)), "I2");
    }

    function testFuzz_onlyEpochsMints(address caller, uint256 amount) public {
        vm.assume(caller != address(epochs));
        vm.expectRevert(abi.encodeWithSelector(FarfieldToken.OnlyEpochs.selector, caller));
        vm.prank(caller);
        token.mint(PAYEE, amount);
    }

    function test_stakersAndStakesMustMatch() public {
        vm.expectRevert(abi.encodeWithSelector(FarfieldToken.StakesDoNotMatch.selector, 1, 2));
        new FarfieldToken(address(epochs), new address[](1), new uint256[](2));
    }

    function test_clockIsTheBlocksTimestamp() public {
        vm.warp(GENESIS + 77);
        require(token.clock() == GENESIS + 77, "clock");
    }

    /// @dev Supplies of the past are those at the end of the hour asked for, however mints and burns fall.
    function testFuzz_pastSupplyIsThatOfTheEndOfTheHour(uint256 seed) public {
        uint256[20] memory atEnd;
        uint256 hour = block.timestamp / 1 hours;
        vm.warp(hour * 1 hours + 1 hours);
        uint256 start = block.timestamp;
        for (uint256 i = 0; i < 60; ++i) {
            uint256 random = uint256(keccak256(abi.encode(seed, i)));
            vm.warp(start + i * 20 minutes + random % 20 minutes);
            if (random >> 255 == 0) change(random >> 8);
            atEnd[i / 3] = token.totalSupply();
        }
        vm.warp(start + 20 hours);
        for (uint256 i = 0; i < 20; ++i) {
            uint256 within = uint256(keccak256(abi.encode(seed, i, "within"))) % 1 hours;
            require(token.getPastTotalSupply(start + i * 1 hours + within) == atEnd[i], "past supply");
        }
        require(token.getPastTotalSupply(start - 1) == 10 ether, "supply before");
    }

    function change(uint256 random) private {
        if (random % 3 == 0 && token.balanceOf(PAYEE) > 0) {
            uint256 amount = 1 + (random >> 8) % token.balanceOf(PAYEE);
            vm.prank(PAYEE);
            token.burn(amount);
        } else {
            vm.prank(address(epochs));
            token.mint(PAYEE, (random >> 8) % 1_000 ether);
        }
    }

    function test_theFutureHasNoSupply() public {
        vm.warp(GENESIS + 1 days);
        vm.expectRevert();
        token.getPastTotalSupply(block.timestamp);
    }

    function testFuzz_burningMoreThanThereIsHasAName(uint256 amount) public {
        vm.assume(amount > 0);
        vm.expectRevert(abi.encodeWithSelector(ERC20_INSUFFICIENT, PAYEE, 0, amount));
        vm.prank(PAYEE);
        token.burn(amount);
    }
}
