// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {FarfieldToken} from "../src/FarfieldToken.sol";
import {Network} from "./Network.sol";
import {vm} from "./Vm.sol";

contract TokenTest is Network {
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
}
